#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "vault/result.hpp"
#include "vault/store/store.hpp"

// The one commit point of a store (ARCHITECTURE 3). Many threads hand over works; one thread takes
// everything that waits, runs it in one store transaction in order of submission, commits once,
// and only then tells all of them. So a durable write costs a share of one flush, and nothing is
// acknowledged before it and its audit entry are on the disk together.
//
// If the transaction of a group fails because of a work or for want of room, each work of the
// group runs again in a transaction of its own, so that only those fail which cannot succeed.
// All public functions are thread-safe.

namespace oubliette {

class Committer {
public:
    // Part of a transaction. It may run more than once, each time on the last commit, and only the
    // last run counts: it must start from nothing each time and must not tell anybody before its
    // Done. Runs on the committer's thread. What it throws fails it alone; anything but a Fault
    // becomes a Fault{storage} without the text, which might hold data. use_reserve() is as in the
    // store: it never opens the reserve to other works.
    using Work = std::function<void(store::WriteView& view)>;

    // Called exactly once, with nullptr when the work is durable and with the reason when it had no
    // effect (when the store is not healthy() any more: when its effect is unknown until the next
    // start). Runs on the committer's thread, in order of submission within a group, or inside
    // submit() if the work is refused there. Must not throw and must not call run().
    using Done = std::function<void(const Fault* fault)>;

    // Adds to a transaction what must be in the same commit as its works: the audit log writes one
    // segment row per group.
    struct Hook {
        // Runs last in each transaction, after the works, and may throw like a Work; all works of
        // the transaction then fail with it.
        std::function<void(store::WriteView& view)> finish;
        // Called after each run of works, whether `finish` ran or not: true when they are durable,
        // before the first Done; false when everything gathered since the last call must be
        // forgotten (works may run again next). Must not throw.
        std::function<void(bool is_committed)> committed;
    };

    struct Limits {
        std::size_t group_max = 1'024;     // works in one transaction
        std::size_t waiting_max = 65'536;  // works submitted and not yet taken
    };

    // REQUIRES: `store` outlives this and nobody else writes to it.
    explicit Committer(store::Store& store);
    Committer(store::Store& store, std::vector<Hook> hooks, Limits limits);
    ~Committer();  // stop()
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;

    // Commits what was submitted, then ends the thread. Works submitted meanwhile and afterwards
    // are refused: a Done may still submit, so that an owner calls this while its pointer to the
    // committer is good. Belongs to one thread, which is not the committer's.
    void stop();

    // Queues `work` for the next transaction. Calls done with Fault{storage} at once when too many
    // wait ("overloaded"), when the store is not healthy() or when this stops.
    void submit(Work work, Done done);

    // Submits and waits. Throws the Fault that the work's Done would get.
    // REQUIRES: not on the committer's thread; no ReadView is held on this one.
    void run(Work work);

    // For how long the thread has been at its present step (one work, the commit, one Done); zero
    // while it waits for works. A disk that hangs shows here.
    [[nodiscard]] std::chrono::milliseconds stalled_for() const noexcept;

    // Works submitted and not yet taken into a transaction.
    [[nodiscard]] std::size_t waiting() const;

private:
    using Clock = std::chrono::steady_clock;

    struct Entry {
        Work work;
        Done done;
    };

    void serve();
    [[nodiscard]] std::vector<Entry> take_group();
    void commit_group(std::vector<Entry>& group);
    void commit_one(Entry& entry);
    void write(const std::vector<Entry*>& entries, std::size_t& works_run);
    void tell_hooks(bool is_committed) noexcept;
    void begin_step() noexcept { step_began_ = Clock::now().time_since_epoch(); }

    store::Store& store_;
    const std::vector<Hook> hooks_;
    const Limits limits_;

    mutable std::mutex mutex_;
    std::condition_variable work_waits_;
    std::deque<Entry> queue_;
    bool is_stopping_ = false;
    std::atomic<Clock::duration> step_began_{Clock::duration::zero()};  // zero: idle

    std::thread thread_;  // last: it uses everything above
};

}  // namespace oubliette
