#include <algorithm>

#include "vault/requests/request_acts.hpp"
#include "vault/requests/request_rules.hpp"

// The first step of a request, and reading what there is.

namespace oubliette {
namespace {

constexpr std::size_t kListedMax = 1'000;

struct OpeningWork {
    Result<Requests::Opened> result = Refusal::not_found;
};

// The slot that a withdrawal or an objection ends.
Result<std::uint16_t> slot_of(const policy::Gate& gate, const Requests::Opening& opening) {
    if (opening.type == RequestType::withdraw) {
        const auto slot = gate.find_slot(opening.slot);
        if (!slot) return Refusal::slot_unknown;
        return static_cast<std::uint16_t>(*slot);
    }
    if (opening.type == RequestType::objection) {
        const auto slot =
            gate.find_slot(std::string{policy::kObjectionPrefix}.append(opening.purpose));
        if (!slot) return Refusal::purpose_unknown;
        return static_cast<std::uint16_t>(*slot);
    }
    return RequestRecord::kNoSlot;
}

Result<std::vector<std::uint16_t>> fields_of(const policy::Gate& gate,
                                             const Requests::Opening& opening) {
    std::vector<std::uint16_t> fields;
    for (const std::string_view name : opening.fields) {
        const auto field = gate.find_field(name);
        if (!field) return Refusal::field_unknown;
        fields.push_back(static_cast<std::uint16_t>(*field));
    }
    std::ranges::sort(fields);
    fields.erase(std::unique(fields.begin(), fields.end()), fields.end());
    const bool needs_fields = opening.type == RequestType::rectification;
    if (fields.size() > kRequestFieldsMax || (needs_fields && fields.empty())) {
        return Refusal::value_invalid;
    }
    return fields;
}

bool needs_review(Ground ground) noexcept {
    return ground == Ground::unlawful || ground == Ground::no_consent || ground == Ground::breach;
}

Result<RequestRecord> new_record(Writing& writing, const Caller& caller,
                                 const Requests::Opening& opening, keys::SubjectNumber number) {
    RequestRecord record;
    record.type = opening.type;
    record.channel = parse_channel(opening.channel);
    record.ground = parse_ground(opening.ground);
    if (needs_review(record.ground)) record.flags |= RequestRecord::kReviewTask;
    const auto slot = slot_of(*writing.gate, opening);
    if (!slot) return slot.error();
    record.slot = *slot;
    auto fields = fields_of(*writing.gate, opening);
    if (!fields) return fields.error();
    record.fields = std::move(*fields);
    record.subject = number;
    record.received = writing.now;
    record.due = answer_due(writing.gate->document().requests, writing.now);
    record.awake = minutes_awake(writing.core);
    record.opened_by = caller.client;
    crypto::random_bytes(record.id);
    return record;
}

bool is_same(const RequestRecord& a, const RequestRecord& b) noexcept {
    return a.type == b.type && a.slot == b.slot && a.fields == b.fields;
}

void open_in(Writing& writing, const Caller& caller, const Requests::Opening& opening,
             OpeningWork& work) {
    work = {};
    if (!may_handle(*writing.gate, caller)) {
        work.result = Refusal::role_denied;
        return;
    }
    const auto number = writing.find_number(opening.subject);
    if (!number) {
        work.result = number.error();
        return;
    }
    auto record = new_record(writing, caller, opening, *number);
    if (!record) {
        work.result = record.error();
        return;
    }
    const RequestTable table{writing.core};
    const auto others = table.of_person(writing.view, *number);
    for (const RequestRecord& other : others) {
        if (!other.is_open() || !is_same(other, *record)) continue;
        work.result = Requests::Opened{other, false};
        return;
    }
    const policy::RequestRules& rules = writing.gate->document().requests;
    if (proof_for(rules, record->type) == ProofLevel::none) {
        record->proved = writing.now;
        record->state = state_when_proved(rules, *record, others);
    }
    PendingEntry pending;
    pending.subject = *number;
    pending.entry.action = audit::Action::request_open;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object = record->id;
    writing.core.append_entry(writing.view, pending);
    record->pseudonym = pending.entry.pseudonym;
    table.put(writing.view, *record);
    work.result = Requests::Opened{std::move(*record), true};
}

}  // namespace

void Requests::open(const Caller& caller, const Opening& opening, Done<Opened> done) {
    const auto work = std::make_shared<OpeningWork>();
    core_.submit(
        [caller, opening, work](Writing& writing) {
            open_in(writing, caller, opening, *work);
            if (work->result) return;
            note_request(writing, caller, audit::Action::request_open, {}, work->result.error());
        },
        [work, done = std::move(done)](const Fault* fault) { done(work->result, fault); });
}

Result<RequestRecord> Requests::find(const Caller& caller, const keys::RequestId& id) const {
    const auto gate = core_.policies->current();
    const bool may_read = caller.has(Role::auditor) || (gate && may_handle(*gate, caller));
    if (!may_read) return Refusal::role_denied;
    auto record = RequestTable{core_}.find(*core_.store->read(), id);
    if (!record) return Refusal::not_found;
    return std::move(*record);
}

Result<std::vector<RequestRecord>> Requests::list(const Caller& caller,
                                                  const keys::RequestId& after,
                                                  std::size_t count) const {
    const bool may_list = caller.has(Role::privacy_officer) || caller.has(Role::auditor);
    if (!may_list) return Refusal::role_denied;
    return RequestTable{core_}.list(*core_.store->read(), after, std::min(count, kListedMax));
}

}  // namespace oubliette
