#include "vault/committer.hpp"

#include <algorithm>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "crypto/assert.hpp"
#include "crypto/patient_memory.hpp"

namespace oubliette {
namespace {

// The view of a work that shares its transaction: it must not open the reserve to the others. If
// there is no room without it, the group fails and the work runs alone.
class SharedView final : public store::WriteView {
public:
    explicit SharedView(store::WriteView& view) : view_(view) {}

    std::optional<ByteView> get(store::TableId table, ByteView key) const override {
        return view_.get(table, key);
    }
    void scan(store::TableId table, ByteView prefix, ByteView from,
              FunctionRef<bool(ByteView, ByteView)> visit) const override {
        view_.scan(table, prefix, from, visit);
    }
    std::optional<Row> last(store::TableId table, ByteView prefix) const override {
        return view_.last(table, prefix);
    }
    void put(store::TableId table, ByteView key, ByteView value) override {
        view_.put(table, key, value);
    }
    bool remove(store::TableId table, ByteView key) override { return view_.remove(table, key); }
    void use_reserve() override {}

private:
    store::WriteView& view_;
};

// What is being handled now, as a Fault. REQUIRES: inside a catch block.
Fault current_fault() {
    try {
        throw;
    } catch (const Fault& fault) {
        return fault;
    } catch (...) {
        return {FaultKind::storage, "a work failed for a reason that is no Fault"};
    }
}

}  // namespace

Committer::Committer(store::Store& store) : Committer(store, {}, Limits{}) {}

Committer::Committer(store::Store& store, std::vector<Hook> hooks, Limits limits)
    : store_(store), hooks_(std::move(hooks)), limits_(limits) {
    OBL_ASSERT(limits_.group_max > 0 && limits_.waiting_max > 0);
    thread_ = std::thread([this] { serve(); });
}

Committer::~Committer() {
    stop();
}

void Committer::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    work_waits_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void Committer::submit(Work work, Done done) {
    std::optional<Fault> refused;
    if (!store_.healthy()) {
        refused.emplace(FaultKind::storage, "an earlier commit failed; restart the process");
    } else {
        const std::lock_guard lock(mutex_);
        if (is_stopping_) {
            refused.emplace(FaultKind::storage, "stopping");
        } else if (queue_.size() >= limits_.waiting_max) {
            refused.emplace(FaultKind::storage, "overloaded");
        } else {
            queue_.push_back({std::move(work), std::move(done)});
        }
    }
    if (refused) return done(&*refused);  // outside the lock: it may submit again
    work_waits_.notify_one();
}

void Committer::run(Work work) {
    OBL_ASSERT(std::this_thread::get_id() != thread_.get_id());
    // Shared, because the waiting thread may be gone before set_value() has returned.
    const auto finished = std::make_shared<std::promise<std::optional<Fault>>>();
    auto result = finished->get_future();
    submit(std::move(work), [finished](const Fault* fault) {
        finished->set_value(fault == nullptr ? std::nullopt : std::optional<Fault>(*fault));
    });
    if (const auto fault = result.get()) throw Fault(*fault);
}

std::size_t Committer::waiting() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
}

std::chrono::milliseconds Committer::stalled_for() const noexcept {
    const Clock::duration began = step_began_;
    if (began == Clock::duration::zero()) return {};
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch() -
                                                                 began);
}

std::vector<Committer::Entry> Committer::take_group() {
    std::unique_lock lock(mutex_);
    if (queue_.empty()) step_began_ = Clock::duration::zero();
    work_waits_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
    const std::size_t count = std::min(queue_.size(), limits_.group_max);
    const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<Entry> group(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
    queue_.erase(queue_.begin(), end);
    begin_step();
    return group;
}

void Committer::serve() {
    // Between a commit and its Done nothing may fail, and a Done cannot be told twice.
    const crypto::PatientMemory patient;
    for (;;) {
        std::vector<Entry> group = take_group();
        if (group.empty()) return;  // only when stopping
        if (group.size() == 1) {
            commit_one(group.front());
        } else {
            commit_group(group);
        }
    }
}

// One transaction. `works_run` is how many works finished in its last run.
void Committer::write(const std::vector<Entry*>& entries, std::size_t& works_run) {
    bool is_first_run = true;
    try {
        store_.write([&](store::WriteView& view) {
            if (!std::exchange(is_first_run, false)) tell_hooks(false);
            works_run = 0;
            SharedView shared(view);
            store::WriteView& given = entries.size() > 1 ? shared : view;
            for (const Entry* const entry : entries) {
                entry->work(given);
                ++works_run;
                begin_step();
            }
            for (const Hook& hook : hooks_) {
                if (hook.finish) hook.finish(given);
            }
            begin_step();  // the commit
        });
    } catch (...) {
        tell_hooks(false);
        throw;
    }
    tell_hooks(true);
}

void Committer::commit_group(std::vector<Entry>& group) {
    std::vector<Entry*> entries;
    entries.reserve(group.size());
    for (Entry& entry : group) entries.push_back(&entry);

    std::size_t works_run = 0;
    std::optional<Fault> fault;
    try {
        write(entries, works_run);
    } catch (...) {
        fault.emplace(current_fault());
        const bool may_succeed_alone =
            works_run < group.size() || fault->kind() == FaultKind::storage_full;
        if (may_succeed_alone && store_.healthy()) {
            for (Entry& entry : group) commit_one(entry);
            return;
        }
    }
    for (Entry& entry : group) {
        begin_step();
        entry.done(fault ? &*fault : nullptr);
    }
}

void Committer::commit_one(Entry& entry) {
    std::size_t works_run = 0;
    std::optional<Fault> fault;
    try {
        write({&entry}, works_run);
    } catch (...) {
        fault.emplace(current_fault());
    }
    begin_step();
    entry.done(fault ? &*fault : nullptr);
}

void Committer::tell_hooks(bool is_committed) noexcept {
    for (const Hook& hook : hooks_) {
        if (hook.committed) hook.committed(is_committed);
    }
}

}  // namespace oubliette
