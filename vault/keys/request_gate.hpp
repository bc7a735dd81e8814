#pragma once

#include <atomic>
#include <cstdint>

// Step L4 of KEYS 6.1: an erasure is not final before every request that began before it has
// ended, since such a request may still hold a key. Entering and leaving cost two atomic additions
// to a counter that few threads share. Thread-safe.
//
// Two sides of counters: requests enter the current side; a turn changes sides and is done when
// the old side is empty. One turn at a time.

namespace oubliette::keys {

class RequestGate {
public:
    // The ticket for leave().
    [[nodiscard]] std::uint64_t enter() noexcept;
    void leave(std::uint64_t ticket) noexcept;

    // The number of a turn that has not begun yet: once done(turn()), every request that entered
    // before this call has left. One thread calls turn() and done(); done() begins turns.
    [[nodiscard]] std::uint64_t turn() const noexcept { return begun_ + 1; }
    [[nodiscard]] bool done(std::uint64_t turn) noexcept;

private:
    static constexpr unsigned kShards = 64;
    struct alignas(64) Counter {
        std::atomic<std::int64_t> inside{0};
    };

    [[nodiscard]] bool is_empty(unsigned side) const noexcept;

    std::atomic<unsigned> side_{0};
    Counter counters_[2][kShards];
    std::uint64_t begun_ = 0;
    std::uint64_t finished_ = 0;
};

}  // namespace oubliette::keys
