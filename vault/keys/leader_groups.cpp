#include <algorithm>
#include <utility>

#include "crypto/patient_memory.hpp"
#include "vault/keys/leader.hpp"
#include "vault/keys/reconcile.hpp"

// The group thread: takes what was submitted, punctures it on every keeper, one after another.

namespace oubliette::keys {
namespace {

using namespace std::chrono_literals;

constexpr auto kGatePoll = 500us;     // while only L4 keeps a group from being final
constexpr auto kBackoffFirst = 50ms;  // after a group that no keeper took
constexpr auto kBackoffLongest = 5s;

std::string key_of(const RequestId& id) {
    return std::string{text_of(id)};
}

}  // namespace

void Leader::run() {
    // What was submitted must not be dropped on the way, and no callback may be lost.
    const crypto::PatientMemory patient;
    for (;;) {
        Tasks tasks;
        bool is_last = false;
        {
            std::unique_lock lock{mutex_};
            wake_.wait_until(lock, next_wake(), [&] { return is_stopping_ || has_work(); });
            is_last = is_stopping_;
            const bool may_run = is_last || std::chrono::steady_clock::now() >= not_before_;
            if (may_run) {
                std::move(queue_.begin(), queue_.end(), std::back_inserter(tasks));
                queue_.clear();
                running_count_ = tasks.size();
            }
        }
        if (!tasks.empty()) run_tasks(std::move(tasks));
        settle();
        if (is_last) return;
        look_after_places();
        promote_joined();
    }
}

// REQUIRES: mutex_ is held.
bool Leader::has_work() const {
    return !queue_.empty() && std::chrono::steady_clock::now() >= not_before_;
}

// REQUIRES: mutex_ is held.
Leader::Instant Leader::next_wake() const {
    const Instant now = std::chrono::steady_clock::now();
    Instant wake = std::max(retry_at_, now + 1ms);
    if (!queue_.empty()) wake = std::min(wake, std::max(not_before_, now));
    for (const auto& [epoch, waiting] : waiting_) {
        if (is_acknowledged(waiting)) return now + kGatePoll;
    }
    return wake;
}

// Nothing that goes wrong in a group may end the thread: what was submitted stays dead and is
// tried again.
void Leader::run_tasks(Tasks tasks) {
    Tasks together;
    for (Task& task : tasks) {
        if (!task.is_alone) {
            together.push_back(std::move(task));
            continue;
        }
        if (task.work) {
            run_work(std::move(task));
            continue;
        }
        Tasks one;
        one.push_back(std::move(task));
        run_group(std::move(one));
    }
    if (!together.empty()) run_group(std::move(together));
}

void Leader::run_work(Task task) {
    std::exception_ptr failed;
    try {
        task.work();
    } catch (...) {
        failed = std::current_exception();
    }
    {
        const std::lock_guard lock{mutex_};
        --running_count_;
    }
    if (failed) {
        task.done->set_exception(failed);
    } else {
        task.done->set_value();
    }
}

// Any thread but the group thread: waits until that has done the task by itself.
void Leader::run_alone(Task task) {
    task.is_alone = true;
    task.done = std::make_shared<std::promise<void>>();
    std::future<void> done = task.done->get_future();
    {
        const std::lock_guard lock{mutex_};
        if (is_stopping_) throw Fault{FaultKind::storage, "the key plane was closed"};
        queue_.push_back(std::move(task));
    }
    wake_.notify_all();
    done.get();
}

// Requests that were applied before are not punctured again: they only wait for their finality.
Leader::Tasks Leader::answer_known(Tasks tasks) {
    Tasks unknown;
    for (Task& task : tasks) {
        std::optional<std::uint64_t> epoch;
        {
            const std::lock_guard lock{mutex_};
            const auto found = applied_.find(key_of(task.revocation.id));
            if (!task.is_alone && found != applied_.end()) epoch = found->second;
        }
        if (!epoch) {
            unknown.push_back(std::move(task));
            continue;
        }
        {
            const std::lock_guard lock{mutex_};
            --running_count_;
        }
        if (task.recorded) task.recorded(nullptr);
        wait_for_final(*epoch, task);
        tree_.unmark_dead(task.revocation.addresses);
    }
    return unknown;
}

void Leader::run_group(Tasks tasks) {
    tasks = answer_known(std::move(tasks));
    if (tasks.empty()) return;
    try {
        std::optional<Advance> change = prepare(tasks, members_);
        if (!change) return split(std::move(tasks));
        if (std::optional<Fault> fault = apply(*change, tasks)) put_off(std::move(tasks), *fault);
    } catch (const Fault& fault) {
        // A page that cannot be read stops only the requests that need it.
        if (fault.kind() == FaultKind::corrupt && tasks.size() > 1) return split(std::move(tasks));
        put_off(std::move(tasks), fault);
    } catch (const std::exception&) {
        put_off(std::move(tasks), Fault{FaultKind::storage, "out of memory"});
    }
}

std::optional<Advance> Leader::prepare(const Tasks& tasks, const Members& members) {
    std::vector<Revocation> requests;
    std::vector<Path> opens;
    for (const Task& task : tasks) {
        opens.insert(opens.end(), task.opens.begin(), task.opens.end());
        // One request submitted twice, or pending and submitted, is one request.
        const bool is_known =
            task.is_alone ||
            std::any_of(requests.begin(), requests.end(),
                        [&](const Revocation& other) { return other.id == task.revocation.id; });
        if (!is_known) requests.push_back(task.revocation);
    }
    const GroupOrder order{vault_, head_, head_.epoch + 1, term_, members, root_};
    std::optional<Fault> last;
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        try {
            const auto source = keeper->store();
            const auto view = source->read();
            const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
            std::optional<Advance> change = prepare_group(order, requests, opens, pages);
            if (change) change->chain_floor = chain_floor();
            return change;
        } catch (const Fault& fault) {
            last = fault;  // a damaged page: the next keeper may have it whole
        }
    }
    if (last) throw Fault{*last};
    throw Fault{FaultKind::storage, "no keeper can be reached: see status for the remedy"};
}

// Two groups instead of one. A single request that needs too many pages is prepared by groups of
// its own addresses; the group that names it then finds most of them dead.
void Leader::split(Tasks tasks) {
    if (tasks.size() > 1) {
        const auto middle = tasks.begin() + static_cast<std::ptrdiff_t>(tasks.size() / 2);
        Tasks second{std::make_move_iterator(middle), std::make_move_iterator(tasks.end())};
        tasks.erase(middle, tasks.end());
        run_group(std::move(tasks));
        return run_group(std::move(second));
    }
    std::vector<Path>& addresses = tasks.front().revocation.addresses;
    if (addresses.size() < 2) {
        return put_off(std::move(tasks),
                       Fault{FaultKind::storage, "one address needs more pages than a group has"});
    }
    const std::size_t half = addresses.size() / 2;
    for (const auto& [from, to] : {std::pair{std::size_t{0}, half}, {half, addresses.size()}}) {
        Task part;
        crypto::random_bytes(part.revocation.id);
        crypto::random_bytes(part.revocation.blind);
        part.revocation.scope = tasks.front().revocation.scope;
        part.revocation.addresses.assign(addresses.begin() + static_cast<std::ptrdiff_t>(from),
                                         addresses.begin() + static_cast<std::ptrdiff_t>(to));
        tree_.mark_dead(part.revocation.addresses);
        const RequestId id = part.revocation.id;
        part.final = [this, id](const Finality&) { forget({id}); };
        Tasks one;
        one.push_back(std::move(part));
        {
            const std::lock_guard lock{mutex_};
            ++running_count_;
        }
        run_group(std::move(one));
    }
    const Tasks& whole = tasks;
    std::optional<Advance> change = prepare(whole, members_);
    if (!change) {
        return put_off(std::move(tasks),
                       Fault{FaultKind::storage, "a part of the request waits for a keeper"});
    }
    if (std::optional<Fault> fault = apply(*change, tasks)) put_off(std::move(tasks), *fault);
}

// The same change to every keeper, one after another: at any time at most one is not at rest. The
// fault of the last one if none took it.
std::optional<Fault> Leader::apply(const Advance& change, Tasks& tasks) {
    std::optional<Fault> last{
        Fault{FaultKind::storage, "no keeper can be reached: see status for the remedy"}};
    bool is_taken = false;
    tree_.announce(change.steps.back().row.epoch, change.diff.root);
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        // What expels a keeper is not sent to it.
        if (!is_registered(change.members, keeper->name().keeper)) continue;
        try {
            const Acknowledgement ack = keeper->advance(change);
            if (!is_taken) take_over(change, tasks, keeper);
            is_taken = true;
            add_ack(ack);
        } catch (const Fault& fault) {
            last = fault;
            take_out(*keeper, fault.what());
        }
    }
    if (!is_taken) return last;
    backoff_ = 0ms;
    // Rule N: a bank is not opened before all registered keepers have it.
    const auto waiting = waiting_.find(change.steps.back().row.epoch);
    if (waiting != waiting_.end() && !is_acknowledged(waiting->second)) {
        for (const auto& done : waiting->second.done) {
            done->set_exception(std::make_exception_ptr(*last));
        }
        waiting->second.done.clear();
    }
    return std::nullopt;
}

// After the first keeper's acknowledgement: the change is durable, so it is the tree from now on.
void Leader::take_over(const Advance& change, Tasks& tasks, const std::shared_ptr<Keeper>& first) {
    const EpochStep& step = change.steps.back();
    adopt_members(change.members, step.row.epoch);
    LiveTree::Stores stores{first->store()};
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        if (keeper != first) stores.push_back(keeper->store());
    }
    tree_.use_stores(std::move(stores));
    std::vector<PageId> pages{change.diff.deletes.begin(), change.diff.deletes.end()};
    for (const auto& [id, record] : change.diff.pages) pages.push_back(id);
    std::vector<Path> punctures{step.opens.begin(), step.opens.end()};
    for (const Revocation& request : step.requests) {
        punctures.insert(punctures.end(), request.addresses.begin(), request.addresses.end());
    }
    root_ = change.diff.root.duplicate();
    tree_.publish(step.row.epoch, root_, pages, punctures);

    Waiting waiting;
    waiting.row = step.row;
    waiting.leaves = step.leaves;
    waiting.requests = step.requests;
    waiting.turn = gate_.turn();
    (void)gate_.done(waiting.turn);
    {
        const std::lock_guard lock{mutex_};
        head_ = {step.row.epoch, step.row.term, step.row.previous_hash, step.row.hash,
                 step.row.members};
        for (const RequestLeaf& leaf : step.leaves) applied_[key_of(leaf.id)] = step.row.epoch;
        waiting.count = step.leaves.size();
        waiting_count_ += waiting.count;
        running_count_ -= tasks.size();
    }
    for (Task& task : tasks) {
        if (task.recorded) task.recorded(nullptr);
        task.recorded = nullptr;
        if (task.final) waiting.finals.emplace_back(task.revocation.id, std::move(task.final));
        if (task.done && task.opens.empty()) task.done->set_value();
        if (task.done && !task.opens.empty()) waiting.done.push_back(std::move(task.done));
        tree_.unmark_dead(task.revocation.addresses);
    }
    waiting_.emplace(step.row.epoch, std::move(waiting));
}

// No keeper took the group. The requests stay dead and queued; those that a keeper can at least
// write down are recorded.
void Leader::put_off(Tasks tasks, const Fault& fault) {
    {
        const std::lock_guard lock{mutex_};
        running_count_ -= tasks.size();
    }
    for (Task& task : tasks) {
        if (task.done) {
            task.done->set_exception(std::make_exception_ptr(fault));
            continue;
        }
        if (task.recorded) {
            const bool is_pending = record_pending(task.revocation);
            task.recorded(is_pending ? nullptr : &fault);
            task.recorded = nullptr;
        }
        const std::lock_guard lock{mutex_};
        queue_.push_back(std::move(task));
    }
    backoff_ = std::clamp<std::chrono::milliseconds>(backoff_ * 2, kBackoffFirst, kBackoffLongest);
    not_before_ = std::chrono::steady_clock::now() + backoff_;
}

bool Leader::record_pending(const Revocation& revocation) {
    try {
        const std::lock_guard lock{memory_mutex_};
        Memory memory;
        memory.pending.push_back(revocation);
        write_everywhere([&](Keeper& keeper) { keeper.write_memory(memory); });
        return true;
    } catch (const Fault&) {
        return false;
    }
}

}  // namespace oubliette::keys
