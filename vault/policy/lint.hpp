#pragma once

#include <vector>

#include "vault/clock.hpp"
#include "vault/policy/document.hpp"

// What a policy must promise before it may be published (MISSION 3, lint rules; README.md lists the
// codes). Thread-safe.

namespace oubliette::policy {

// All findings, in the order of the document's parts; empty if it may be published without a word.
// Errors forbid publishing, warnings do not. `now` decides whether agreements have ended.
[[nodiscard]] std::vector<Finding> lint(const Document& document, Timestamp now);

}  // namespace oubliette::policy
