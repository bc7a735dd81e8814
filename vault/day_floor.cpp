#include "vault/day_floor.hpp"

#include <algorithm>

namespace oubliette {
namespace {

constexpr std::uint16_t kSoFar = 0;
constexpr std::uint16_t kLastRise = 1;

}  // namespace

void DayFloor::start(keys::KeyPlane& plane, keys::TenantId tenant, Timestamp now) {
    plane.raise_registers({{{keys::RegisterKind::day_floor, tenant, 0, 0}, now.day()}});
}

DayFloor::DayFloor(keys::KeyPlane& plane, keys::TenantId tenant, const Clock& clock)
    : plane_(plane),
      tenant_(tenant),
      clock_(clock),
      started_(clock.uptime()),
      minutes_before_(plane.read_register({keys::RegisterKind::day_clock, tenant, kSoFar, 0})),
      minutes_recorded_(minutes_before_) {}

keys::RegisterKey DayFloor::key_of(keys::RegisterKind kind, std::uint16_t which) const {
    return {kind, tenant_, which, 0};
}

std::uint16_t DayFloor::value() const {
    return static_cast<std::uint16_t>(
        plane_.read_register(key_of(keys::RegisterKind::day_floor, 0)));
}

std::uint16_t DayFloor::target() const noexcept {
    const std::uint16_t today = clock_.now().day();
    return today < kDaysBehind ? std::uint16_t{0} : static_cast<std::uint16_t>(today - kDaysBehind);
}

std::uint64_t DayFloor::minutes() const {
    const auto here = std::chrono::duration_cast<std::chrono::minutes>(clock_.uptime() - started_);
    return minutes_before_ + static_cast<std::uint64_t>(std::max<std::int64_t>(here.count(), 0));
}

bool DayFloor::has_passed(Timestamp from, std::uint64_t minutes_from, Timestamp until) const {
    if (clock_.now() < until) return false;
    if (value() > until.day()) return true;
    constexpr std::uint64_t kDay = 86'400;  // s
    const std::uint64_t time = until.seconds - std::min(from.seconds, until.seconds);
    return minutes() >= minutes_from + time * kMinutesPerDay / kDay;
}

void DayFloor::raise(std::uint64_t day) {
    const std::uint64_t now = minutes();
    plane_.raise_registers({{key_of(keys::RegisterKind::day_floor, 0), day},
                            {key_of(keys::RegisterKind::day_clock, kSoFar), now},
                            {key_of(keys::RegisterKind::day_clock, kLastRise), now}});
    minutes_recorded_ = now;
}

bool DayFloor::advance() {
    const std::scoped_lock lock{mutex_};
    const std::uint64_t last =
        plane_.read_register(key_of(keys::RegisterKind::day_clock, kLastRise));
    if (value() >= target() || minutes() < last + kMinutesPerDay) return false;
    raise(std::uint64_t{value()} + 1);
    return true;
}

bool DayFloor::raise_to(std::uint16_t day) {
    const std::scoped_lock lock{mutex_};
    if (day > target() || day <= value()) return false;
    raise(day);
    return true;
}

void DayFloor::record_uptime(std::chrono::minutes at_least) {
    const std::scoped_lock lock{mutex_};
    const std::uint64_t now = minutes();
    const auto more = static_cast<std::uint64_t>(at_least.count());
    if (now == minutes_recorded_ || now < minutes_recorded_ + more) return;
    plane_.raise_registers({{key_of(keys::RegisterKind::day_clock, kSoFar), now}});
    minutes_recorded_ = now;
}

}  // namespace oubliette
