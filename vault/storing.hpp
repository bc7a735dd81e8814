#pragma once

#include "vault/core.hpp"

// What put, tokenize and consents share: the write gate of API 2, storing one value. Runs inside a
// transaction, on the committer's thread. Internal to vault/.

namespace oubliette {

// One caller's writes for one purpose in one transaction.
class Storing {
public:
    Storing(Writing& writing, const Caller& caller, std::string_view purpose);

    // Steps 2-6 and the value's own rules, before any person is looked at. `value` may be null.
    // Refuses: purpose and field refusals, field_unknown, value_invalid, retention_ended (the day
    // on which it would end is destroyed: the clock is wrong), suppressed (promotion to a contact
    // whose person objected).
    [[nodiscard]] Result<policy::FieldId> check(std::string_view field,
                                                const ValueInput* value) const;
    // Steps 8-10 for this person. Refuses also: storage_full, wrong_state (the key of the person's
    // home region was destroyed).
    [[nodiscard]] std::optional<Refusal> permit(const people::Person& person) const;
    // The same for somebody who is not there yet.
    [[nodiscard]] std::optional<Refusal> permit_new() const;

    // Stores `input` as the field's value and returns the salt that pins tokens to it. An equal
    // present value is kept, so that a repeated request writes nothing. A replaced value loses its
    // key within the hour.
    std::uint32_t store_value(people::Person& person, policy::FieldId field,
                              const ValueInput& input);

    // Says of the field's present value that it was public before.
    void mark_public(keys::SubjectNumber number, policy::FieldId field,
                     const PublicSourceInput& source);

    void note(audit::Action action, std::optional<keys::SubjectNumber> subject,
              std::optional<policy::FieldId> field, std::optional<Refusal> refusal);

private:
    [[nodiscard]] bool is_held(const people::Person& person, policy::FieldId field) const;
    void drop_present(people::Person& person, policy::FieldId field,
                      const people::OpenedValue& present);

    Writing& writing_;
    Caller caller_;
    std::optional<policy::PurposeId> purpose_;
    std::string_view purpose_name_;  // as asked
    Result<policy::CellIndex> cell_;
    bool may_be_objected_ = false;  // the purpose is promotion: suppressions count
};

// Consents are written by applications of internal recipients only (API 2).
[[nodiscard]] bool may_write_consents(const policy::Gate& gate, const Caller& caller);

// A consent, checked against the slot. Refuses: slot_unknown, version_not_current, consent_kind,
// value_invalid (something the person had to be told is missing).
[[nodiscard]] Result<people::Marker> check_grant(const policy::Gate& gate,
                                                 const ConsentInput& consent, Timestamp now);

// Records a grant; a repeated one changes nothing.
void record_grant(Writing& writing, people::Person& person, const people::Marker& marker);

// Withdraws a slot: its markers die, recipients are recalled, contacts are suppressed where it was
// promotion. `cause` is the subject request, or zero. The caller saves the person, and after the
// commit revokes what is returned (nothing: nothing was granted).
[[nodiscard]] std::optional<QueueRow> withdraw_slot(Writing& writing, people::Person& person,
                                                    policy::SlotId slot,
                                                    const keys::RequestId& cause);
// Only the markers, also those of slots 126 (not paused) and 127 (not restricted).
[[nodiscard]] std::optional<QueueRow> destroy_markers(Writing& writing,
                                                      const people::Person& person,
                                                      policy::SlotId slot);

}  // namespace oubliette
