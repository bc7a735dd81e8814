#include "vault/requests/request_acts.hpp"
#include "vault/requests/request_rules.hpp"

// What officers decide about a request, and the person's taking it back.

namespace oubliette {
namespace {

using Step = std::function<std::optional<Refusal>(Writing&, RequestRecord&)>;

// Runs `step` on a request that is open, and stores what it made of it.
void run_step(Core& core, const Caller& caller, const keys::RequestId& id, audit::Action action,
              Step step, Done<RequestRecord> done) {
    const auto result = std::make_shared<Result<RequestRecord>>(Refusal::not_found);
    core.submit(
        [=, step = std::move(step)](Writing& writing) {
            *result = load_request(writing, caller, id);
            if (*result) {
                const auto refusal = step(writing, **result);
                // What was refused may have been noted all the same: who was the first of two.
                RequestTable{writing.core}.put(writing.view, **result);
                if (refusal) *result = *refusal;
            }
            const auto refusal = *result ? std::nullopt : std::optional<Refusal>{result->error()};
            note_request(writing, caller, action, id, refusal);
        },
        [result, done = std::move(done)](const Fault* fault) { done(*result, fault); });
}

bool can_be_refused(RequestState state) noexcept {
    return state <= RequestState::scheduled;
}

}  // namespace

void Requests::accept(const Caller& caller, const keys::RequestId& id, bool fee_settled,
                      Done<RequestRecord> done) {
    const auto step = [=](Writing& writing, RequestRecord& record) -> std::optional<Refusal> {
        if (!caller.has(Role::privacy_officer)) return Refusal::role_denied;
        switch (record.state) {
        case RequestState::proving: return Refusal::identity_not_proved;
        case RequestState::fee_or_refuse:
            if (!fee_settled) return Refusal::fee_or_refuse;
            record.flags |= RequestRecord::kFeeSettled;
            break;
        case RequestState::review:
        case RequestState::accepted: break;
        case RequestState::scheduled:
        case RequestState::executing:
        case RequestState::done:
        case RequestState::refused:
        case RequestState::withdrawn:
        case RequestState::not_proved:
        case RequestState::ended: return Refusal::wrong_state;
        }
        record.state = RequestState::accepted;
        record.decided = writing.now;
        if (record.decided_by == 0) record.decided_by = caller.client;
        return std::nullopt;
    };
    run_step(core_, caller, id, audit::Action::request_accept, step, std::move(done));
}

void Requests::extend(const Caller& caller, const keys::RequestId& id, Done<RequestRecord> done) {
    const auto step = [=](Writing& writing, RequestRecord& record) -> std::optional<Refusal> {
        if (!caller.has(Role::privacy_officer)) return Refusal::role_denied;
        const auto& extension = writing.gate->document().requests.extend;
        const bool is_possible =
            record.is_open() && !record.has(RequestRecord::kExtended) && extension;
        if (!is_possible) return Refusal::wrong_state;
        record.due = policy::plus(record.due, *extension);
        record.flags |= RequestRecord::kExtended;
        return std::nullopt;
    };
    run_step(core_, caller, id, audit::Action::request_accept, step, std::move(done));
}

void Requests::refuse(const Caller& caller, const keys::RequestId& id, RefusalCode code,
                      const std::optional<crypto::Hash>& evidence, Done<RequestRecord> done) {
    const auto step = [=](Writing& writing, RequestRecord& record) -> std::optional<Refusal> {
        if (!caller.has(Role::privacy_officer)) return Refusal::role_denied;
        if (!can_be_refused(record.state)) return Refusal::wrong_state;
        if (!may_refuse_with(writing.gate->document().requests, code)) {
            return Refusal::value_invalid;
        }
        if (!evidence) return Refusal::evidence_required;
        const bool is_second =
            record.seconded_by != 0 && record.code == code && record.seconded_by != caller.client;
        if (needs_second_person(code) && !is_second) {
            record.code = code;
            record.evidence = *evidence;
            record.seconded_by = caller.client;
            return Refusal::needs_second;
        }
        undo_closing(writing, record);
        record.code = code;
        record.evidence = *evidence;
        record.decided = writing.now;
        record.decided_by = caller.client;
        end_request(writing, record, RequestState::refused);
        return std::nullopt;
    };
    run_step(core_, caller, id, audit::Action::request_refuse, step, std::move(done));
}

void Requests::withdraw(const Caller& caller, const keys::RequestId& id, Done<RequestRecord> done) {
    const auto step = [](Writing& writing, RequestRecord& record) -> std::optional<Refusal> {
        if (record.state == RequestState::withdrawn) return std::nullopt;
        if (!can_be_refused(record.state)) return Refusal::wrong_state;
        undo_closing(writing, record);
        end_request(writing, record, RequestState::withdrawn);
        return std::nullopt;
    };
    run_step(core_, caller, id, audit::Action::request_close, step, std::move(done));
}

}  // namespace oubliette
