#include "vault/people/rows.hpp"

#include "crypto/kdf.hpp"

namespace oubliette::people {
namespace {

using crypto::KdfContext;
using keys::RecordType;

std::optional<crypto::SecretBytes> open_under_fixed(const crypto::Seed& fixed, const Owner& owner,
                                                    std::uint64_t subkey, RecordType type,
                                                    ByteView row) {
    const auto key = crypto::derive_subkey(fixed.expose(), KdfContext::subject, subkey);
    return open_record(key, {type, owner.tenant, owner.number, 0, 0}, row);
}

}  // namespace

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

// ---- Under K_val -----------------------------------------------------------------------------

std::optional<OpenedValue> open_stored_value(const crypto::ValueKey& key, const Owner& owner,
                                             const FieldItem& place, ByteView row) {
    const auto salt = salt32_of(row);
    auto plaintext = open_value_row(
        key, {RecordType::value, owner.tenant, owner.number, place.field, place.item}, row);
    if (!salt || !plaintext) return std::nullopt;
    OpenedValue opened;
    opened.item = place.item;
    opened.salt32 = *salt;
    opened.plaintext = std::move(*plaintext);
    const auto value = decode_value(opened.plaintext.expose());
    if (!value) return std::nullopt;
    opened.value = *value;
    return opened;
}

std::optional<IndexTruth> open_stored_truth(const crypto::ValueKey& key, const Owner& owner,
                                            const FieldItem& place, ByteView row) {
    return open_index_truth(
        key, {RecordType::index_truth, owner.tenant, owner.number, place.field, place.item}, row);
}

}  // namespace oubliette::people
