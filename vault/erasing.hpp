#pragma once

#include "vault/core.hpp"
#include "vault/held_values.hpp"

// What every way of erasing a person shares: the immediate one of an officer, subject requests, and
// the rest that waited for a legal hold. Internal to vault/; runs on the committer's thread.

namespace oubliette {

// What the committing work found; handed on after the commit.
struct ErasureWork {
    std::optional<keys::SubjectNumber> number;
    std::optional<Refusal> refusal;
    // C was made, and its opening given, when the erasure was scheduled.
    std::optional<crypto::Hash> commitment;
    ErasureAnswer answer;
    KeptValues kept;          // by legal holds
    Core::Revoking revoking;  // without addresses: there is nothing new to destroy
};

// Officers, and applications of recipients that the policy lets erase.
[[nodiscard]] bool may_erase(const policy::Gate& gate, const Caller& caller);

// Accepts the erasure of a living person in this transaction: rows, entry, recalls, the end of the
// person's requests. After the commit the caller revokes `outcome.revoking`. Legal holds are asked
// here and nowhere else.
void erase_person(Writing& writing, const Caller& caller, keys::SubjectNumber number,
                  std::string_view external_id, Ground ground, ErasureWork& outcome);

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
