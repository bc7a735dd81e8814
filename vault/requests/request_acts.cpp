#include "vault/requests/request_acts.hpp"

#include "vault/erasing.hpp"
#include "vault/requests/request_rules.hpp"
#include "vault/retention.hpp"

namespace oubliette {

bool may_handle(const policy::Gate& gate, const Caller& caller) {
    return may_erase(gate, caller);
}

std::uint64_t minutes_awake(const Core& core) {
    return core.retention->floor().minutes_awake();
}

void note_request(Writing& writing, const Caller& caller, audit::Action action,
                  const keys::RequestId& id, std::optional<Refusal> refusal) {
    PendingEntry pending;
    pending.entry.action = action;
    pending.entry.refusal = refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object = id;
    writing.audit(pending);
}

Result<RequestRecord> load_request(Writing& writing, const Caller& caller,
                                   const keys::RequestId& id) {
    if (!may_handle(*writing.gate, caller)) return Refusal::role_denied;
    auto record = RequestTable{writing.core}.find(writing.view, id);
    if (!record) return Refusal::not_found;
    return std::move(*record);
}

void end_request(Writing& writing, RequestRecord& record, RequestState state) {
    record.state = state;
    record.ended = writing.now;
    record.kept_until = kept_until(writing.gate->document().requests, writing.now);
    // What proved the identity has done its work.
    record.code_hash = {};
    record.code_until = {};
    OBL_ASSERT(!record.is_open());
}

void end_requests_of(Writing& writing, keys::SubjectNumber number, const keys::RequestId& erasure) {
    const RequestTable table{writing.core};
    try {
        for (RequestRecord& record : table.of_person(writing.view, number)) {
            const bool is_this_one = record.state == RequestState::executing;
            if (record.is_open() && !is_this_one) {
                end_request(writing, record, RequestState::ended);
                record.erasure = erasure;
            }
            strip(record);
            table.put(writing.view, record);
        }
    } catch (const Fault& fault) {
        // Damaged rows must not keep anybody from being erased.
        if (fault.kind() != FaultKind::corrupt) throw;
    }
}

void undo_closing(Writing& writing, RequestRecord& record) {
    if (!record.has(RequestRecord::kClosing) || !record.subject) return;
    auto person = writing.core.people->load(writing.view, *writing.gate, *record.subject);
    if (!person) return;
    person->state.account_closed = 0;
    person->state.flags &= static_cast<std::uint8_t>(~policy::SubjectState::kClosing);
    person->changed = true;
    writing.core.people->save(writing.view, *person);
}

void finish_request(Core& core, const std::shared_ptr<RequestWork>& work,
                    Done<Requests::Executed> done,
                    std::function<void(const ErasureRow&)> on_final) {
    if (work->erasure) {
        work->erasure->on_final = std::move(on_final);
        return core.revoke(
            std::move(*work->erasure),
            [work, done = std::move(done)](const Fault* fault) { done(work->result, fault); });
    }
    if (!work->revocation) return done(work->result, nullptr);
    Core::Revoking revoking;
    revoking.row = *work->revocation;
    core.revoke(std::move(revoking),
                [work, done = std::move(done)](const Fault* fault) { done(work->result, fault); });
}

}  // namespace oubliette
