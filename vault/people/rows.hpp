#pragma once

#include <optional>
#include <string>

#include "vault/people/records.hpp"

// One row of a person, opened with keys that the caller has: People takes them from the key plane,
// the restore drill from a keeper beside it. Pure. nullopt everywhere: the row does not
// authenticate, or is of another format.

namespace oubliette::people {

struct Owner {
    TenantId tenant{};
    SubjectNumber number;
};

// A stored value, opened.
struct OpenedValue {
    std::uint32_t item = 0;
    std::uint32_t salt32 = 0;
    crypto::SecretBytes plaintext;
    StoredValue value;  // views into plaintext
};

// `header | box` of a fixed-size record under a subkey.
[[nodiscard]] Bytes seal_record(const crypto::SubKey& key, const Header& header,
                                const RecordPlace& place, ByteView plaintext);
[[nodiscard]] std::optional<crypto::SecretBytes> open_record(const crypto::SubKey& key,
                                                             const RecordPlace& place,
                                                             ByteView row);

// ---- Under S_fix.
[[nodiscard]] std::optional<PersonRow> open_person_row(const crypto::Seed& fixed,
                                                       const Owner& owner, ByteView row);
[[nodiscard]] std::optional<policy::SubjectState> open_hot_row(const crypto::Seed& fixed,
                                                               const Owner& owner, ByteView row);
// How many audit numbers are reserved.
[[nodiscard]] std::optional<std::uint64_t> open_audit_counter(const crypto::Seed& fixed,
                                                              const Owner& owner, ByteView row);

// ---- Under an item key.
[[nodiscard]] std::optional<Marker> open_marker_row(const crypto::ItemKey& key, const Owner& owner,
                                                    const FieldItem& place, ByteView row);
[[nodiscard]] std::optional<std::string> open_external_id_row(const crypto::ItemKey& key,
                                                              const Owner& owner, ByteView row);

// ---- Values. `region` is all zero for region 0 (KEYS 5.3).
[[nodiscard]] crypto::ValueKey value_key_of(const crypto::ItemKey& item, const crypto::Seed& day,
                                            const crypto::Seed& region) noexcept;
[[nodiscard]] std::optional<OpenedValue> open_value_row(const crypto::ValueKey& key,
                                                        const Owner& owner, const FieldItem& place,
                                                        ByteView row);
// REQUIRES: the row's header has format 2.
[[nodiscard]] std::optional<IndexTruth> open_index_truth_row(const crypto::ValueKey& key,
                                                             const Owner& owner,
                                                             const FieldItem& place, ByteView row);
// First four bytes of the value box's salt, which pin tokens to it.
[[nodiscard]] std::optional<std::uint32_t> salt32_of_row(ByteView row) noexcept;

}  // namespace oubliette::people
