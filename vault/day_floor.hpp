#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "vault/clock.hpp"
#include "vault/keys/key_plane.hpp"

// The day before which retention days may be destroyed (KEYS 5.3). It follows the clock two days
// behind, but rises by at most one day in 20 hours during which this process ran, and it is a
// register of the keepers. So a clock that jumps ahead destroys nothing that has not ended (the two
// days last for ten days of a wrong clock, which status and `retention run --dry-run` show), one
// that jumps back revives nothing, and no restored copy of the data lowers it. After a long rest
// the floor is behind and gains four hours a day; an operator may lift it.
//
//   register day_floor (tenant, 0, 0): the floor, days since 2020-01-01
//   register day_clock (tenant, 0, 0): minutes of uptime so far; written every half hour and at the
//     end, so that a crash loses at most that much
//   register day_clock (tenant, 1, 0): minutes of uptime when the floor last rose
//
// Thread-safe.

namespace oubliette {

class DayFloor {
public:
    static constexpr std::uint16_t kDaysBehind = 2;
    static constexpr std::uint64_t kMinutesPerDay = 20 * 60;  // of uptime, for one day

    // The first floor: nothing that was stored before today needs to die. Once, by init.
    static void start(keys::KeyPlane& plane, keys::TenantId tenant, Timestamp now);

    DayFloor(keys::KeyPlane& plane, keys::TenantId tenant, const Clock& clock);

    [[nodiscard]] std::uint16_t value() const;
    // Where the clock alone would put it.
    [[nodiscard]] std::uint16_t target() const noexcept;

    // Minutes that processes of this vault ran, as of now.
    [[nodiscard]] std::uint64_t minutes_awake() const { return minutes(); }
    // True if a time that began at `from`, when minutes_awake() was `minutes_from`, has come to its
    // end at `until`: by the clock, and by uptime (20 hours a day) or by the floor. So no clock
    // that jumps ahead ends it early.
    [[nodiscard]] bool has_passed(Timestamp from, std::uint64_t minutes_from,
                                  Timestamp until) const;

    // Raises it by a day if the clock and the uptime permit. True if it rose.
    // Throws Fault{storage} when no keeper can be written; then it has not risen.
    bool advance();
    // By an operator's word: to `day`, whatever the uptime. Returns false, and does nothing, if
    // `day` is beyond target() or not above the floor. Throws as advance().
    [[nodiscard]] bool raise_to(std::uint16_t day);
    // Tells the keepers the uptime so far, if it is `at_least` more than what they know. Throws as
    // advance().
    void record_uptime(std::chrono::minutes at_least);

private:
    [[nodiscard]] keys::RegisterKey key_of(keys::RegisterKind kind, std::uint16_t which) const;
    [[nodiscard]] std::uint64_t minutes() const;
    void raise(std::uint64_t day);

    keys::KeyPlane& plane_;
    keys::TenantId tenant_;
    const Clock& clock_;
    std::chrono::seconds started_;
    std::uint64_t minutes_before_;  // of earlier processes
    mutable std::mutex mutex_;      // one writer at a time
    std::uint64_t minutes_recorded_;
};

}  // namespace oubliette
