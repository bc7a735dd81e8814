#include "vault/people/rows.hpp"

#include "crypto/kdf.hpp"

namespace oubliette::people {
namespace {

using crypto::KdfContext;
using keys::RecordType;

// A plaintext of fixed size on the stack, wiped at its end.
template <std::size_t N>
struct Plaintext {
    Plaintext() noexcept = default;
    Plaintext(const Plaintext&) = delete;
    Plaintext& operator=(const Plaintext&) = delete;
    ~Plaintext() { crypto::wipe(bytes); }
    ByteArray<N> bytes{};
};

// False if the row does not authenticate. These are read for every decision: nothing of them
// touches the heap.
template <std::size_t N>
bool open_under_fixed(const crypto::Seed& fixed, const RecordPlace& place, std::uint64_t subkey,
                      ByteView row, Plaintext<N>& out) noexcept {
    const auto header = Header::decode(row);
    const std::size_t size = kHeaderSize + N + crypto::box_overhead(crypto::Commitment::value);
    if (!header || header->format != 1 || row.size() != size) return false;
    const auto key = crypto::derive_subkey(fixed.expose(), KdfContext::subject, subkey);
    return crypto::open_box_into(key.expose(), crypto::Commitment::value, row.subspan(kHeaderSize),
                                 associated_data(place, header->encode()), out.bytes);
}

}  // namespace

// ---- Under S_fix ---------------------------------------------------------------------------

std::optional<PersonRow> open_person_row(const crypto::Seed& fixed, const Owner& owner,
                                         ByteView row) {
    Plaintext<16> plaintext;
    const RecordPlace place{RecordType::person_row, owner.tenant, owner.number, 0, 0};
    const bool is_open = open_under_fixed(fixed, place, keys::subkey::kPersonRow, row, plaintext);
    return is_open ? decode_person_row(plaintext.bytes) : std::nullopt;
}

std::optional<policy::SubjectState> open_hot_row(const crypto::Seed& fixed, const Owner& owner,
                                                 ByteView row) {
    Plaintext<64> plaintext;
    const RecordPlace place{RecordType::hot_row, owner.tenant, owner.number, 0, 0};
    const bool is_open = open_under_fixed(fixed, place, keys::subkey::kHotRow, row, plaintext);
    return is_open ? decode_subject_state(plaintext.bytes) : std::nullopt;
}

std::optional<std::uint64_t> open_audit_counter(const crypto::Seed& fixed, const Owner& owner,
                                                ByteView row) {
    Plaintext<8> plaintext;
    const RecordPlace place{RecordType::audit_counter, owner.tenant, owner.number, 0, 0};
    if (!open_under_fixed(fixed, place, keys::subkey::kAuditCounter, row, plaintext)) {
        return std::nullopt;
    }
    return ByteReader{plaintext.bytes}.le64();
}

std::optional<std::vector<ToldField>> open_told_row(const crypto::Seed& fixed, const Owner& owner,
                                                    ByteView row) {
    const auto key =
        crypto::derive_subkey(fixed.expose(), KdfContext::subject, keys::subkey::kTold);
    const auto plaintext =
        open_record(key, {RecordType::told, owner.tenant, owner.number, 0, 0}, row);
    return plaintext ? decode_told(plaintext->expose()) : std::nullopt;
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
    opened.header = *Header::decode(row);  // it authenticated
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
