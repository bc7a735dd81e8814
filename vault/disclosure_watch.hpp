#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "vault/result.hpp"

// Disclosures that wait for their audit entries, so that a disk that hangs does not hang them: when
// the committer has not moved for the limit, all of them are refused with
// Fault{audit_unavailable}, and so are new ones until it moves again. What was refused stays
// refused; its entry may still become durable, because the log may say too much, never too little.
//
// It looks at progress, not at each one's waiting time: behind much other work a disclosure waits
// its turn. Thread-safe.

namespace oubliette {

class DisclosureWatch {
public:
    using Done = std::function<void(const Fault* fault)>;
    // For how long the committer has been at its present step; zero while it has nothing to do.
    using Stall = std::function<std::chrono::milliseconds()>;

    // One disclosure. Its Done runs once, for whoever tells first, and is destroyed then: with it
    // the answer, and the ticket that keeps erasures from being final.
    class Waiting {
    public:
        explicit Waiting(Done done) : done_(std::move(done)) {}
        void tell(const Fault* fault);
        [[nodiscard]] bool is_told() const noexcept { return is_told_.load(); }

    private:
        std::atomic<bool> is_told_{false};
        Done done_;
    };

    DisclosureWatch(Stall stall, std::chrono::milliseconds limit);
    ~DisclosureWatch();
    DisclosureWatch(const DisclosureWatch&) = delete;
    DisclosureWatch& operator=(const DisclosureWatch&) = delete;

    // nullptr if the committer stands still: `done` was told already.
    [[nodiscard]] std::shared_ptr<Waiting> add(Done done);

private:
    void serve();
    void refuse_all();

    const Stall stall_;
    const std::chrono::milliseconds limit_;
    std::mutex mutex_;
    std::condition_variable wakes_;
    std::deque<std::shared_ptr<Waiting>> waiting_;  // in order of arrival
    bool is_stopping_ = false;
    std::thread thread_;  // last: it uses everything above
};

}  // namespace oubliette
