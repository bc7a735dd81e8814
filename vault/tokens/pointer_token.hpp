#pragma once

#include <optional>
#include <string_view>

#include "crypto/secret.hpp"
#include "vault/clock.hpp"
#include "vault/keys/path.hpp"

// Pointer token v1 (KEYS 5.4): 77 characters that only say whom and which field, sealed for one
// recipient. A pointer, never authority: the caller's identity and the policy always decide.
//
//   token   := "obl1." | base64url(kid:u16 | iv:24 | ct:28)                     54 B, no spare bits
//   payload := local:u40 (top 4 bits 0) | field:u16 | salt32:u32 | recipient:u16 | kind:u8 |
//              purpose set:u16 = 0 | expiry:u32 (s since 2020, 0 none) | nonce:8           (28 B)
//   kind    := 1 pointer (random nonce) | 2 deterministic (nonce 0) | 3 poison: nobody's, local 0,
//              salt32 1 if opening it ends the client (vault/token_desk.hpp)
//   salt32  := first 4 bytes of the value box's salt, or 0: floats to the field's present value
//   associated data := "obltok1\0" | tenant:u16 | recipient:u16 | kid:u16                  (14 B)
//   sealed by crypto/siv under subkeys 1 (mac) and 2 (encryption) of
//   leaf(class 0, kind token, recipient, kid), context `token`
//
// Tenant and recipient come from the caller, never from the request. Thread-safe.

namespace oubliette::tokens {

inline constexpr std::string_view kTokenPrefix = "obl1.";
inline constexpr std::size_t kTokenSize = 77;       // characters
inline constexpr std::size_t kTokenBytesSize = 54;  // bytes behind the prefix
inline constexpr std::size_t kPayloadSize = 28;     // bytes

enum class TokenKind : std::uint8_t { pointer = 1, deterministic = 2, poison = 3 };

struct TokenPayload {
    keys::SubjectNumber subject;
    std::uint16_t field = 0;
    std::uint32_t salt32 = 0;
    std::uint16_t recipient = 0;
    TokenKind kind = TokenKind::pointer;
    Timestamp expiry;      // 0 = none
    ByteArray<8> nonce{};  // all zero: deterministic

    friend bool operator==(const TokenPayload&, const TokenPayload&) = default;
};

// Both subkeys of one (recipient, kid). Secret; wiped by its members.
struct TokenKeys {
    crypto::SubKey mac;
    crypto::SubKey encryption;

    // From the leaf of (kind token, recipient, kid).
    [[nodiscard]] static TokenKeys derive(crypto::KeyView leaf) noexcept;
};

// Whose tokens.
struct TokenScope {
    keys::TenantId tenant{};
    std::uint16_t recipient = 0;
    std::uint16_t kid = 0;
};

// Writes the 77 characters to `out`.
void seal_token(const TokenKeys& keys, const TokenScope& scope, const TokenPayload& payload,
                std::span<char, kTokenSize> out) noexcept;

// The kid a text claims; nullopt if it is no token at all (length, prefix, alphabet, not
// canonical). The text is not authenticated by this.
[[nodiscard]] std::optional<std::uint16_t> parse_kid(std::string_view text) noexcept;

// nullopt for anything that seal_token did not make with these keys and scope.
[[nodiscard]] std::optional<TokenPayload> open_token(const TokenKeys& keys, const TokenScope& scope,
                                                     std::string_view text) noexcept;

}  // namespace oubliette::tokens
