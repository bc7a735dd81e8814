#include "vault/keys/request_gate.hpp"

namespace oubliette::keys {
namespace {

// Threads take shards in turn, so that up to 64 of them never share one.
unsigned shard_of_thread(unsigned shards) noexcept {
    static std::atomic<unsigned> next{0};
    thread_local const unsigned mine = next.fetch_add(1, std::memory_order_relaxed);
    return mine % shards;
}

}  // namespace

std::uint64_t RequestGate::enter() noexcept {
    const unsigned shard = shard_of_thread(kShards);
    for (;;) {
        const unsigned side = side_.load(std::memory_order_seq_cst);
        counters_[side][shard].inside.fetch_add(1, std::memory_order_seq_cst);
        // If the side is still the current one, the turn that leaves it comes later in the total
        // order and sees this count. Otherwise the turn may have looked already: try again.
        if (side_.load(std::memory_order_seq_cst) == side) {
            return std::uint64_t{shard} << 1 | side;
        }
        counters_[side][shard].inside.fetch_sub(1, std::memory_order_seq_cst);
    }
}

void RequestGate::leave(std::uint64_t ticket) noexcept {
    counters_[ticket & 1][ticket >> 1].inside.fetch_sub(1, std::memory_order_seq_cst);
}

bool RequestGate::is_empty(unsigned side) const noexcept {
    for (const Counter& counter : counters_[side]) {
        if (counter.inside.load(std::memory_order_seq_cst) != 0) return false;
    }
    return true;
}

bool RequestGate::done(std::uint64_t turn) noexcept {
    while (finished_ < turn) {
        if (begun_ == finished_) {
            side_.store(1 - side_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
            ++begun_;
        }
        if (!is_empty(1 - side_.load(std::memory_order_seq_cst))) return false;
        finished_ = begun_;
    }
    return true;
}

}  // namespace oubliette::keys
