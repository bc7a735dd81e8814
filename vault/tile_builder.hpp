#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "vault/committer.hpp"

// Stores the audit log's full tiles beside requests, never on their path: reads and hashes on a
// thread of its own, and only puts finished rows into the committer's transactions, a few at a
// time. What is stored says what is missing, so that after a crash it just goes on.

namespace oubliette {

class TileBuilder {
public:
    // `log_size`: entries committed so far; callable from any thread.
    // REQUIRES: `store` and `committer` outlive this.
    TileBuilder(store::Store& store, Committer& committer, std::function<std::uint64_t()> log_size);
    ~TileBuilder();  // stop()
    TileBuilder(const TileBuilder&) = delete;
    TileBuilder& operator=(const TileBuilder&) = delete;

    // Ends the thread after the transaction under way. Belongs to one thread.
    void stop();

private:
    void serve();
    [[nodiscard]] bool store_some();

    store::Store& store_;
    Committer& committer_;
    std::function<std::uint64_t()> log_size_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable wakes_;
    std::thread thread_;  // last: it uses everything above
};

}  // namespace oubliette
