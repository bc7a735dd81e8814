#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "vault/people/boxes.hpp"

// What a person's own rows remember of the table tokens that were drawn for them (KEYS 5.4, 5.6),
// so that a repeated request gets the same token, and an erasure finds the handles. All of it is
// boxed under the person's keys and dies with them. DO NOT CHANGE: it is on disk and in backups.
//
//   given token  := header | box; header.schema = recipient, header.retention class = token kind
//     plaintext := kid:u16 | size:u8, at most 128 | text | 0-padding to a multiple of 16
//     item 0: under subkey 16 of S_fix, context `subject`; the text has no part of a value
//     else:   under subkey 16 of that item key, context `item`; dies with the value
//   given handle := header | box under subkey 5 of S_fix, context `subject`
//     plaintext := local:u64, the handle's leaf of class 2; n is the item of its associated data
//
// Pure: keys come from the caller. Thread-safe.

namespace oubliette::people {

struct GivenTokenPlace {
    TenantId tenant{};
    SubjectNumber number;
    std::uint16_t field = 0;
    std::uint32_t item = 0;  // 0: not tied to one value
    std::uint16_t recipient = 0;
    std::uint8_t kind = 0;  // policy::TokenKind
};
struct GivenToken {
    std::uint16_t kid = 0;  // of the recipient's token rows; an older one was cut off
    std::string text;
    friend bool operator==(const GivenToken&, const GivenToken&) = default;
};

[[nodiscard]] RowKey given_token_key(const GivenTokenPlace& place) noexcept;
// nullopt for another row's key.
[[nodiscard]] std::optional<GivenTokenPlace> given_token_place(TenantId tenant,
                                                               ByteView row_key) noexcept;
// What a given token is boxed under: from S_fix for item 0, else from the item key.
[[nodiscard]] crypto::SubKey given_token_box_key(const GivenTokenPlace& place,
                                                 crypto::KeyView fixed_or_item) noexcept;
[[nodiscard]] Bytes seal_given_token(const crypto::SubKey& key, Header header,
                                     const GivenTokenPlace& place, const GivenToken& token);
// nullopt: the row does not authenticate at this place.
[[nodiscard]] std::optional<GivenToken> open_given_token(const crypto::SubKey& key,
                                                         const GivenTokenPlace& place,
                                                         ByteView row);

[[nodiscard]] RowKey given_handle_key(TenantId tenant, SubjectNumber number,
                                      std::uint32_t n) noexcept;
// REQUIRES: kind_of(row_key) is given_handle.
[[nodiscard]] std::uint32_t given_handle_number(ByteView row_key) noexcept;
[[nodiscard]] Bytes seal_given_handle(const crypto::Seed& fixed, const Header& header,
                                      TenantId tenant, SubjectNumber number, std::uint32_t n,
                                      SubjectNumber handle);
[[nodiscard]] std::optional<SubjectNumber> open_given_handle(const crypto::Seed& fixed,
                                                             TenantId tenant, SubjectNumber number,
                                                             std::uint32_t n, ByteView row);

}  // namespace oubliette::people
