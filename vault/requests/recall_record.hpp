#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "vault/clock.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/people/records.hpp"

// A recall (MISSION 3.1(4)): a recipient outside the company must delete, or read again, what it
// was shown of somebody. It names no person: the recipient asks for its tokens again, and deletes
// what does not open any more.
//
//   record := format:u8 = 1 | reason:u8 | recipient:u16 | made:u32 | due:u32 | acknowledged:u32 |
//             acknowledged by:u16 | n:u16 | id:16 | cause:16 | n x field:u16
//
// DO NOT CHANGE: it is on disk and in backups. Decoding refuses anything but the one encoding.

namespace oubliette {

// The numbers are in rows: append only.
enum class RecallReason : std::uint8_t {
    withdrawal = 1,  // a consent ended
    erasure = 2,     // the person was erased
    correction = 3,  // a value was wrong: read it again
    officer = 4,     // an officer asked for it
};
[[nodiscard]] std::string_view name_of(RecallReason reason) noexcept;

struct RecallRecord {
    keys::RequestId id{};
    RecallReason reason{};
    std::uint16_t recipient = 0;
    Timestamp made;
    Timestamp due;           // without acknowledgement by then: a warning
    Timestamp acknowledged;  // 0: not yet
    std::uint16_t acknowledged_by = 0;
    keys::RequestId cause{};  // erasure or subject request; zero: none
    std::vector<std::uint16_t> fields;

    [[nodiscard]] bool is_open() const noexcept { return acknowledged.seconds == 0; }
};

inline constexpr std::uint32_t kRecallAnswer = 7 * 86'400;  // seconds to acknowledge

[[nodiscard]] Bytes encode(const RecallRecord& record);
[[nodiscard]] std::optional<RecallRecord> decode_recall_record(ByteView plaintext);

}  // namespace oubliette
