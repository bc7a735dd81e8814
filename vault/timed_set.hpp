#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

// Numbers that are remembered for a while, in bounded memory: 16 bytes a slot, at most 3/4 full.
// Times are seconds of uptime, so that nobody's clock shortens or stretches them. Not thread-safe.

namespace oubliette {

class TimedSet {
public:
    // A number is held from put() until `window` seconds later. At most `count_max` are.
    TimedSet(std::uint32_t window, std::size_t count_max) noexcept
        : window_(window), count_max_(count_max) {}

    // REQUIRES everywhere: key != 0; `now` never falls.
    [[nodiscard]] bool holds(std::uint64_t key, std::uint32_t now) const noexcept;
    // Holds `key` for a window from now on, also if it was held. False if the set is full; then
    // nothing changed. Allocates only when it grows.
    [[nodiscard]] bool put(std::uint64_t key, std::uint32_t now);

private:
    struct Slot {
        std::uint64_t key = 0;  // 0 = never used
        std::uint32_t time = 0;
    };
    [[nodiscard]] bool is_live(const Slot& slot, std::uint32_t now) const noexcept {
        return slot.key != 0 && now - slot.time < window_;
    }
    [[nodiscard]] std::size_t find(std::uint64_t key) const noexcept;
    [[nodiscard]] bool make_room(std::uint32_t now);

    std::uint32_t window_;
    std::size_t count_max_;
    std::size_t used_ = 0;     // slots with a key, live or not
    std::vector<Slot> slots_;  // a power of two of them, or none
};

// Mixes the bits of `value` (the finaliser of SplitMix64); never 0.
[[nodiscard]] std::uint64_t mixed_key(std::uint64_t value) noexcept;

}  // namespace oubliette
