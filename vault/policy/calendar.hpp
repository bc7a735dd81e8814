#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "vault/clock.hpp"

// Durations and dates as a policy writes them (ISO 8601, RFC 3339), and their arithmetic in UTC.
// Thread-safe.

namespace oubliette::policy {

// A duration in calendar terms: P1Y is "the same date next year", not 365 days.
struct CalendarDuration {
    std::uint32_t months = 0;   // years count as 12
    std::uint32_t days = 0;     // weeks count as 7
    std::uint32_t seconds = 0;  // hours and minutes included

    friend bool operator==(const CalendarDuration&, const CalendarDuration&) = default;
};

// Limit of each part of a duration: 200 years, and as many days and seconds.
inline constexpr std::uint32_t kDurationMonthsMax = 2'400;
inline constexpr std::uint32_t kDurationDaysMax = 73'050;
inline constexpr std::uint32_t kDurationSecondsMax = 4'000'000'000;

// `PnYnMnWnDTnHnMnS` with whole numbers, at least one part, each part at most once, in order.
// nullopt for anything else, also for a part over its limit.
[[nodiscard]] std::optional<CalendarDuration> parse_duration(std::string_view text) noexcept;

// `start` + `duration`: first the months (a day that the month lacks becomes its last day: 29
// February + P1Y = 28 February), then days, then seconds. Stays at the end of time (2156) when it
// would pass it.
[[nodiscard]] Timestamp plus(Timestamp start, const CalendarDuration& duration) noexcept;

// now >= plus(start, duration), without the calendar where the lengths of months cannot matter.
[[nodiscard]] bool is_over(Timestamp start, const CalendarDuration& duration,
                           Timestamp now) noexcept;

// RFC 3339 full-date, "2030-03-31": its first second in UTC. Dates before 2020 become 0, dates
// after 2156 the end of time. nullopt if it is no date of the calendar.
[[nodiscard]] std::optional<Timestamp> parse_date(std::string_view text) noexcept;

// RFC 3339 date-time with "Z" or an offset, whole seconds (a fraction is dropped). As parse_date.
[[nodiscard]] std::optional<Timestamp> parse_time(std::string_view text) noexcept;

}  // namespace oubliette::policy
