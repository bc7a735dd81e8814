#include <algorithm>
#include <exception>
#include <thread>

#include "crypto/patient_memory.hpp"
#include "vault/campaigns.hpp"
#include "vault/core.hpp"
#include "vault/exception_table.hpp"
#include "vault/holds.hpp"
#include "vault/orders.hpp"
#include "vault/requests/requests.hpp"
#include "vault/tables.hpp"

// What runs beside requests: the index at start, and the small duties of every second.

namespace oubliette {
namespace {

constexpr auto kHouseInterval = std::chrono::seconds{1};
constexpr unsigned kStateRecordEvery = 5;         // intervals; KEYS 4.6 allows 10 s after a commit
constexpr unsigned kSupersededEvery = 60;         // intervals
constexpr unsigned kExceptionsEvery = 2;          // intervals
constexpr unsigned kScrubEntryEvery = 5;          // intervals
constexpr std::uint32_t kIdleMax = 86'400;        // seconds without an epoch
constexpr std::uint32_t kIdleAfterStart = 3'600;  // so that daily restarts do not put it off

}  // namespace

// ---- Index ---------------------------------------------------------------------------------

void Core::rebuild_index(unsigned thread_count) {
    // Leased numbers begin at multiples of the lease, so the space in use ends at the register.
    const std::uint64_t end =
        plane->read_register({keys::RegisterKind::person_lease, tenant, 0, 0});
    const std::uint64_t threads = std::max(1U, thread_count);
    const std::uint64_t share = end / threads + 1;
    std::mutex mutex;
    std::exception_ptr failed;
    {
        std::vector<std::jthread> workers;  // joined also when one more cannot be started
        for (std::uint64_t i = 0; i < threads; ++i) {
            workers.emplace_back([this, i, share, end, &mutex, &failed] {
                try {
                    index_range({std::min(i * share, end)}, {std::min((i + 1) * share, end)});
                } catch (...) {
                    const std::scoped_lock lock{mutex};
                    failed = std::current_exception();
                }
            });
        }
    }
    if (failed) std::rethrow_exception(failed);
}

void Core::index_range(keys::SubjectNumber from, keys::SubjectNumber to) {
    std::vector<keys::SubjectNumber> erased;
    const auto view = store->read();
    view->scan(Tables::kPeople, {}, people::person_prefix(tenant, from),
               [&](ByteView key, ByteView value) {
                   const auto number = people::subject_of(key);
                   if (!number) throw Fault{FaultKind::corrupt, "a row has no person"};
                   if (*number >= to || stopping_) return false;
                   try {
                       if (!index_row(key, value)) erased.push_back(*number);
                   } catch (const Fault& fault) {
                       // One bad row must not keep all others from being served. Whoever asks for
                       // it is told (INTEGRITY), and status counts it.
                       if (fault.kind() != FaultKind::corrupt) throw;
                       ++damaged_rows_;
                   }
                   return true;
               });
    for (const keys::SubjectNumber number : erased) remove_rows_later(number);
}

// False for the external id of an erased person: its rows are left-overs.
bool Core::index_row(ByteView key, ByteView value) {
    const keys::SubjectNumber number = *people::subject_of(key);
    const auto kind = people::kind_of(key);
    if (kind == people::RowKind::external_id) {
        const auto id = people->open_external_id(number, value);
        if (!id) return false;
        index.insert(0, index_fingerprint(fingerprint(0, bytes_of(*id))), number);
    } else if (kind == people::RowKind::value) {
        if (const auto truth = people->index_truth(number, key, value)) {
            index.insert(people::field_item_of(key).field, index_fingerprint(truth->fingerprint),
                         number);
        }
    }
    return true;
}

void Writing::find_indexed(std::uint16_t field, people::SubjectIndex::Fingerprint fingerprint,
                           FunctionRef<bool(keys::SubjectNumber)> visit) const {
    bool goes_on = true;
    core.index.find(field, fingerprint, [&](keys::SubjectNumber number) {
        goes_on = visit(number);
        return goes_on;
    });
    const auto [from, to] = core.group_.fresh.equal_range(fingerprint);
    for (auto at = from; goes_on && at != to; ++at) {
        if (at->second.field == field) goes_on = visit(at->second.number);
    }
}

// ---- Every second --------------------------------------------------------------------------

void Core::keep_house() {
    const crypto::PatientMemory patient;
    for (unsigned tick = 1; !stopping_; ++tick) {
        {
            std::unique_lock lock{house_mutex_};
            house_wakes_.wait_for(lock, kHouseInterval, [this] { return stopping_.load(); });
        }
        if (stopping_) return;
        try {
            if (policies->refresh(now())) refresh_campaign_ends(*this);
            forget_finished();
            if (tick % kStateRecordEvery == 0) write_state_record();
            if (tick % kSupersededEvery == 0) submit_due_superseded();
            look_after_keepers();
            if (tick % kExceptionsEvery == 0) end_exceptions();
            if (tick % kScrubEntryEvery == 0) note_scrub();
            run_due_requests(*this);
        } catch (const Fault&) {
            // A keeper or the store is in trouble: status says so, and the next round tries again.
        }
    }
}

// Pages are read all the time, and anchors become fresh once a day also if nobody is erased.
void Core::look_after_keepers() {
    plane->scrub_a_little();
    const std::uint64_t epoch = plane->epoch();
    const bool is_first = epoch_seen_ == 0;
    if (epoch != epoch_seen_ || now() < epoch_changed_) {
        epoch_seen_ = epoch;
        epoch_changed_ = now();
        if (is_first) epoch_changed_.seconds -= kIdleMax - kIdleAfterStart;
    }
    if (now().seconds - epoch_changed_.seconds < kIdleMax) return;
    plane->advance();
    epoch_seen_ = plane->epoch();
    epoch_changed_ = now();
}

// Orders and holds whose time is over by the clock that no jump reaches.
void Core::end_exceptions() {
    const std::uint64_t floor = plane->read_register({keys::RegisterKind::day_floor, tenant, 0, 0});
    orders->end_expired(static_cast<std::uint16_t>(floor));
    holds->lapse_due(static_cast<std::uint16_t>(floor));
}

// One entry for each pass of its own in which something was damaged.
void Core::note_scrub() {
    const keys::ScrubStatus status = plane->status().scrub;
    if (status.is_running || status.finished == scrub_noted_) return;
    scrub_noted_ = status.finished;
    const bool found = status.repaired != scrub_repaired_ || status.unrepairable > 0;
    scrub_repaired_ = status.repaired;
    if (!found) return;
    run_raw([&](store::WriteView& view) {
        PendingEntry pending;
        pending.entry.action = audit::Action::scrub;
        pending.entry.time = status.finished;
        if (status.unrepairable > 0) pending.entry.refusal = Refusal::integrity;
        append(view, pending);
    });
}

void Core::write_state_record() {
    const std::scoped_lock one{record_mutex_};
    keys::StateRecord state;
    {
        const std::scoped_lock lock{state_mutex_};
        state = state_;
    }
    if (state == recorded_state_) return;
    plane->write_state_record(state);
    recorded_state_ = state;
    publisher->publish(state);
}

void Core::forget_finished() {
    std::vector<keys::RequestId> ids;
    {
        const std::scoped_lock lock{forget_mutex_};
        ids.swap(to_forget_);
    }
    if (!ids.empty()) plane->forget(ids);
}

// Values that were replaced lose their keys in one group, not one by one.
void Core::submit_due_superseded() {
    std::vector<QueueRow> due;
    std::set<keys::RequestId> submitted;  // only what still waits: the others are done
    for (QueueRow& row : read_superseded(*store->read())) {
        if (row.due > now() || !is_ours(row)) continue;
        submitted.insert(row.revocation.id);
        if (!superseded_submitted_.contains(row.revocation.id)) due.push_back(std::move(row));
    }
    superseded_submitted_ = std::move(submitted);
    for (QueueRow& row : due) {
        Revoking revoking;
        revoking.row = std::move(row);
        revoke(std::move(revoking), {});
    }
}

}  // namespace oubliette
