#pragma once

#include <chrono>
#include <cstdint>

// Time behind an interface, so that tests turn it by hand. Wall time decides about expiry and is
// stored in minutes, seconds or days since 2020-01-01T00:00:00Z (our epoch).

namespace oubliette {

inline constexpr std::int64_t kOurEpoch = 1'577'836'800;  // 2020-01-01T00:00:00Z in Unix seconds

// Seconds since our epoch. Fits 32 bits until 2156.
struct Timestamp {
    std::uint32_t seconds = 0;

    [[nodiscard]] std::uint32_t minutes() const noexcept { return seconds / 60; }
    [[nodiscard]] std::uint16_t day() const noexcept {
        return static_cast<std::uint16_t>(seconds / 86'400);
    }
    [[nodiscard]] std::int64_t unix_seconds() const noexcept { return kOurEpoch + seconds; }
    friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// Thread-safe.
class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual Timestamp now() const noexcept = 0;
    // Time this machine has been awake, from any origin. Nobody can set it: what must not happen
    // too often counts in this.
    [[nodiscard]] virtual std::chrono::seconds uptime() const noexcept {
        return std::chrono::duration_cast<std::chrono::seconds>(
            std::chrono::steady_clock::now().time_since_epoch());
    }
};

class SystemClock final : public Clock {
public:
    [[nodiscard]] Timestamp now() const noexcept override {
        const auto unix = std::chrono::duration_cast<std::chrono::seconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
        return {unix <= kOurEpoch ? 0U : static_cast<std::uint32_t>(unix - kOurEpoch)};
    }
};

}  // namespace oubliette
