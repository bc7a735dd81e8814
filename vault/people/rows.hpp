#pragma once

#include <optional>
#include <string>

#include "vault/people/boxes.hpp"

// The rows of one person that are no values, opened with keys that the caller has: People takes
// them from the key plane, the restore drill from a keeper. Pure. nullopt everywhere: the row does
// not authenticate, or is of another format. Values: people/boxes.hpp.

namespace oubliette::people {

struct Owner {
    TenantId tenant{};
    SubjectNumber number;
};

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

}  // namespace oubliette::people
