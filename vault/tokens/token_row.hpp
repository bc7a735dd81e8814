#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "crypto/secret.hpp"
#include "vault/clock.hpp"
#include "vault/keys/path.hpp"

// Rows of table `table_tokens` (KEYS 5.4): tokens whose text says nothing, not even who drew them.
// A row is found only with a key of the recipient, so that the texts of two recipients cannot be
// brought together, and one dead leaf ends all tokens of a recipient. Rows stay after an erasure:
// their owner learns ERASED, everybody else NOT_FOUND. DO NOT CHANGE: it is on disk and in backups.
//
//   token row:  key := 1:u8 | tenant:u16be | recipient:u16be | kid:u16be | find:16
//     find := BLAKE2b-128(subkey 1 of leaf(class 0, kind token_row, recipient, kid), context
//             `token`; the token's text)
//     row  := head | box
//     head := format:u8 | suite:u8 = 1 | generation:u16, and in format 2: handle:u64
//       format 1: the box is under subkey 2 of the same leaf
//       format 2, handle tokens: under subkey 3 of leaf(class 2, handle), context `token`, which
//       dies with the person: nothing says then whose token it was
//     associated data := "obl1" | record type:u8 (table_token, handle) | plane:u8 = 0 | tenant:u16
//     |
//             recipient:u16 | kid:u16 | find:16 | head
//     plaintext := kind:u8 | state:u8 | field:u16 | expiry:u32 (s since 2020, 0 none) |
//             member count:u16 | 0^2 | members, each local:u64 | salt32:u32
//       kind: policy::TokenKind 3 format, 4 one-time, 5 handle, 6 value
//       state: 0 open, 1 used, 2 poison, 3 poison that ends its client; only 0 has members
//       more than one member only for kind 6: all hold the same value
//   count row:  key := 2:u8 | tenant:u16be | recipient:u16be | kid:u16be | shape id:8 |
//             generation:u16be
//     row  := box of count:u64, the tokens drawn from this space, under subkey 2 as above
//     associated data := "obl1" | record type:u8 (token_count) | plane:u8 = 0 | key
//
// A token is drawn only in its class: the number of one bits at the front of `find` is the
// generation (the last class holds all that is left). So what an older copy of the data does not
// know any more can never be drawn a second time after it (KEYS 4.6). Opaque texts, mail addresses
// and UUIDs have too many to need classes.
//
// Thread-safe.

namespace oubliette::tokens {

inline constexpr std::size_t kFindSize = 16;           // bytes
inline constexpr std::size_t kMemberCountMax = 1'024;  // people with one value token
inline constexpr unsigned kClassLast = 12;  // halves of the space; each later one is half as large

// The numbers are policy::TokenKind's.
enum class TableKind : std::uint8_t { format = 3, one_time = 4, handle = 5, value = 6 };
enum class TableState : std::uint8_t { open = 0, used = 1, poison = 2, poison_ends_client = 3 };
[[nodiscard]] constexpr bool is_poison(TableState state) noexcept {
    return state == TableState::poison || state == TableState::poison_ends_client;
}

struct TokenMember {
    keys::SubjectNumber subject;
    std::uint32_t salt32 = 0;
    friend bool operator==(const TokenMember&, const TokenMember&) = default;
};

struct TokenRow {
    TableKind kind{};
    TableState state{};
    std::uint16_t field = 0;
    Timestamp expiry;  // 0 = none
    std::vector<TokenMember> members;
    friend bool operator==(const TokenRow&, const TokenRow&) = default;
};

// The part of a row that is in clear.
struct TokenRowHead {
    std::uint16_t generation = 0;
    std::optional<keys::SubjectNumber> handle;  // its leaf of class 2
    friend bool operator==(const TokenRowHead&, const TokenRowHead&) = default;
};

using FindKey = ByteArray<kFindSize>;

struct TokenRowPlace {
    keys::TenantId tenant{};
    std::uint16_t recipient = 0;
    std::uint16_t kid = 0;
    FindKey find{};
};

// Both subkeys of one (recipient, kid). Secret; wiped by its members.
struct TokenRowKeys {
    crypto::SubKey find;
    crypto::SubKey box;

    // From the leaf of (kind token_row, recipient, kid).
    [[nodiscard]] static TokenRowKeys derive(crypto::KeyView leaf) noexcept;
};
// From the leaf of a handle.
[[nodiscard]] crypto::SubKey handle_box_key(crypto::KeyView leaf) noexcept;

[[nodiscard]] FindKey find_key(const TokenRowKeys& keys, std::string_view text) noexcept;
// The generation in which a text may be drawn.
[[nodiscard]] unsigned class_of(const FindKey& find) noexcept;
// That of a generation: min(generation, kClassLast).
[[nodiscard]] unsigned class_of_generation(std::uint16_t generation) noexcept;

[[nodiscard]] Bytes token_row_key(const TokenRowPlace& place);
[[nodiscard]] Bytes count_row_key(const TokenRowPlace& place, const ByteArray<8>& shape,
                                  std::uint16_t generation);
[[nodiscard]] Bytes seal_count_row(const TokenRowKeys& keys, ByteView row_key, std::uint64_t count);
// nullopt: the row does not authenticate.
[[nodiscard]] std::optional<std::uint64_t> open_count_row(const TokenRowKeys& keys,
                                                          ByteView row_key, ByteView row);
// nullopt for a key of another kind or size.
[[nodiscard]] std::optional<TokenRowPlace> token_place_of(ByteView row_key) noexcept;

[[nodiscard]] Bytes seal_token_row(crypto::KeyView key, const TokenRowPlace& place,
                                   const TokenRowHead& head, const TokenRow& row);
// nullopt: another format, or too short.
[[nodiscard]] std::optional<TokenRowHead> token_row_head(ByteView row) noexcept;
// nullopt: the row does not authenticate at this place.
[[nodiscard]] std::optional<TokenRow> open_token_row(crypto::KeyView key,
                                                     const TokenRowPlace& place, ByteView row);

}  // namespace oubliette::tokens
