#pragma once

#include "vault/people/records.hpp"

// A person's rows as boxes: which key, which associated data (people/records.hpp has the bytes).
// Pure: keys come from the caller, nothing is read or written. Thread-safe.
//
//   K_val := BLAKE2b-256(key = item key, "obl/val/1" | retention-day leaf | region leaf); the
//   region
//            leaf is 0^32 for region 0
//   value box: under K_val.  index-truth box: under subkey 0 of K_val, context `index`.
//   fingerprint := BLAKE2b-128(key = subkey `field` of leaf(kind index), context `index`, value
//            normalised); field 0: the application's id as it is. The index in RAM knows its first
//            eight bytes, little-endian.
//   A value's salt pins tokens to it: its first four bytes, little-endian, are `salt32`.

namespace oubliette::people {

using BoxSalt = ByteArray<crypto::kBoxSaltSize>;

// The key that needs the item, the retention day and the region to be alive (KEYS 5.3).
[[nodiscard]] crypto::ValueKey derive_value_key(crypto::KeyView item, crypto::KeyView day,
                                                crypto::KeyView region) noexcept;

// REQUIRES: `leaf` is that of (kind index, 0, kid).
[[nodiscard]] ByteArray<16> fingerprint_of(crypto::KeyView leaf, std::uint16_t field,
                                           ByteView normalised) noexcept;

// header | box of a fixed-size record under a subkey. `place.type` is not value or index_truth.
[[nodiscard]] Bytes seal_record(const crypto::SubKey& key, const Header& header,
                                const RecordPlace& place, ByteView plaintext);
// The plaintext; nullopt if the row does not authenticate at this place.
[[nodiscard]] std::optional<crypto::SecretBytes> open_record(const crypto::SubKey& key,
                                                             const RecordPlace& place,
                                                             ByteView row);

// Row of format 2 with `truth`, else of format 1; `header.format` is set accordingly. The type in
// `place` is ignored. `salt` is fresh, and not zero in its first four bytes.
[[nodiscard]] Bytes seal_value_row(const crypto::ValueKey& key, Header header,
                                   const RecordPlace& place, const BoxSalt& salt,
                                   ByteView plaintext, const std::optional<IndexTruth>& truth);
// nullopt if the row is too short or of another format.
[[nodiscard]] std::optional<std::uint32_t> salt32_of(ByteView value_row) noexcept;
// The plaintext; nullopt if the row does not authenticate at this place. The type is ignored.
[[nodiscard]] std::optional<crypto::SecretBytes> open_value_row(const crypto::ValueKey& key,
                                                                const RecordPlace& place,
                                                                ByteView value_row);
// nullopt if there is none, or it does not authenticate. The type in `place` is ignored.
[[nodiscard]] std::optional<IndexTruth> open_index_truth(const crypto::ValueKey& key,
                                                         const RecordPlace& place,
                                                         ByteView value_row);

}  // namespace oubliette::people
