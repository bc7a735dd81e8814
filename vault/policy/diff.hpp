#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vault/clock.hpp"
#include "vault/policy/document.hpp"

// What a new version of a policy changes for people. The differ decides by itself what is material
// (seed policy 7.4(1)-(6), MISSION 1); the author may only raise it: whatever widens a use must be
// declared in "changes", and must ask again where the policy promised to ask again. Thread-safe.
//
// In doubt a change counts as a widening: what cannot be shown to be as strict as before is not.

namespace oubliette::policy {

// In the words of "rechecks" and "changes".
enum class ChangeKind : std::uint8_t {
    purpose_added = 1,           // a purpose that did not exist
    purpose_basis = 2,           // another basis, or a consent that is asked no more or more softly
    purpose_fields_added = 3,    // a purpose uses more fields
    recipient_added = 4,         // somebody new gets data, or an old one became another kind
    recipient_fields_added = 5,  // a recipient gets more fields, purposes, people or time
    transform_weakened = 6,      // a purpose or recipient sees more of a value
    retention_longer = 7,
    region_added = 8,
    controller_changed = 9,
    rights_reduced = 10,  // slower answers, harder proof, weaker protections
    contact_changed = 11,
};
[[nodiscard]] std::string_view word_of(ChangeKind kind) noexcept;
// Of the seed policy: "7.4(1)" ...
[[nodiscard]] std::string_view clause_of(ChangeKind kind) noexcept;

struct Change {
    ChangeKind kind{};
    std::string pointer;  // RFC 6901: where the new document says it; where something was taken
                          // out, the object that lost it
    std::string object;   // the name to list in "affects": a purpose, recipient, category ...
    std::string text;     // from what to what
    std::vector<std::string> purposes;  // that see more now; empty: all of the policy
    // The policy promised to ask people again: the purposes' slots must be as new as this version.
    bool asks_again = false;
};

// All material changes from one version to the next, in the order of the document's parts.
// Wording, clauses, narrower uses and stricter rules are none.
[[nodiscard]] std::vector<Change> diff(const Document& from, const Document& to);

// What forbids publishing `to` at `now` as the version after `from`:
//   DIFF_MATERIAL      a material change that "changes" does not declare
//   DIFF_SINCE         a change that asks again, but the old grants would go on counting
//   DIFF_SINCE_LOWERED grants that lapsed would count again
//   TRANSFER_REQUIRED  another controller: people's data does not change hands by publishing
//   NOTICE_PERIOD      in force before the people had the notice period to read it
[[nodiscard]] std::vector<Finding> check_changes(const Document& from, const Document& to,
                                                 Timestamp now);

}  // namespace oubliette::policy
