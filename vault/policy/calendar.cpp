#include "vault/policy/calendar.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

namespace oubliette::policy {

namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

// The number at the front of `text`, which is cut off; nullopt if there is none or it is over
// `max`.
std::optional<std::uint64_t> take_number(std::string_view& text, std::uint64_t max) noexcept {
    std::uint64_t number = 0;
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) {
        number = number * 10 + static_cast<std::uint64_t>(text[digits] - '0');
        if (number > max) return std::nullopt;
        ++digits;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    return number;
}

// Exactly `count` digits at the front of `text`, which are cut off.
std::optional<unsigned> take_digits(std::string_view& text, std::size_t count) noexcept {
    if (text.size() < count) return std::nullopt;
    unsigned number = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!is_digit(text[i])) return std::nullopt;
        number = number * 10 + static_cast<unsigned>(text[i] - '0');
    }
    text.remove_prefix(count);
    return number;
}

bool take_char(std::string_view& text, char expected) noexcept {
    if (text.empty() || text.front() != expected) return false;
    text.remove_prefix(1);
    return true;
}

struct Unit {
    char letter;
    std::uint64_t factor;
};
constexpr std::array<Unit, 2> kMonthUnits{{{'Y', 12}, {'M', 1}}};
constexpr std::array<Unit, 2> kDayUnits{{{'W', 7}, {'D', 1}}};
constexpr std::array<Unit, 3> kSecondUnits{{{'H', 3'600}, {'M', 60}, {'S', 1}}};

// Reads the parts `n<letter>` of `units` in order, each at most once; stops at a letter of none.
// False if a part is over the limit.
template <std::size_t N>
bool take_units(std::string_view& text, const std::array<Unit, N>& units, std::uint32_t max,
                std::uint32_t& total, bool& any) noexcept {
    for (const Unit& unit : units) {
        std::string_view rest = text;
        const auto number = take_number(rest, kDurationSecondsMax);
        if (!number) return text.empty() || !is_digit(text.front());
        if (!take_char(rest, unit.letter)) continue;
        const std::uint64_t sum = total + *number * unit.factor;
        if (sum > max) return false;
        total = static_cast<std::uint32_t>(sum);
        any = true;
        text = rest;
    }
    return true;
}

Timestamp from_unix(std::int64_t unix) noexcept {
    constexpr std::int64_t kMax = std::numeric_limits<std::uint32_t>::max();
    return {static_cast<std::uint32_t>(std::clamp<std::int64_t>(unix - kOurEpoch, 0, kMax))};
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) noexcept {
    const auto year = take_digits(text, 4);
    if (!year || !take_char(text, '-')) return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || !take_char(text, '-')) return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                           std::chrono::month{*month}, std::chrono::day{*day}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date};
}

// "Z" or "+hh:mm": seconds to subtract from local time.
std::optional<std::int64_t> take_offset(std::string_view& text) noexcept {
    if (take_char(text, 'Z') || take_char(text, 'z')) return 0;
    const bool west = !text.empty() && text.front() == '-';
    if (!west && (text.empty() || text.front() != '+')) return std::nullopt;
    text.remove_prefix(1);
    const auto hours = take_digits(text, 2);
    if (!hours || *hours > 23 || !take_char(text, ':')) return std::nullopt;
    const auto minutes = take_digits(text, 2);
    if (!minutes || *minutes > 59) return std::nullopt;
    const std::int64_t seconds = *hours * std::int64_t{3'600} + *minutes * std::int64_t{60};
    return west ? -seconds : seconds;
}

std::optional<std::int64_t> take_time_of_day(std::string_view& text) noexcept {
    const auto hour = take_digits(text, 2);
    if (!hour || *hour > 23 || !take_char(text, ':')) return std::nullopt;
    const auto minute = take_digits(text, 2);
    if (!minute || *minute > 59 || !take_char(text, ':')) return std::nullopt;
    const auto second = take_digits(text, 2);
    if (!second || *second > 60) return std::nullopt;  // 60 is a leap second
    if (take_char(text, '.')) {
        if (text.empty() || !is_digit(text.front())) return std::nullopt;
        while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
    }
    return *hour * std::int64_t{3'600} + *minute * std::int64_t{60} + *second;
}

}  // namespace

std::optional<CalendarDuration> parse_duration(std::string_view text) noexcept {
    if (!take_char(text, 'P')) return std::nullopt;
    CalendarDuration duration;
    bool any = false;
    if (!take_units(text, kMonthUnits, kDurationMonthsMax, duration.months, any)) {
        return std::nullopt;
    }
    if (!take_units(text, kDayUnits, kDurationDaysMax, duration.days, any)) return std::nullopt;
    if (take_char(text, 'T')) {
        bool any_time = false;
        if (!take_units(text, kSecondUnits, kDurationSecondsMax, duration.seconds, any_time) ||
            !any_time) {
            return std::nullopt;
        }
        any = true;
    }
    if (!any || !text.empty()) return std::nullopt;
    return duration;
}

Timestamp plus(Timestamp start, const CalendarDuration& duration) noexcept {
    using std::chrono::days;
    using std::chrono::sys_days;
    const std::int64_t unix = start.unix_seconds();
    sys_days date{days{unix / kSecondsPerDay}};
    if (duration.months != 0) {
        auto shifted = std::chrono::year_month_day{date} +
                       std::chrono::months{static_cast<int>(duration.months)};
        if (!shifted.ok()) shifted = shifted.year() / shifted.month() / std::chrono::last;
        date = sys_days{shifted};
    }
    date += days{static_cast<int>(duration.days)};
    return from_unix(std::int64_t{date.time_since_epoch().count()} * kSecondsPerDay +
                     unix % kSecondsPerDay + duration.seconds);
}

bool is_over(Timestamp start, const CalendarDuration& duration, Timestamp now) noexcept {
    constexpr std::uint64_t kEnd = std::numeric_limits<std::uint32_t>::max();
    constexpr std::uint64_t kDay = 86'400;
    const std::uint64_t fixed = start.seconds + duration.days * kDay + duration.seconds;
    if (duration.months == 0) return now.seconds >= std::min(fixed, kEnd);
    // A month has 28 to 31 days, twelve in a row at least 365; a last day of February that
    // replaces a later day makes a duration up to 3 days shorter.
    constexpr std::uint64_t kClamped = 3;
    const std::uint64_t days_min = duration.months / 12 * 365U + duration.months % 12 * 28U;
    const std::uint64_t days_max = duration.months * 31U;
    const std::uint64_t end_min = fixed + (days_min - std::min(days_min, kClamped)) * kDay;
    if (now.seconds < std::min(end_min, kEnd)) return false;
    if (now.seconds >= fixed + days_max * kDay) return true;
    return now >= plus(start, duration);
}

std::optional<Timestamp> parse_date(std::string_view text) noexcept {
    const auto date = take_date(text);
    if (!date || !text.empty()) return std::nullopt;
    return from_unix(std::int64_t{date->time_since_epoch().count()} * kSecondsPerDay);
}

std::optional<Timestamp> parse_time(std::string_view text) noexcept {
    const auto date = take_date(text);
    if (!date || (!take_char(text, 'T') && !take_char(text, 't'))) return std::nullopt;
    const auto time_of_day = take_time_of_day(text);
    if (!time_of_day) return std::nullopt;
    const auto offset = take_offset(text);
    if (!offset || !text.empty()) return std::nullopt;
    return from_unix(std::int64_t{date->time_since_epoch().count()} * kSecondsPerDay +
                     *time_of_day - *offset);
}

}  // namespace oubliette::policy
