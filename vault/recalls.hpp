#pragma once

#include <string_view>
#include <vector>

#include "vault/core.hpp"
#include "vault/requests/recall_record.hpp"

// Recalls (MISSION 3.1(4), GDPR 19): whoever outside the company was shown something that must go
// is told so, and says when it is gone. Which recipients that are is kept in the person's own rows
// (people/records.hpp, recipients told), so that nobody looks through the log.

namespace oubliette {

class Recalls {
public:
    explicit Recalls(Core& core) noexcept : core_(core) {}

    // An officer's own recall, of these fields; none: of everything the recipient ever got.
    // Refuses: role_denied (privacy_officer, policy_admin), recipient_unknown, field_unknown.
    void recall(const Caller& caller, std::string_view recipient,
                const std::vector<std::string_view>& fields, Done<RecallRecord> done);
    // That the recipient did it; again changes nothing. Refuses: not_found (also another
    // recipient's), role_denied (its own applications, and officers for it).
    void acknowledge(const Caller& caller, std::string_view recipient, const keys::RequestId& id,
                     Done<RecallRecord> done);
    // Those it has not acknowledged, the oldest first, at most 1,000. Refuses: role_denied,
    // recipient_unknown.
    [[nodiscard]] Result<std::vector<RecallRecord>> list(const Caller& caller,
                                                         std::string_view recipient) const;

private:
    Core& core_;
};

// ---- Internal to vault/.
// What a recipient outside the company would be recalled for, by recipient.
struct PlannedRecall {
    std::uint16_t recipient = 0;
    std::vector<std::uint16_t> fields;
};
[[nodiscard]] std::vector<PlannedRecall> planned_recalls(
    const std::vector<people::ToldField>& told);

void recall_erased(Writing& writing, keys::SubjectNumber number, const keys::RequestId& cause);
// Those whose purposes asked for the slot.
void recall_withdrawn(Writing& writing, const people::Person& person, policy::SlotId slot,
                      const keys::RequestId& cause);
void recall_corrected(Writing& writing, const people::Person& person,
                      const std::vector<std::uint16_t>& fields, const keys::RequestId& cause);

}  // namespace oubliette
