#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "vault/core.hpp"
#include "vault/day_floor.hpp"
#include "vault/ended_values.hpp"
#include "vault/people/expiry.hpp"

// The sweep: values whose time is over lose their keys (KEYS 5.3, MISSION 4.2). Reads stop at the
// second by themselves; this makes it irrevocable, in every backup too.
//
// - Whole retention days: one puncture for each class and day, once a minute.
// - Values whose end depends on a later event, or that a newer policy ends sooner: person by
//   person, one pass over all people for each day that the floor rises.
//
// The clock of both is the day floor (day_floor.hpp), never the clock itself. Works on a thread of
// its own: neither requests nor housekeeping wait for it. Thread-safe.
//
//   table meta, row `sweep`: day:u16 | next person:u64       how far the pass for that floor is;
//                                                            2^36 - 1: it is done

namespace oubliette {

class Retention {
public:
    explicit Retention(Core& core);
    ~Retention();  // stop()
    Retention(const Retention&) = delete;
    Retention& operator=(const Retention&) = delete;

    void start();
    // Ends after the slice under way; requests that wait get Fault{storage}.
    void stop();

    // A sweep of everything, or its dry run; `done` runs on the sweep's thread. Refuses:
    // value_invalid (`catch_up` is not above the floor, or less than two days ago).
    void run(const RetentionRequest& request, Done<RetentionReport> done);

    [[nodiscard]] std::uint16_t day_floor() const { return floor_.value(); }
    [[nodiscard]] const DayFloor& floor() const noexcept { return floor_; }

private:
    struct Waiting {
        RetentionRequest request;
        Done<RetentionReport> done;
    };
    struct Pass {
        std::uint16_t day = 0;
        keys::SubjectNumber next;
    };

    void serve();
    void answer(const Waiting& waiting);
    [[nodiscard]] Result<RetentionReport> run_now(const RetentionRequest& request);
    void tick();

    // ---- Whole days.
    void sweep_days(RetentionReport* report, bool is_dry_run);
    [[nodiscard]] RetentionDay examine(const people::Bucket& bucket) const;
    void destroy(const people::Bucket& bucket);
    void unindex(const people::Bucket& bucket);
    void remove_rows(const people::Bucket& bucket);
    [[nodiscard]] bool is_dead(const people::Bucket& bucket) const;

    // ---- Person by person.
    void sweep_people(RetentionReport& report, bool is_dry_run);
    void continue_pass();
    [[nodiscard]] Pass stored_pass() const;
    void store_pass(const Pass& pass);
    [[nodiscard]] bool is_stopping() const;

    Core& core_;
    DayFloor floor_;
    // The sweep's thread only.
    Pass pass_;
    std::size_t slices_ = 0;  // of all passes
    std::chrono::steady_clock::time_point next_sweep_;

    mutable std::mutex mutex_;
    std::condition_variable wakes_;
    std::deque<Waiting> waiting_;
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace oubliette
