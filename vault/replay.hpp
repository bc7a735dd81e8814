#pragma once

#include "vault/decisions.hpp"

// The replay of one audit entry (decisions.hpp) as a pure function of the entry and the policy of
// its time.

namespace oubliette {

// True for entries of decisions: reads, writes, searches and dry runs.
[[nodiscard]] bool is_decision(audit::Action action) noexcept;

// REQUIRES: is_decision(entry.action) and gate.version() == entry.policy_version.
[[nodiscard]] Replay replay_entry(const policy::Gate& gate, std::uint64_t index,
                                  const audit::Entry& entry);

}  // namespace oubliette
