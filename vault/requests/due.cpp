#include "vault/receipt.hpp"
#include "vault/requests/request_acts.hpp"
#include "vault/retention.hpp"

// What becomes of requests by themselves. A crash at any point costs nothing: what is due is still
// due after the next start.

namespace oubliette {
namespace {

constexpr std::size_t kDueAtOnce = 1'024;

// True if its time has really come: the clock alone may have jumped.
bool is_ripe(const Core& core, const store::ReadView& view, const RequestRecord& record) {
    const DayFloor& floor = core.retention->floor();
    switch (record.state) {
    case RequestState::proving: return floor.has_passed(record.received, record.awake, record.due);
    case RequestState::scheduled:
        return floor.has_passed(record.decided, record.awake, record.run_after);
    case RequestState::executing: {
        const auto erasure = read_erasure(view, record.erasure);
        return erasure && has_receipt(*erasure);
    }
    case RequestState::review:
    case RequestState::fee_or_refuse:
    case RequestState::accepted: return false;
    case RequestState::done:
    case RequestState::refused:
    case RequestState::withdrawn:
    case RequestState::not_proved:
    case RequestState::ended: break;
    }
    return floor.value() > record.kept_until.day();
}

// Decides again: the person may have taken it back since.
void advance(Writing& writing, RequestRecord& record, RequestWork& work) {
    const Caller nobody;
    const RequestTable table{writing.core};
    switch (record.state) {
    case RequestState::proving: end_request(writing, record, RequestState::not_proved); break;
    case RequestState::scheduled: erase_now(writing, nobody, record, work); break;
    case RequestState::executing: end_request(writing, record, RequestState::done); break;
    case RequestState::review:
    case RequestState::fee_or_refuse:
    case RequestState::accepted: return;
    case RequestState::done:
    case RequestState::refused:
    case RequestState::withdrawn:
    case RequestState::not_proved:
    case RequestState::ended: return table.remove(writing.view, record);
    }
    table.put(writing.view, record);
    const auto action = record.state == RequestState::executing ? audit::Action::request_execute
                                                                : audit::Action::request_close;
    note_request(writing, nobody, action, record.id, std::nullopt);
}

void run_one(Core& core, const keys::RequestId& id) {
    RequestWork work;
    Core::Revoking revoking;
    core.revoke_and_wait(
        [&](store::WriteView& view) {
            work = {};
            revoking = {};
            Writing writing{core, view};
            auto record = RequestTable{core}.find(view, id);
            if (!record || !is_ripe(core, view, *record)) return;
            advance(writing, *record, work);
            if (work.erasure) revoking = std::move(*work.erasure);
        },
        revoking);
}

std::vector<keys::RequestId> find_ripe(const Core& core) {
    std::vector<keys::RequestId> ripe;
    const auto view = core.store->read();
    const RequestTable table{core};
    for (const keys::RequestId& id : table.due(*view, core.now(), kDueAtOnce)) {
        try {
            const auto record = table.find(*view, id);
            if (record && is_ripe(core, *view, *record)) ripe.push_back(id);
        } catch (const Fault& fault) {
            // One damaged record must not keep all others waiting; whoever asks for it is told.
            if (fault.kind() != FaultKind::corrupt) throw;
        }
    }
    return ripe;
}

}  // namespace

void run_due_requests(Core& core) {
    for (const keys::RequestId& id : find_ripe(core)) run_one(core, id);
}

}  // namespace oubliette
