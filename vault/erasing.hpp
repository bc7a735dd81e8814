#pragma once

#include "vault/core.hpp"

// What erasing and finishing an erasure share. Internal to vault/; runs on the committer's thread.

namespace oubliette {

// Entries of the search index that a person's values have (of one field with `only`), and the
// entry of the external id where it is given.
[[nodiscard]] std::vector<IndexEntry> index_entries_of(Writing& writing, keys::SubjectNumber number,
                                                       std::string_view external_id,
                                                       std::optional<policy::FieldId> only);

// Those of values that are not in the hold bucket, without the external id.
[[nodiscard]] std::vector<IndexEntry> index_entries_but_held(Writing& writing,
                                                             keys::SubjectNumber number);

// The erasure row of a revocation accepted now, as it is stored.
[[nodiscard]] ErasureRow erasure_row_of(const keys::Revocation& revocation, Timestamp accepted);

}  // namespace oubliette
