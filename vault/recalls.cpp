#include "vault/recalls.hpp"

#include <algorithm>

#include "vault/requests/request_table.hpp"

namespace oubliette {
namespace {

constexpr std::size_t kRecallsListed = 1'000;

PendingEntry entry_of(const Writing& writing, audit::Action action, std::uint16_t actor) {
    PendingEntry pending;
    pending.entry.action = action;
    pending.entry.time = writing.now;
    pending.entry.actor = actor;
    pending.entry.policy_version = writing.gate->version();
    return pending;
}

RecallRecord make(Writing& writing, RecallReason reason, const PlannedRecall& planned,
                  const keys::RequestId& cause, std::uint16_t actor) {
    RecallRecord record;
    crypto::random_bytes(record.id);
    record.reason = reason;
    record.recipient = planned.recipient;
    record.made = writing.now;
    record.due = {writing.now.seconds + kRecallAnswer};
    record.cause = cause;
    record.fields = planned.fields;
    RequestTable{writing.core}.put_recall(writing.view, record);
    PendingEntry pending = entry_of(writing, audit::Action::recall, actor);
    pending.entry.object = record.id;
    writing.audit(pending);
    return record;
}

// True if the recipient sees anybody only with this slot, for one of its purposes or its country.
bool asks_for(const policy::Gate& gate, std::uint16_t recipient, std::string_view slot) {
    const policy::RecipientRule* const rule = gate.recipient_rule(policy::RecipientId{recipient});
    if (rule == nullptr) return false;
    if (rule->cross_border && rule->cross_border->consent == slot) return true;
    return std::ranges::any_of(rule->purposes, [&](const std::string& name) {
        const policy::PurposeRule* const purpose = gate.document().find_purpose(name);
        return purpose != nullptr &&
               (std::ranges::find(purpose->needs, slot) != purpose->needs.end() ||
                slot == std::string{policy::kObjectionPrefix} + name);
    });
}

bool may_act_for(const policy::Gate& gate, const Caller& caller, policy::RecipientId recipient) {
    const bool is_officer = caller.has(Role::privacy_officer) || caller.has(Role::policy_admin);
    const bool is_own = caller.has(Role::app) && caller.recipient == recipient;
    return gate.recipient_rule(recipient) != nullptr && (is_officer || is_own);
}

Result<RecallRecord> recall_in(Writing& writing, const Caller& caller, std::string_view recipient,
                               const std::vector<std::string_view>& fields) {
    const bool may = caller.has(Role::privacy_officer) || caller.has(Role::policy_admin);
    if (!may) return Refusal::role_denied;
    const auto id = writing.gate->find_recipient(recipient);
    if (!id) return Refusal::recipient_unknown;
    PlannedRecall planned{static_cast<std::uint16_t>(*id), {}};
    for (const std::string_view name : fields) {
        const auto field = writing.gate->find_field(name);
        if (!field) return Refusal::field_unknown;
        planned.fields.push_back(static_cast<std::uint16_t>(*field));
    }
    return make(writing, RecallReason::officer, planned, {}, caller.client);
}

Result<RecallRecord> acknowledge_in(Writing& writing, const Caller& caller,
                                    std::string_view recipient, const keys::RequestId& id) {
    const auto known = writing.gate->find_recipient(recipient);
    if (!known) return Refusal::not_found;
    if (!may_act_for(*writing.gate, caller, *known)) return Refusal::role_denied;
    const RequestTable table{writing.core};
    auto record = table.find_recall(writing.view, id);
    const bool is_its = record && record->recipient == static_cast<std::uint16_t>(*known);
    if (!is_its) return Refusal::not_found;
    if (record->is_open()) {
        record->acknowledged = writing.now;
        record->acknowledged_by = caller.client;
        table.put_recall(writing.view, *record);
    }
    return std::move(*record);
}

}  // namespace

std::vector<PlannedRecall> planned_recalls(const std::vector<people::ToldField>& told) {
    std::vector<PlannedRecall> planned;
    for (const people::ToldField& shown : told) {
        if (planned.empty() || planned.back().recipient != shown.recipient) {
            planned.push_back({shown.recipient, {}});
        }
        planned.back().fields.push_back(shown.field);
    }
    return planned;
}

void recall_erased(Writing& writing, keys::SubjectNumber number, const keys::RequestId& cause) {
    try {
        const people::People& people = *writing.core.people;
        const auto fixed = people.fixed_key(number);
        if (!fixed) return;
        for (const auto& planned : planned_recalls(people.told(writing.view, number, *fixed))) {
            (void)make(writing, RecallReason::erasure, planned, cause, 0);
        }
    } catch (const Fault& fault) {
        // Damaged rows must not keep anybody from being erased.
        if (fault.kind() != FaultKind::corrupt) throw;
    }
}

void recall_withdrawn(Writing& writing, const people::Person& person, policy::SlotId slot,
                      const keys::RequestId& cause) {
    const std::string_view name = writing.gate->name_of(slot);
    const auto told = writing.core.people->told(writing.view, person.number, person.fixed);
    for (const PlannedRecall& planned : planned_recalls(told)) {
        if (!asks_for(*writing.gate, planned.recipient, name)) continue;
        (void)make(writing, RecallReason::withdrawal, planned, cause, 0);
    }
}

void recall_corrected(Writing& writing, const people::Person& person,
                      const std::vector<std::uint16_t>& fields, const keys::RequestId& cause) {
    auto told = writing.core.people->told(writing.view, person.number, person.fixed);
    std::erase_if(told, [&](const people::ToldField& shown) {
        return std::ranges::find(fields, shown.field) == fields.end();
    });
    for (const PlannedRecall& planned : planned_recalls(told)) {
        (void)make(writing, RecallReason::correction, planned, cause, 0);
    }
}

void Recalls::recall(const Caller& caller, std::string_view recipient,
                     const std::vector<std::string_view>& fields, Done<RecallRecord> done) {
    const auto answer = std::make_shared<Result<RecallRecord>>(Refusal::wrong_state);
    core_.submit(
        [=](Writing& writing) {
            *answer = recall_in(writing, caller, recipient, fields);
            if (*answer) return;
            PendingEntry pending = entry_of(writing, audit::Action::recall, caller.client);
            pending.entry.refusal = answer->error();
            writing.audit(pending);
        },
        [answer, done = std::move(done)](const Fault* fault) { done(*answer, fault); });
}

void Recalls::acknowledge(const Caller& caller, std::string_view recipient,
                          const keys::RequestId& id, Done<RecallRecord> done) {
    const auto answer = std::make_shared<Result<RecallRecord>>(Refusal::wrong_state);
    core_.submit(
        [=](Writing& writing) {
            *answer = acknowledge_in(writing, caller, recipient, id);
            PendingEntry pending = entry_of(writing, audit::Action::recall_ack, caller.client);
            if (!*answer) pending.entry.refusal = answer->error();
            pending.entry.object = id;
            writing.audit(pending);
        },
        [answer, done = std::move(done)](const Fault* fault) { done(*answer, fault); });
}

Result<std::vector<RecallRecord>> Recalls::list(const Caller& caller,
                                                std::string_view recipient) const {
    const auto gate = core_.policies->current();
    if (!gate) return Refusal::role_denied;
    const auto known = gate->find_recipient(recipient);
    if (!known) return Refusal::recipient_unknown;
    if (!may_act_for(*gate, caller, *known)) return Refusal::role_denied;
    return RequestTable{core_}.open_recalls(*core_.store->read(),
                                            static_cast<std::uint16_t>(*known), kRecallsListed);
}

}  // namespace oubliette
