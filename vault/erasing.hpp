#pragma once

#include "vault/core.hpp"

// What every way of erasing a person shares: the immediate one of an officer, and subject requests.
// Internal to vault/.

namespace oubliette {

// What the committing work found; handed on after the commit.
struct ErasureWork {
    std::optional<keys::SubjectNumber> number;
    std::optional<Refusal> refusal;
    // C was made, and its opening given, when the erasure was scheduled.
    std::optional<crypto::Hash> commitment;
    ErasureAnswer answer;
    Core::Revoking revoking;
};

// Officers, and applications of recipients that the policy lets erase.
[[nodiscard]] bool may_erase(const policy::Gate& gate, const Caller& caller);

// Accepts the erasure of a living person in this transaction: rows, entry, recalls, the end of the
// person's requests. After the commit the caller revokes `outcome.revoking`. Legal holds are asked
// here and nowhere else.
void erase_person(Writing& writing, const Caller& caller, keys::SubjectNumber number,
                  std::string_view external_id, Ground ground, ErasureWork& outcome);

}  // namespace oubliette
