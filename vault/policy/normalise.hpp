#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/secret.hpp"

// The parts of normalising that checking shares. value.hpp has the contract. Thread-safe.

namespace oubliette::policy {

enum class PhoneDigits : std::uint8_t {
    any_count,     // what somebody searches for
    whole_number,  // kPhoneDigitsMin to kPhoneDigitsMax
};

// Digits of `value`, with a leading + if it began with + or 00; nullopt if, in its NFKC form, it
// is anything but digits, spaces, hyphens, brackets and one + in front, or has too few or too many
// digits. The 00 counts for none.
[[nodiscard]] std::optional<crypto::SecretBytes> normalise_phone(std::string_view value,
                                                                 PhoneDigits digits);

// True if `text` has a character that Unicode calls white space. REQUIRES: well-formed UTF-8.
[[nodiscard]] bool has_white_space(std::string_view text) noexcept;

}  // namespace oubliette::policy
