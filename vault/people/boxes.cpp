#include "vault/people/boxes.hpp"

#include "crypto/kdf.hpp"

namespace oubliette::people {
namespace {

using crypto::Commitment;
using keys::RecordType;

RecordPlace with_type(RecordPlace place, RecordType type) noexcept {
    place.type = type;
    return place;
}

crypto::SubKey index_truth_key(const crypto::ValueKey& key) noexcept {
    return crypto::derive_subkey(key.expose(), crypto::KdfContext::index,
                                 keys::subkey::kIndexTruth);
}

// The last box of a value row; nullopt if the row cannot hold it.
std::optional<ByteView> value_box_of(ByteView row) noexcept {
    const auto header = Header::decode(row);
    if (!header) return std::nullopt;
    const std::size_t at = kHeaderSize + (header->format == 2 ? kIndexTruthBoxSize : 0);
    if (row.size() < at + crypto::box_overhead(Commitment::value)) return std::nullopt;
    return row.subspan(at);
}

}  // namespace

crypto::ValueKey derive_value_key(crypto::KeyView item, crypto::KeyView day,
                                  crypto::KeyView region) noexcept {
    crypto::ValueKey key;
    crypto::blake2b_keyed(item, {bytes_of("obl/val/1"), day, region}, key.expose_mut());
    return key;
}

ByteArray<16> fingerprint_of(crypto::KeyView leaf, std::uint16_t field,
                             ByteView normalised) noexcept {
    const auto key = crypto::derive_subkey(leaf, crypto::KdfContext::index, field);
    ByteArray<16> out{};
    crypto::blake2b_keyed(key.expose(), {normalised}, out);
    return out;
}

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
    if (!header || header->format != 1) return std::nullopt;
    return crypto::open_box(key.expose(), Commitment::value, row.subspan(kHeaderSize),
                            associated_data(place, header->encode()));
}

Bytes seal_value_row(const crypto::ValueKey& key, Header header, const RecordPlace& place,
                     const BoxSalt& salt, ByteView plaintext,
                     const std::optional<IndexTruth>& truth) {
    header.format = truth ? 2 : 1;
    const auto head = header.encode();
    Bytes row(head.begin(), head.end());
    if (truth) {
        ByteWriter{row}.bytes(
            crypto::seal_box(index_truth_key(key).expose(), Commitment::value, encode(*truth),
                             associated_data(with_type(place, RecordType::index_truth), head)));
    }
    const std::size_t at = row.size();
    row.resize(at + plaintext.size() + crypto::box_overhead(Commitment::value));
    crypto::seal_box_into(key.expose(), Commitment::value, salt, plaintext,
                          associated_data(with_type(place, RecordType::value), head),
                          ByteSpan{row}.subspan(at));
    return row;
}

std::optional<std::uint32_t> salt32_of(ByteView value_row) noexcept {
    const auto box = value_box_of(value_row);
    if (!box) return std::nullopt;
    return ByteReader{box->subspan(crypto::kBoxSaltOffset)}.le32();
}

std::optional<crypto::SecretBytes> open_value_row(const crypto::ValueKey& key,
                                                  const RecordPlace& place, ByteView value_row) {
    const auto box = value_box_of(value_row);
    if (!box) return std::nullopt;
    return crypto::open_box(
        key.expose(), Commitment::value, *box,
        associated_data(with_type(place, RecordType::value), Header::decode(value_row)->encode()));
}

std::optional<IndexTruth> open_index_truth(const crypto::ValueKey& key, const RecordPlace& place,
                                           ByteView value_row) {
    const auto header = Header::decode(value_row);
    if (!header || header->format != 2) return std::nullopt;
    if (value_row.size() < kHeaderSize + kIndexTruthBoxSize) return std::nullopt;
    const auto plaintext = crypto::open_box(
        index_truth_key(key).expose(), Commitment::value,
        value_row.subspan(kHeaderSize, kIndexTruthBoxSize),
        associated_data(with_type(place, RecordType::index_truth), header->encode()));
    return plaintext ? decode_index_truth(plaintext->expose()) : std::nullopt;
}

}  // namespace oubliette::people
