#pragma once

#include <optional>
#include <string>

#include "vault/people/boxes.hpp"

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
    Header header;
    crypto::SecretBytes plaintext;
    StoredValue value;  // views into plaintext
};

// ---- Under S_fix.
[[nodiscard]] std::optional<PersonRow> open_person_row(const crypto::Seed& fixed,
                                                       const Owner& owner, ByteView row);
[[nodiscard]] std::optional<policy::SubjectState> open_hot_row(const crypto::Seed& fixed,
                                                               const Owner& owner, ByteView row);
// How many audit numbers are reserved.
[[nodiscard]] std::optional<std::uint64_t> open_audit_counter(const crypto::Seed& fixed,
                                                              const Owner& owner, ByteView row);

// Who was shown what.
[[nodiscard]] std::optional<std::vector<ToldField>> open_told_row(const crypto::Seed& fixed,
                                                                  const Owner& owner, ByteView row);

// ---- Under an item key.
[[nodiscard]] std::optional<Marker> open_marker_row(const crypto::ItemKey& key, const Owner& owner,
                                                    const FieldItem& place, ByteView row);
[[nodiscard]] std::optional<std::string> open_external_id_row(const crypto::ItemKey& key,
                                                              const Owner& owner, ByteView row);

// ---- Under K_val.
[[nodiscard]] std::optional<OpenedValue> open_stored_value(const crypto::ValueKey& key,
                                                           const Owner& owner,
                                                           const FieldItem& place, ByteView row);
// nullopt also if the row has none (format 1).
[[nodiscard]] std::optional<IndexTruth> open_stored_truth(const crypto::ValueKey& key,
                                                          const Owner& owner,
                                                          const FieldItem& place, ByteView row);

}  // namespace oubliette::people
