#pragma once

#include "vault/requests/request_table.hpp"
#include "vault/requests/requests.hpp"

// What the steps of a request share. Internal to vault/.

namespace oubliette {

// One step of one request in one transaction.
struct RequestWork {
    Result<Requests::Executed> result = Refusal::not_found;
    std::optional<QueueRow> revocation;       // a marker dies after the commit
    std::shared_ptr<Core::Revoking> erasure;  // the person dies after the commit
};

// Officers, and applications that the policy lets erase.
[[nodiscard]] bool may_handle(const policy::Gate& gate, const Caller& caller);

void note_request(Writing& writing, const Caller& caller, audit::Action action,
                  const keys::RequestId& id, std::optional<Refusal> refusal);

// The request; its person may be gone. Refuses: not_found, role_denied.
[[nodiscard]] Result<RequestRecord> load_request(Writing& writing, const Caller& caller,
                                                 const keys::RequestId& id);
// Puts the record into an end state, with its dates. REQUIRES: `state` is one.
void end_request(Writing& writing, RequestRecord& record, RequestState state);

// Requests of a person who is being erased: all are stripped, open ones end.
void end_requests_of(Writing& writing, keys::SubjectNumber number, const keys::RequestId& erasure);

// Executes in this transaction. `record` is stored. `corrections` as in Requests::execute().
void execute_in(Writing& writing, const Caller& caller, RequestRecord& record,
                const std::vector<FieldInput>& corrections, RequestWork& work);
// The erasure itself, once nothing is waited for any more.
void erase_now(Writing& writing, const Caller& caller, RequestRecord& record, RequestWork& work);
// The account is open again.
void undo_closing(Writing& writing, RequestRecord& record);

// Minutes of uptime so far: what times of requests are measured with.
[[nodiscard]] std::uint64_t minutes_awake(const Core& core);

// After the commit: what dies is revoked, then `done`.
void finish_request(Core& core, const std::shared_ptr<RequestWork>& work,
                    Done<Requests::Executed> done, std::function<void(const ErasureRow&)> on_final);

}  // namespace oubliette
