#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/secret.hpp"
#include "vault/policy/document.hpp"
#include "vault/result.hpp"

// Values of fields: what each type accepts, and the form under which two values count as the same
// person's phone, name, mail. Values are personal data: nothing here repeats one in an error.
// Thread-safe.

namespace oubliette::policy {

// How a value was given, and is given back. The numbers are in value boxes: append only.
enum class ValueKind : std::uint8_t {
    text = 1,  // a JSON string: its characters as UTF-8, byte for byte
    json = 2,  // any other JSON value (object, array, number, true, false): its text as given
};

// Limits in bytes.
inline constexpr std::size_t kStringSizeMax = 4'096;  // string, name
inline constexpr std::size_t kPhoneDigitsMax = 17;
inline constexpr std::size_t kPhoneDigitsMin = 5;
inline constexpr std::size_t kPhoneSizeMax = 128;
inline constexpr std::size_t kEmailSizeMax = 254;
inline constexpr std::size_t kUrlSizeMax = 4'096;
inline constexpr std::size_t kEnumSizeMax = 64;
inline constexpr std::size_t kAccountSizeMin = 4;
inline constexpr std::size_t kAccountSizeMax = 34;
inline constexpr std::size_t kTextSizeMax = 60'000;  // text, json
inline constexpr std::size_t kNationalIdSizeMax = 40;
inline constexpr std::size_t kAddressSizeMax = 8'192;
inline constexpr std::size_t kValueDepthMax = 16;  // of a JSON value

// Nothing, if a field of this type may hold the value. Refuses: value_invalid.
[[nodiscard]] Result<void> check_value(FieldType type, ValueKind kind, std::string_view value);

// What a field of this type accepts, for the `detail` of a refusal: "a phone number is ...".
[[nodiscard]] std::string_view value_rule(FieldType type) noexcept;

// Version of normalise(), part of every index row: a new version re-indexes.
inline constexpr std::uint16_t kNormaliserVersion = 2;

// The form of `value` that matching and search compare: equal forms count as equal values.
//   text-like  NFKC_Casefold, white space at the ends dropped and inside made one space
//   phone      E.164: "+" and digits. A number that begins neither with + nor with 00 is one of
//              the field's country, without the digits dialled before it (phone_region.hpp); just
//              digits where the policy names no country that is known
//   email      NFKC_Casefold of the whole
//   account, national id   NFKC_Casefold without spaces and hyphens
//   json, binary, addresses given as an object   the text as given
// nullopt if nothing is left or it is not valid UTF-8. REQUIRES: nothing; a search term may be
// anything up to kTextSizeMax bytes (longer: nullopt).
[[nodiscard]] std::optional<crypto::SecretBytes> normalise(const FieldRule& rule,
                                                           std::string_view value);
// The same where no field is known: phone numbers have no country then.
[[nodiscard]] std::optional<crypto::SecretBytes> normalise(FieldType type, std::string_view value);

}  // namespace oubliette::policy
