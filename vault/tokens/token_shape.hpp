#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/bytes.hpp"
#include "vault/policy/document.hpp"
#include "vault/tokens/token_text.hpp"

// What the text of a table token looks like, and how one is drawn (KEYS 10.2). Always a random draw
// from a space in which nothing real was ever issued, never an encryption of the value:
//
//   opaque       "obt1." | 30 random bytes as base64url: one-time, handle and value tokens
//   card         length of the value (12 to 19), else 16: "99" | digits. MII 9 with the country
//                codes 900-999, which ISO 3166 gives to nobody. Luhn-valid, or invalid on demand;
//                the value's last four digits on demand
//   iban         "XX", a country that ISO 3166 gives to nobody | check digits (ISO 7064 mod 97-10)
//   |
//                digits to the length of the value (15 to 34), else 22
//   phone        "+999" | 12 digits: a country code that was never assigned
//   email        26 of base32 | "@" | domain; by default below .invalid (RFC 2606)
//   national id  18 characters: "99" | 15 digits | ISO 7064 mod 11-2, for a value of 18; 9 digits
//                "000" or "666" | 6 digits for a value of 9 digits; else a UUID
//   uuid         UUIDv8 (RFC 9562), 122 random bits
//   digits, alphabet   as many characters as the policy says, of its alphabet
//
// Thread-safe.

namespace oubliette::tokens {

// Smaller spaces are refused: whoever knows how many tokens there are would guess one.
inline constexpr std::uint64_t kSpaceMin = 1'000'000;  // texts

// One space of texts. `kept` is part of every text of it.
struct Shape {
    enum class Kind : std::uint8_t {
        opaque = 0,
        card = 1,
        iban = 2,
        phone = 3,
        email = 4,
        resident_id = 5,
        security_number = 6,
        uuid = 7,
        digits = 8,
        alphabet = 9,
    };
    Kind kind = Kind::opaque;
    std::uint16_t length = 0;  // characters; 0 where the kind says it
    bool luhn = true;
    std::string kept;      // the value's last characters
    std::string alphabet;  // kind alphabet
    std::string domain;    // kind email
};

// The space for tokens of `value`. A kept part is dropped where it would leave less than kSpaceMin.
// `tenant` names the domain of mail addresses if the policy names none.
[[nodiscard]] Shape shape_for(const policy::TokenFormat& format, std::string_view value,
                              std::string_view tenant);

// How many different texts there are, at most 2^64 - 1.
[[nodiscard]] std::uint64_t size_of(const Shape& shape) noexcept;
// The same bytes for the same space, whatever part of a value is kept in it.
[[nodiscard]] ByteArray<8> id_of(const Shape& shape) noexcept;

// A text drawn uniformly.
[[nodiscard]] TokenText draw(const Shape& shape) noexcept;

}  // namespace oubliette::tokens
