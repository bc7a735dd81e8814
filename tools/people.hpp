#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Synthetic people: the same seed and number always give the same person, on every machine. Nobody
// can be reached: e-mail lies in reserved domains (RFC 2606), mobile numbers in country codes that
// are not assigned or in ranges kept for fiction. Thread-safe.

namespace oubliette::tools {

struct SyntheticPerson {
    std::string user_name;  // ASCII, different for each number
    std::string real_name;  // UTF-8, family name first where that is the custom
    std::string mobile;     // E.164
    std::string email;
    std::string address;  // sometimes of several lines
};

[[nodiscard]] SyntheticPerson make_person(std::uint64_t seed, std::uint64_t number);

inline constexpr std::string_view kPeopleHeader = "user_name,real_name,mobile,email,address\n";

// One CSV row with its line end. About one plain cell in eight is quoted all the same.
[[nodiscard]] std::string person_csv_row(std::uint64_t seed, std::uint64_t number);

}  // namespace oubliette::tools
