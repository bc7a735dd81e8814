#pragma once

#include "vault/exception_rows.hpp"
#include "vault/exception_table.hpp"
#include "vault/vault.hpp"

// Legal holds (MISSION 5.5): the lawful exception to erasure and retention, for categories or
// fields of one person, on a ground of the policy, until a date. Placing one is the placer's own
// approval; where the rule wants more, it holds nothing until others in other roles have approved.
//
// While it is live, what it covers is destroyed by nothing but the end of its region or tenant:
// erasing a person leaves it (state partly_held or held), and such data is RESTRICTED. It ends when
// as many people as placed it release it, or some days after its review date (held_values.hpp); an
// erasure that waited for it goes on in that same transaction. Thread-safe; verbs answer as
// vault.hpp says.

namespace oubliette {

struct HoldRequest {
    std::string_view subject;
    std::string_view ground;  // name of a hold rule of the policy
    std::vector<std::string_view> categories;
    std::vector<std::string_view> fields;
    std::optional<Timestamp> review;
    std::string_view law;
    crypto::Hash evidence{};               // zero: none
    std::optional<ExceptionId> extends{};  // the hold that this one goes on from
    bool bars_telling = false;             // the person may not be told
};

struct Hold {
    ExceptionId id{};
    HoldRow row;
    std::string subject;  // the application's id; empty when the hold has ended
};

class Holds {
public:
    explicit Holds(Core& core);

    // Refuses: value_invalid (no such ground or category, nothing named, no review date or one in
    // the past), field_unknown, not_found, erased, role_denied, evidence_required (the rule wants
    // it; a hold by one person alone must name the law), hold_too_wide (longer than the rule, or
    // categories or direct identifiers where only fields may be held), wrong_state (`extends` is
    // another hold's business), needs_second (`extends` is not approved itself), same_approver (a
    // second extension by who approved the one before).
    void place(const Caller& caller, const HoldRequest& request, Done<Hold> done);
    // Refuses: not_found, wrong_state, same_approver, role_denied.
    void approve(const Caller& caller, const ExceptionId& id, Done<Hold> done);
    // Refuses: not_found, wrong_state (it has ended), needs_second (recorded; another one must
    // release it, too), same_approver, role_denied.
    void release(const Caller& caller, const ExceptionId& id, Done<Hold> done);

    // Refuses: not_found.
    [[nodiscard]] Result<Hold> find(const ExceptionId& id) const;
    [[nodiscard]] std::vector<Hold> list() const;

    // Ends the holds whose review date the day floor has passed; the house thread does it.
    void lapse_due(std::uint16_t day_floor);

private:
    Core& core_;
};

}  // namespace oubliette
