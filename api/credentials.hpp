#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/secret.hpp"

// The text of an API key, as it stands in a key file and behind "Authorization: Bearer ". One text
// per key: what is not exactly this is no key. Thread-safe.
//
//   key    := "obk_c" client "k" number "_" secret "_" check
//   client := decimal, 1 to 65535, no leading zero      the client's number
//   number := decimal, 1 to 65535, no leading zero      which of its keys this is
//   secret := 64 lower-case hex digits                  32 random bytes
//   check  := 6 lower-case hex digits                   low 24 bits of the CRC-32 of all before "_"
//
// The check tells a typing error from a wrong key without asking the vault, and lets a scanner find
// leaked keys offline. It is no security. Hex, because base64url itself contains "_" and "-", on
// which a double click and the splitting of the parts would stop.

namespace oubliette::api {

struct ApiKeyText {
    std::uint16_t client = 0;
    std::uint16_t key = 0;
    crypto::SecretBytes secret;  // kApiKeySecretSize bytes
};

inline constexpr std::size_t kApiKeySecretSize = 32;

// nullopt if `text` is not a key.
[[nodiscard]] std::optional<ApiKeyText> parse_api_key(std::string_view text);

// The key in an Authorization header's value: "Bearer obk_...", one space, the scheme in any case.
[[nodiscard]] std::optional<ApiKeyText> parse_authorization(std::string_view value);

// REQUIRES: client and key are not 0, the secret has kApiKeySecretSize bytes.
[[nodiscard]] crypto::SecretBytes format_api_key(const ApiKeyText& key);

}  // namespace oubliette::api
