#pragma once

#include <cstdint>

#include "crypto/assert.hpp"

// 128 consent bits, bit i = slot i: a person's grants, or what a purpose needs.

namespace oubliette::policy {

enum class SlotId : std::uint16_t {};  // 0..125, as other ids never reused

inline constexpr std::uint16_t kSlotIdMax = 125;

struct SlotMask {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    void set(SlotId slot) noexcept { word_of(slot) |= bit_of(slot); }
    void clear(SlotId slot) noexcept { word_of(slot) &= ~bit_of(slot); }
    [[nodiscard]] bool has(SlotId slot) const noexcept {
        const std::uint64_t word = static_cast<unsigned>(slot) < 64 ? low : high;
        return (word & bit_of(slot)) != 0;
    }
    [[nodiscard]] bool any() const noexcept { return (low | high) != 0; }
    [[nodiscard]] SlotMask without(const SlotMask& other) const noexcept {
        return {low & ~other.low, high & ~other.high};
    }
    friend SlotMask operator&(const SlotMask& a, const SlotMask& b) noexcept {
        return {a.low & b.low, a.high & b.high};
    }
    friend bool operator==(const SlotMask&, const SlotMask&) = default;

private:
    [[nodiscard]] static std::uint64_t bit_of(SlotId slot) noexcept {
        OBL_ASSERT(static_cast<std::uint16_t>(slot) <= kSlotIdMax);
        return std::uint64_t{1} << (static_cast<unsigned>(slot) % 64);
    }
    [[nodiscard]] std::uint64_t& word_of(SlotId slot) noexcept {
        return static_cast<unsigned>(slot) < 64 ? low : high;
    }
};

}  // namespace oubliette::policy
