#include "vault/people/rows.hpp"

#include "crypto/kdf.hpp"

namespace oubliette::people {
namespace {

using crypto::Commitment;
using crypto::KdfContext;
using keys::RecordType;

std::size_t value_box_at(const Header& header) noexcept {
    return kHeaderSize + (header.format == 2 ? kIndexTruthBoxSize : 0);
}

std::optional<crypto::SecretBytes> open_under_fixed(const crypto::Seed& fixed, const Owner& owner,
                                                    std::uint64_t subkey, RecordType type,
                                                    ByteView row) {
    const auto key = crypto::derive_subkey(fixed.expose(), KdfContext::subject, subkey);
    return open_record(key, {type, owner.tenant, owner.number, 0, 0}, row);
}

}  // namespace

Bytes seal_record(const crypto::SubKey& key, const Header& header, const RecordPlace& place,
                  ByteView plaintext) {
    const auto head = header.encode();
    Bytes row(head.begin(), head.end());
    ByteWriter{row}.bytes(
        crypto::seal_box(key.expose(), Commitment::value, plaintext, associated_data(place, head)));
    return row;
}

std::optional<crypto::SecretBytes> open_record(const crypto::SubKey& key, const RecordPlace& place,
                                               ByteView row) {
    const auto header = Header::decode(row);
    if (!header) return std::nullopt;
    return crypto::open_box(key.expose(), Commitment::value, row.subspan(kHeaderSize),
                            associated_data(place, header->encode()));
}

// ---- Under S_fix ---------------------------------------------------------------------------

std::optional<PersonRow> open_person_row(const crypto::Seed& fixed, const Owner& owner,
                                         ByteView row) {
    const auto plaintext =
        open_under_fixed(fixed, owner, keys::subkey::kPersonRow, RecordType::person_row, row);
    return plaintext ? decode_person_row(plaintext->expose()) : std::nullopt;
}

std::optional<policy::SubjectState> open_hot_row(const crypto::Seed& fixed, const Owner& owner,
                                                 ByteView row) {
    const auto plaintext =
        open_under_fixed(fixed, owner, keys::subkey::kHotRow, RecordType::hot_row, row);
    return plaintext ? decode_subject_state(plaintext->expose()) : std::nullopt;
}

std::optional<std::uint64_t> open_audit_counter(const crypto::Seed& fixed, const Owner& owner,
                                                ByteView row) {
    const auto plaintext =
        open_under_fixed(fixed, owner, keys::subkey::kAuditCounter, RecordType::audit_counter, row);
    if (!plaintext || plaintext->size() != sizeof(std::uint64_t)) return std::nullopt;
    return ByteReader{plaintext->expose()}.le64();
}

// ---- Under an item key -----------------------------------------------------------------------

std::optional<Marker> open_marker_row(const crypto::ItemKey& key, const Owner& owner,
                                      const FieldItem& place, ByteView row) {
    const auto marker_key =
        crypto::derive_subkey(key.expose(), KdfContext::item, keys::subkey::kMarker);
    const auto plaintext = open_record(
        marker_key, {RecordType::marker, owner.tenant, owner.number, place.field, place.item}, row);
    return plaintext ? decode_marker(plaintext->expose()) : std::nullopt;
}

std::optional<std::string> open_external_id_row(const crypto::ItemKey& key, const Owner& owner,
                                                ByteView row) {
    const auto id_key =
        crypto::derive_subkey(key.expose(), KdfContext::item, keys::subkey::kExternalId);
    const auto plaintext =
        open_record(id_key, {RecordType::external_id, owner.tenant, owner.number, 0, 0}, row);
    const auto id = plaintext ? decode_external_id(plaintext->expose()) : std::nullopt;
    if (!id) return std::nullopt;
    return std::string{*id};
}

// ---- Values ----------------------------------------------------------------------------------

crypto::ValueKey value_key_of(const crypto::ItemKey& item, const crypto::Seed& day,
                              const crypto::Seed& region) noexcept {
    crypto::ValueKey key;
    crypto::blake2b_keyed(item.expose(), {bytes_of("obl/val/1"), day.expose(), region.expose()},
                          key.expose_mut());
    return key;
}

std::optional<OpenedValue> open_value_row(const crypto::ValueKey& key, const Owner& owner,
                                          const FieldItem& place, ByteView row) {
    const auto header = Header::decode(row);
    const auto salt = salt32_of_row(row);
    if (!header || !salt) return std::nullopt;
    auto plaintext = crypto::open_box(
        key.expose(), Commitment::value, row.subspan(value_box_at(*header)),
        associated_data({RecordType::value, owner.tenant, owner.number, place.field, place.item},
                        header->encode()));
    if (!plaintext) return std::nullopt;
    OpenedValue opened;
    opened.item = place.item;
    opened.salt32 = *salt;
    opened.plaintext = std::move(*plaintext);
    const auto value = decode_value(opened.plaintext.expose());
    if (!value) return std::nullopt;
    opened.value = *value;
    return opened;
}

std::optional<IndexTruth> open_index_truth_row(const crypto::ValueKey& key, const Owner& owner,
                                               const FieldItem& place, ByteView row) {
    const auto header = Header::decode(row);
    if (!header || row.size() < kHeaderSize + kIndexTruthBoxSize) return std::nullopt;
    const auto truth_key =
        crypto::derive_subkey(key.expose(), KdfContext::index, keys::subkey::kIndexTruth);
    const auto plaintext = crypto::open_box(
        truth_key.expose(), Commitment::value, row.subspan(kHeaderSize, kIndexTruthBoxSize),
        associated_data(
            {RecordType::index_truth, owner.tenant, owner.number, place.field, place.item},
            header->encode()));
    return plaintext ? decode_index_truth(plaintext->expose()) : std::nullopt;
}

std::optional<std::uint32_t> salt32_of_row(ByteView row) noexcept {
    const auto header = Header::decode(row);
    if (!header) return std::nullopt;
    const std::size_t box_at = value_box_at(*header);
    if (row.size() < box_at + crypto::box_overhead(Commitment::value)) return std::nullopt;
    return ByteReader{row.subspan(box_at + crypto::kBoxSaltOffset, 4)}.le32();
}

}  // namespace oubliette::people
