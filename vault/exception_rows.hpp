#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vault/approvals.hpp"
#include "vault/keys/key_plane.hpp"

// The plaintexts of orders and holds: what exception_table.hpp boxes. An order does not name the
// people it covers: each of them has a link (people/links.hpp). A hold names one person by number
// while it lasts, and nobody afterwards. Pure, thread-safe.
//
//   order := format:u8 = 1 | state:u8 (1 waiting, 2 live, 3 closed) | flags:u8 (1: public) | 0 |
//            opener:u16 | opened:u32 | expires:u32 | closed:u32 | notice due:u32 |
//            notice given:u32 | subjects:u32 | paper:32 | permit:32 | notice evidence:32 |
//            approvals | basis | clause | authority | mark | tell | n:u16 | n x field:u16
//   hold := format:u8 = 1 | state:u8 (1 waiting, 2 live, 3 released, 4 lapsed) |
//           flags:u8 (1: the person may not be told) | extension:u8 | subject:u64 (all ones:
//           nobody) | placer:u16 | placed:u32 | review:u32 | ended:u32 | evidence:32 | extends:16 |
//           approvals | approvals of the release | ground | clause | law |
//           n:u16 | n x retention class:u16 | n:u16 | n x field:u16
//   texts := size:u8 | bytes          times are 0 for what has not happened
//
// DO NOT CHANGE: they are on disk and in backups. Decoding refuses anything but the one encoding.

namespace oubliette {

inline constexpr std::size_t kExceptionTextSizeMax = 200;  // bytes: authority, law

enum class OrderState : std::uint8_t { waiting = 1, live = 2, closed = 3 };

struct OrderRow {
    OrderState state = OrderState::waiting;
    bool is_public = false;
    std::uint16_t opener = 0;  // client
    Timestamp opened;
    Timestamp expires;
    Timestamp closed;
    Timestamp notice_due;    // when the person must have been told; set when it becomes live
    Timestamp notice_given;  // recorded
    std::uint32_t subjects = 0;
    crypto::Hash paper{};
    crypto::Hash permit{};
    crypto::Hash notice_evidence{};
    Approvals approvals;
    std::string basis;      // name of the policy's rule
    std::string clause;     // of the rule
    std::string authority;  // who demands it
    std::string mark;       // fields_marked of the rule: only values with this mark
    std::string tell;       // tell_subject of the rule
    std::vector<std::uint16_t> fields;

    // Somebody must still be told, and it was not recorded.
    [[nodiscard]] bool owes_notice() const noexcept {
        return notice_due.seconds != 0 && notice_given.seconds == 0;
    }
};

enum class HoldState : std::uint8_t { waiting = 1, live = 2, released = 3, lapsed = 4 };

struct HoldRow {
    HoldState state = HoldState::waiting;
    bool bars_telling = false;
    std::uint8_t extension = 0;  // how often it was extended before: 0 = it is the first
    std::optional<keys::SubjectNumber> subject;
    std::uint16_t placer = 0;  // client
    Timestamp placed;
    Timestamp review;  // it ends then
    Timestamp ended;
    crypto::Hash evidence{};
    ByteArray<16> extends{};  // the hold before it, or zero
    Approvals approvals;
    Approvals release;
    std::string ground;  // name of the policy's rule
    std::string clause;  // of the rule
    std::string law;
    std::vector<std::uint16_t> categories;
    std::vector<std::uint16_t> fields;

    [[nodiscard]] bool has_ended() const noexcept {
        return state == HoldState::released || state == HoldState::lapsed;
    }
    [[nodiscard]] bool covers(std::uint16_t field, std::uint16_t category) const noexcept;
};

[[nodiscard]] std::string_view name_of(OrderState state) noexcept;
[[nodiscard]] std::string_view name_of(HoldState state) noexcept;

// REQUIRES: texts of at most 255 bytes.
[[nodiscard]] Bytes encode(const OrderRow& row);
[[nodiscard]] std::optional<OrderRow> decode_order_row(ByteView plaintext);
[[nodiscard]] Bytes encode(const HoldRow& row);
[[nodiscard]] std::optional<HoldRow> decode_hold_row(ByteView plaintext);

}  // namespace oubliette
