#include "tools/forensic/boxes.hpp"

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette::forensic {
namespace {

using crypto::KdfContext;
using keys::Path;
using keys::RecordType;
using keys::SubjectNumber;
using keys::TenantId;
using people::RowKind;

constexpr std::size_t kClientHeadSize = 4;
// All-ones is reserved in every field but the retention day (keys/path.hpp).
constexpr std::uint64_t kReserved12 = 0xFFF;
constexpr std::uint16_t kReserved14 = 0x3FFF;
constexpr std::uint16_t kReserved16 = 0xFFFF;
constexpr std::uint64_t kReserved24 = 0xFF'FFFF;

struct Owner {
    TenantId tenant{};
    SubjectNumber number;
};

std::optional<Owner> owner_of(ByteView key) {
    const auto number = people::subject_of(key);
    if (!number) return std::nullopt;
    const std::uint16_t tenant = ByteReader{key.subspan(2)}.be16();
    const bool is_reserved = tenant >= kReserved12 || number->bank() >= kReserved12 ||
                             (number->local & kReserved24) == kReserved24;
    if (is_reserved) return std::nullopt;
    return Owner{static_cast<TenantId>(tenant), *number};
}

// An exception note (people/links.hpp) of one value has seven bytes; the one of its day before a
// hold is no box.
constexpr std::uint8_t kDayNote = 0x01;
constexpr std::uint8_t kSourceNote = 0x02;
std::uint8_t note_of(ByteView key) noexcept {
    return key[people::kPersonPrefixSize + 1];
}
bool is_source_note(ByteView key) noexcept {
    return note_of(key) == kSourceNote;
}

people::FieldItem place_in_person(ByteView key, RowKind kind) {
    const bool has_field =
        kind == RowKind::value || kind == RowKind::marker || kind == RowKind::given_token;
    if (has_field) return people::field_item_of(key);
    if (kind == RowKind::exception_note && is_source_note(key)) {
        ByteReader in{key.subspan(people::kPersonPrefixSize + 2)};
        const std::uint16_t field = in.be16();
        return {field, in.be32()};
    }
    if (kind == RowKind::external_id || kind == RowKind::given_handle) {
        return {0, ByteReader{key.subspan(people::kPersonPrefixSize + 1)}.be32()};
    }
    return {};
}

// A remembered token is tied to a value's item, or with item 0 to the person.
bool is_item_row(RowKind kind, const people::FieldItem& place) noexcept {
    const bool is_tied = kind == RowKind::given_token && place.item != 0;
    return is_tied || kind == RowKind::value || kind == RowKind::marker ||
           kind == RowKind::external_id || kind == RowKind::order_link ||
           kind == RowKind::hold_link || kind == RowKind::exception_note;
}

Box box_under(RowKind kind, ByteView key, const people::FieldItem& place) noexcept {
    namespace subkey = keys::subkey;
    switch (kind) {
    case RowKind::person:
        return {{}, {}, Derivation::subkey, KdfContext::subject, subkey::kPersonRow};
    case RowKind::hot: return {{}, {}, Derivation::subkey, KdfContext::subject, subkey::kHotRow};
    case RowKind::audit_counter:
        return {{}, {}, Derivation::subkey, KdfContext::subject, subkey::kAuditCounter};
    case RowKind::told: return {{}, {}, Derivation::subkey, KdfContext::subject, subkey::kTold};
    case RowKind::marker: return {{}, {}, Derivation::subkey, KdfContext::item, subkey::kMarker};
    case RowKind::external_id:
        return {{}, {}, Derivation::subkey, KdfContext::item, subkey::kExternalId};
    case RowKind::order_link:
    case RowKind::hold_link:
        return {{}, {}, Derivation::subkey, KdfContext::item, subkey::kExceptionLink};
    case RowKind::exception_note:
        return {{},
                {},
                Derivation::subkey,
                KdfContext::item,
                is_source_note(key) ? subkey::kPublicSource : subkey::kWaitingErasure};
    case RowKind::request_link:  // has no box
    case RowKind::given_token:
        if (is_item_row(kind, place)) {
            return {{}, {}, Derivation::subkey, KdfContext::item, subkey::kItemGivenToken};
        }
        return {{}, {}, Derivation::subkey, KdfContext::subject, subkey::kGivenToken};
    case RowKind::given_handle:
        return {{}, {}, Derivation::subkey, KdfContext::subject, subkey::kHandleList};
    case RowKind::value: break;
    }
    return {{}, {}, Derivation::value, KdfContext::index, 0};
}

RecordType type_of(RowKind kind, ByteView key) noexcept {
    switch (kind) {
    case RowKind::person: return RecordType::person_row;
    case RowKind::hot: return RecordType::hot_row;
    case RowKind::audit_counter: return RecordType::audit_counter;
    case RowKind::marker: return RecordType::marker;
    case RowKind::external_id: return RecordType::external_id;
    case RowKind::order_link:
    case RowKind::hold_link: return RecordType::exception_link;
    case RowKind::exception_note:
        return is_source_note(key) ? RecordType::public_source : RecordType::waiting_erasure;
    case RowKind::told: return RecordType::told;
    case RowKind::request_link:
    case RowKind::given_token: return RecordType::given_token;
    case RowKind::given_handle: return RecordType::given_handle;
    case RowKind::value: break;
    }
    return RecordType::value;
}

}  // namespace

std::optional<RowPlace> place_of_person_row(const Row& row) {
    const auto kind = people::kind_of(row.key);
    const auto owner = owner_of(row.key);
    const auto header = people::Header::decode(row.value);
    if (!kind || !owner || !header) return std::nullopt;
    if (kind == RowKind::exception_note && note_of(row.key) == kDayNote) return std::nullopt;
    const Path person = keys::person_path(owner->tenant, owner->number);
    RowPlace place{kind, keys::fixed_path(person), {}, {}};
    const auto within = place_in_person(row.key, *kind);
    if (is_item_row(*kind, within)) {
        const std::uint32_t item = within.item;
        if (item >= keys::kItemCountMax) return std::nullopt;
        place.leaf = keys::item_path(person, item);
    }
    if (*kind != RowKind::value) return place;
    if (header->retention_class >= kReserved14 || header->region == kReserved16) {
        return std::nullopt;
    }
    place.day = keys::retention_path(owner->tenant, header->retention_class, header->day);
    if (header->region != 0) place.region = keys::region_path(owner->tenant, header->region);
    return place;
}

std::optional<RowPlace> place_of_client_row(const Row& row) {
    const std::uint16_t client = ByteReader{row.key}.be16();
    const std::uint16_t recipient = ByteReader{row.value}.le16();
    if (client == 0 || client == kReserved16 || recipient >= kReserved14) return std::nullopt;
    const Path leaf = keys::system_path(
        keys::kFirstTenant, static_cast<std::uint8_t>(keys::SystemKind::client), recipient, client);
    return RowPlace{std::nullopt, leaf, {}, {}};
}

ByteView head_of(const Row& row, bool is_client) noexcept {
    return row.value.first(is_client ? kClientHeadSize : people::kHeaderSize);
}

std::vector<Box> boxes_of_person_row(const Row& row) {
    const RowKind kind = *people::kind_of(row.key);
    const Owner owner = *owner_of(row.key);
    const auto header = *people::Header::decode(row.value);
    const auto place = place_in_person(row.key, kind);
    people::RecordPlace record{type_of(kind, row.key), owner.tenant, owner.number, place.field,
                               place.item};
    Box box = box_under(kind, row.key, place);
    box.bytes = row.value.subspan(people::kHeaderSize);
    box.data = people::associated_data(record, header.encode());
    if (kind != RowKind::value || header.format != 2) return {box};
    // A value that can be searched for has a box with its fingerprint in front.
    if (box.bytes.size() < people::kIndexTruthBoxSize) return {};
    Box truth = box;
    record.type = RecordType::index_truth;
    truth.bytes = box.bytes.first(people::kIndexTruthBoxSize);
    truth.data = people::associated_data(record, header.encode());
    truth.derivation = Derivation::value_index;
    truth.number = keys::subkey::kIndexTruth;
    box.bytes = box.bytes.subspan(people::kIndexTruthBoxSize);
    return {box, truth};
}

std::vector<Box> boxes_of_client_row(const Row& row) {
    const SubjectNumber number{ByteReader{row.key}.be16()};
    Box box{{}, {}, Derivation::subkey, KdfContext::system, keys::subkey::kClientRow};
    box.bytes = row.value.subspan(kClientHeadSize);
    box.data = people::associated_data({RecordType::client, keys::kFirstTenant, number, 0, 0},
                                       people::Header{}.encode());
    return {box};
}

bool opens(const Box& box, crypto::KeyView key) {
    return crypto::open_box(key, crypto::Commitment::value, box.bytes, box.data).has_value();
}

}  // namespace oubliette::forensic
