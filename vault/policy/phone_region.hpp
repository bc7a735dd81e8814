#pragma once

#include <optional>
#include <string_view>

// How phone numbers are written inside a country, so that a search finds +86 139... by 0139...
// too: its calling code (ITU-T E.164) and the digits dialled before a national number. Numbers are
// not checked against a country's numbering plan, which changes. Thread-safe.

namespace oubliette::policy {

struct PhoneRegion {
    std::string_view country;       // ISO 3166 alpha-2
    std::string_view calling_code;  // digits
    std::string_view trunk;         // "" where national numbers have none
};

// nullopt for a country that is not in the table: national spellings are not recognised there.
[[nodiscard]] std::optional<PhoneRegion> phone_region_of(std::string_view country) noexcept;

}  // namespace oubliette::policy
