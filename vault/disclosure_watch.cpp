#include "vault/disclosure_watch.hpp"

#include "crypto/patient_memory.hpp"

namespace oubliette {
namespace {

constexpr auto kLookInterval = std::chrono::milliseconds{50};

void refuse(DisclosureWatch::Waiting& waiting) {
    const Fault unavailable{FaultKind::audit_unavailable,
                            "the audit log is not being written; look at the disk of the data"};
    waiting.tell(&unavailable);
}

}  // namespace

void DisclosureWatch::Waiting::tell(const Fault* fault) {
    if (is_told_.exchange(true)) return;
    const Done done = std::move(done_);
    done_ = nullptr;  // moved from is not empty for certain
    done(fault);
}

DisclosureWatch::DisclosureWatch(Stall stall, std::chrono::milliseconds limit)
    : stall_(std::move(stall)), limit_(limit) {
    thread_ = std::thread([this] { serve(); });
}

DisclosureWatch::~DisclosureWatch() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    wakes_.notify_one();
    thread_.join();
}

std::shared_ptr<DisclosureWatch::Waiting> DisclosureWatch::add(Done done) {
    auto waiting = std::make_shared<Waiting>(std::move(done));
    if (stall_() >= limit_) {
        refuse(*waiting);
        return nullptr;
    }
    bool is_first = false;
    {
        const std::scoped_lock lock{mutex_};
        while (!waiting_.empty() && waiting_.front()->is_told()) waiting_.pop_front();
        is_first = waiting_.empty();
        waiting_.push_back(waiting);
    }
    if (is_first) wakes_.notify_one();
    return waiting;
}

void DisclosureWatch::serve() {
    const crypto::PatientMemory patient;
    std::unique_lock lock{mutex_};
    while (!is_stopping_) {
        if (waiting_.empty()) {
            wakes_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
            continue;
        }
        wakes_.wait_for(lock, kLookInterval, [this] { return is_stopping_; });
        while (!waiting_.empty() && waiting_.front()->is_told()) waiting_.pop_front();
        if (waiting_.empty() || stall_() < limit_) continue;
        lock.unlock();
        refuse_all();
        lock.lock();
    }
}

void DisclosureWatch::refuse_all() {
    std::deque<std::shared_ptr<Waiting>> refused;
    {
        const std::scoped_lock lock{mutex_};
        refused.swap(waiting_);
    }
    for (const auto& waiting : refused) refuse(*waiting);  // outside the lock: it may add again
}

}  // namespace oubliette
