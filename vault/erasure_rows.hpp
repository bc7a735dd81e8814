#pragma once

#include <optional>
#include <string>

#include "crypto/byte_io.hpp"
#include "vault/clock.hpp"
#include "vault/keys/key_plane.hpp"

// What the data plane remembers of erasures, and of every revocation that is not final yet. No
// external id, no value; a subject number only while the revocation waits.
//
//   table erasures: request id:16 ->
//     erasure := format:u8 = 1 | scope:u8 | state:u8 | 0 | ground:u16 | accepted:u32 | final:u32 |
//                commitment C:32 | blind r2:32 | audit index:u64 | finality (only when final)
//     finality := epoch:u64 | hash before:32 | hash after:32 | request index:u64 |
//                 request count:u64 | n:u16 | n x proof hash:32 | n:u16 | n x acknowledgement |
//                 n:u16 | n x chain row
//     acknowledgement := keeper:16 | public key:32 | class:u8 | term:u64 | epoch:u64 | prev_h:32 |
//                 h:32 | request root:32 | members:32 | signature:64
//     chain row := epoch:u64 | term:u64 | prev_h:32 | H(root slot):32 | members:32 |
//                 request root:32 | h:32
//   table queue: request id:16 ->
//     queue := format:u8 = 1 | scope:u8 | ground:u16 | due:u32 | commitment:32 | blind:32 |
//              n:u16 | n x path 11

namespace oubliette {

enum class ErasureState : std::uint8_t { effective = 1, final = 2 };
[[nodiscard]] std::string_view name_of(ErasureState state) noexcept;
[[nodiscard]] std::string_view name_of(keys::RevocationScope scope) noexcept;

// Why a person asked (seed policy 5.2); an unknown ground is `other`, never refused.
enum class Ground : std::uint16_t {
    other = 0,
    unlawful = 1,
    no_consent = 2,
    breach = 3,
    no_longer_using = 4,
    withdrawn = 5,
};
[[nodiscard]] Ground parse_ground(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(Ground ground) noexcept;

struct ErasureRow {
    keys::RequestId id{};
    keys::RevocationScope scope = keys::RevocationScope::subject;
    ErasureState state = ErasureState::effective;
    Ground ground = Ground::other;
    Timestamp accepted;
    Timestamp finished;
    crypto::Hash commitment{};
    ByteArray<32> blind{};
    std::uint64_t audit_index = 0;
    std::optional<keys::Finality> finality;
};

[[nodiscard]] Bytes encode(const ErasureRow& row);
[[nodiscard]] std::optional<ErasureRow> decode_erasure_row(const keys::RequestId& id,
                                                           ByteView value);

struct QueueRow {
    keys::Revocation revocation;
    Timestamp due;  // superseded values wait so that one group takes many; all else is due at once
};
[[nodiscard]] Bytes encode(const QueueRow& row);
[[nodiscard]] std::optional<QueueRow> decode_queue_row(const keys::RequestId& id, ByteView value);

// "er_" and 32 hex digits.
[[nodiscard]] std::string erasure_id_text(const keys::RequestId& id);
[[nodiscard]] std::optional<keys::RequestId> parse_erasure_id(std::string_view text);

}  // namespace oubliette
