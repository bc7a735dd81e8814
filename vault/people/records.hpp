#pragma once

#include <compare>
#include <optional>
#include <string_view>
#include <vector>

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/hash.hpp"
#include "vault/clock.hpp"
#include "vault/keys/path.hpp"
#include "vault/keys/registry.hpp"
#include "vault/policy/gate.hpp"
#include "vault/policy/value.hpp"

// Every byte of a person's rows in the data plane (KEYS 5.2, 5.3, 6.4). DO NOT CHANGE: it is on
// disk and in backups. Integers are little-endian in rows, big-endian in keys.
//
//   person prefix := shard:u16be | tenant:u16be | local:u40be, shard = local >> 20: one person is
//                    one contiguous range, and new people append
//   row key := person prefix | kind:u8 | rest
//     kind 0x01 person row, no rest      kind 0x02 hot row, no rest
//     kind 0x03 audit counter, no rest   kind 0x10 value: field:u16be | item:u32be
//     kind 0x11 consent marker: slot:u16be | item:u32be
//     kind 0x12 external id: item:u32be (always item 0: a hold that kills S_fix still finds it)
//     kind 0x20, 0x21, 0x22: orders, holds and what they need to remember (people/links.hpp)
//     kind 0x23 recipients told, no rest
//     kind 0x24 subject request: request id:16, without a value (requests/request_table.hpp)
//     kind 0x2C given token: field:u16be | item:u32be | recipient:u16be | token kind:u8
//     kind 0x2D given handle: n:u32be, counted from 0
//   (their boxes: given_tokens.hpp)
//   header := format:u8 | suite:u8 = 1 | schema:u16 | retention class:u16 | day:u16 | region:u16 |
//             generation:u16                                                       (12 B, in clear)
//     format 1; a value row with an index-truth box has format 2. schema = field or slot number.
//   row := header | box, except
//   value row format 2 := header | index-truth box (70 B) | value box
//   associated data of every box := "obl1" | record type:u8 | plane:u8 = 0 | tenant:u16 |
//             local:u64 | field or slot:u16 | item:u32 | header 12                        (34 B)
//
// Plaintexts (decoding refuses anything but the one encoding; what is 0 here is reserved):
//   value := kind:u8 (1 text, 2 json) | collected:u32 (s since 2020) | size:u32 | bytes | 0-padding
//            to a multiple of 16 up to 256 B, above that to Padme sizes (at most 12 % more)
//   index truth := fingerprint:16 | normaliser version:u16 | index kid:u16
//   person row := next item:u32 | skipped from:u32 | skipped to:u32 | 0^4
//   hot row := granted:16 | seen version:u16 | home region:u16 | flags:u8 | 0^3 |
//              earliest expiry:u32 | account closed:u32 | last activity:u32 |
//              campaign ended:u32 | 0^24                                                  (64 B)
//   audit counter := reserved:u64
//   marker := slot:u16 | version:u16 | kind:u8 | told:u8 | 0^2 | granted:u32 | expires:u32 |
//             evidence:32                                                                 (48 B)
//   external id := size:u8 | bytes | 0-padding to a multiple of 16
//   recipients told := n x (recipient:u16 | field:u16), ascending: who outside the company was
//             shown what, so that they can be told when it must go
//
// Boxes of the person, hot, audit and told rows are under subkeys of S_fix; of values under K_val;
// of markers and external ids under a subkey of their item key.

namespace oubliette::people {

using keys::SubjectNumber;
using keys::TenantId;

enum class RowKind : std::uint8_t {
    person = 0x01,
    hot = 0x02,
    audit_counter = 0x03,
    value = 0x10,
    marker = 0x11,
    external_id = 0x12,
    order_link = 0x20,
    hold_link = 0x21,
    exception_note = 0x22,
    told = 0x23,
    request_link = 0x24,
    given_token = 0x2C,
    given_handle = 0x2D,
};

inline constexpr std::size_t kHeaderSize = 12;  // bytes
inline constexpr std::size_t kPersonPrefixSize = 9;
inline constexpr std::size_t kIndexTruthBoxSize =
    20 + crypto::box_overhead(crypto::Commitment::value);

struct Header {
    std::uint8_t format = 1;
    std::uint16_t schema = 0;
    std::uint16_t retention_class = 0;
    std::uint16_t day = 0;
    std::uint16_t region = 0;
    std::uint16_t generation = 0;

    [[nodiscard]] ByteArray<kHeaderSize> encode() const noexcept;
    // nullopt for a format or suite of the future.
    [[nodiscard]] static std::optional<Header> decode(ByteView row) noexcept;
};

// ---- Keys.
struct PersonPrefix {
    ByteArray<kPersonPrefixSize> bytes{};
    operator ByteView() const noexcept { return bytes; }  // NOLINT(google-explicit-constructor)
};
[[nodiscard]] PersonPrefix person_prefix(TenantId tenant, SubjectNumber number) noexcept;
// The person whose row has this key. nullopt for a key that is none of ours.
[[nodiscard]] std::optional<SubjectNumber> subject_of(ByteView row_key) noexcept;
[[nodiscard]] std::optional<RowKind> kind_of(ByteView row_key) noexcept;
// A key or prefix of table people, held in place: several are made for each value.
class RowKey {
public:
    explicit RowKey(const PersonPrefix& prefix) noexcept;
    RowKey& add(std::uint64_t value, std::size_t width) noexcept;  // big-endian
    operator ByteView() const noexcept {  // NOLINT(google-explicit-constructor)
        return ByteView{bytes_}.first(size_);
    }

private:
    ByteArray<kPersonPrefixSize + 17> bytes_{};
    std::size_t size_ = kPersonPrefixSize;
};
[[nodiscard]] RowKey row_key(TenantId tenant, SubjectNumber number, RowKind kind) noexcept;
// kind value or marker: field or slot, and item.
[[nodiscard]] RowKey row_key(TenantId tenant, SubjectNumber number, RowKind kind,
                             std::uint16_t field, std::uint32_t item) noexcept;
// Prefix of all rows of one field or slot.
[[nodiscard]] RowKey field_prefix(TenantId tenant, SubjectNumber number, RowKind kind,
                                  std::uint16_t field) noexcept;
struct FieldItem {
    std::uint16_t field = 0;
    std::uint32_t item = 0;
};
// Of a value, marker or given-token key. REQUIRES: kind_of(row_key) is one of them.
[[nodiscard]] FieldItem field_item_of(ByteView row_key) noexcept;

// ---- Associated data.
struct RecordPlace {
    keys::RecordType type{};
    TenantId tenant{};
    SubjectNumber number;
    std::uint16_t field = 0;
    std::uint32_t item = 0;
};
[[nodiscard]] ByteArray<34> associated_data(const RecordPlace& place,
                                            const ByteArray<kHeaderSize>& header) noexcept;

// ---- Plaintexts.
[[nodiscard]] std::size_t padded_size(std::size_t size) noexcept;

struct StoredValue {
    policy::ValueKind kind{};
    Timestamp collected;
    std::string_view text;  // view into the opened plaintext
};
[[nodiscard]] crypto::SecretBytes encode_value(policy::ValueKind kind, Timestamp collected,
                                               std::string_view text);
[[nodiscard]] std::optional<StoredValue> decode_value(ByteView plaintext) noexcept;

struct PersonRow {
    std::uint32_t next_item = 1;     // item 0 is the external id
    std::uint32_t skipped_from = 0;  // numbers lost to a rollback, [from, to): they die with the
    std::uint32_t skipped_to = 0;    // person's next puncture
};
[[nodiscard]] ByteArray<16> encode(const PersonRow& row) noexcept;
[[nodiscard]] std::optional<PersonRow> decode_person_row(ByteView plaintext) noexcept;

[[nodiscard]] ByteArray<64> encode(const policy::SubjectState& state) noexcept;
[[nodiscard]] std::optional<policy::SubjectState> decode_subject_state(ByteView plaintext) noexcept;

struct Marker {
    std::uint16_t slot = 0;
    std::uint16_t version = 0;
    policy::ConsentKind kind{};
    std::uint8_t told = 0;  // number of things the person was told, of the slot's `tells`
    Timestamp granted;
    Timestamp expires;  // 0 = never
    crypto::Hash evidence{};
    friend bool operator==(const Marker&, const Marker&) = default;
};
[[nodiscard]] ByteArray<48> encode(const Marker& marker) noexcept;
[[nodiscard]] std::optional<Marker> decode_marker(ByteView plaintext) noexcept;

[[nodiscard]] crypto::SecretBytes encode_external_id(std::string_view id);
[[nodiscard]] std::optional<std::string_view> decode_external_id(ByteView plaintext) noexcept;
inline constexpr std::size_t kExternalIdSizeMax = 128;  // bytes

// A field that a recipient outside the company was shown.
struct ToldField {
    std::uint16_t recipient = 0;
    std::uint16_t field = 0;
    friend auto operator<=>(const ToldField&, const ToldField&) = default;
};
// REQUIRES: ascending, each once.
[[nodiscard]] Bytes encode(const std::vector<ToldField>& told);
[[nodiscard]] std::optional<std::vector<ToldField>> decode_told(ByteView plaintext);

struct IndexTruth {
    ByteArray<16> fingerprint{};
    std::uint16_t normaliser = 0;
    std::uint16_t kid = 0;
};
[[nodiscard]] ByteArray<20> encode(const IndexTruth& truth) noexcept;
[[nodiscard]] std::optional<IndexTruth> decode_index_truth(ByteView plaintext) noexcept;

}  // namespace oubliette::people
