#include "vault/timed_set.hpp"

#include <algorithm>
#include <bit>

namespace oubliette {
namespace {

constexpr std::size_t kSlotsMin = 64;

}  // namespace

std::uint64_t mixed_key(std::uint64_t value) noexcept {
    value += 0x9E37'79B9'7F4A'7C15U;
    value = (value ^ (value >> 30)) * 0xBF58'476D'1CE4'E5B9U;
    value = (value ^ (value >> 27)) * 0x94D0'49BB'1331'11EBU;
    value ^= value >> 31;
    return value == 0 ? 1 : value;
}

// The slot of `key`, or the free one where it would be. REQUIRES: there are slots.
std::size_t TimedSet::find(std::uint64_t key) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = key & mask;
    while (slots_[at].key != 0 && slots_[at].key != key) at = (at + 1) & mask;
    return at;
}

bool TimedSet::holds(std::uint64_t key, std::uint32_t now) const noexcept {
    return !slots_.empty() && is_live(slots_[find(key)], now);
}

bool TimedSet::put(std::uint64_t key, std::uint32_t now) {
    if (!slots_.empty()) {
        Slot& slot = slots_[find(key)];
        if (slot.key == key) {
            slot.time = now;
            return true;
        }
    }
    if ((used_ + 1) * 4 > slots_.size() * 3 && !make_room(now)) return false;
    slots_[find(key)] = {key, now};
    ++used_;
    return true;
}

// Forgets what is over, and doubles unless that made half of the room free.
bool TimedSet::make_room(std::uint32_t now) {
    std::vector<Slot> old;
    old.swap(slots_);
    const auto live = static_cast<std::size_t>(
        std::ranges::count_if(old, [&](const Slot& slot) { return is_live(slot, now); }));
    // Nearly full is full: else each further number would go through all of them.
    if (live / 15 * 16 >= count_max_) {
        slots_.swap(old);
        return false;
    }
    const std::size_t size = (live + 1) * 8 > old.size() * 3 ? old.size() * 2 : old.size();
    const std::size_t size_max = std::bit_ceil(count_max_ / 3 * 4);
    slots_.resize(std::clamp(size, kSlotsMin, std::max(size_max, kSlotsMin)));
    used_ = 0;
    for (const Slot& slot : old) {
        if (!is_live(slot, now)) continue;
        slots_[find(slot.key)] = slot;
        ++used_;
    }
    return true;
}

}  // namespace oubliette
