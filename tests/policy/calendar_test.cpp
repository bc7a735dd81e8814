#include "vault/policy/calendar.hpp"

#include <random>

#include <catch2/catch.hpp>

namespace oubliette::policy {

namespace {

Timestamp at(std::string_view text) {
    const auto time = parse_time(text);
    REQUIRE(time);
    return *time;
}

Timestamp later(std::string_view start, std::string_view duration) {
    const auto parsed = parse_duration(duration);
    REQUIRE(parsed);
    return plus(at(start), *parsed);
}

}  // namespace

TEST_CASE("durations of ISO 8601 parse into their parts", "[policy][calendar]") {
    CHECK(parse_duration("P1Y") == CalendarDuration{12, 0, 0});
    CHECK(parse_duration("P90D") == CalendarDuration{0, 90, 0});
    CHECK(parse_duration("PT24H") == CalendarDuration{0, 0, 86'400});
    CHECK(parse_duration("P0D") == CalendarDuration{});
    CHECK(parse_duration("PT0S") == CalendarDuration{});
    CHECK(parse_duration("P2Y3M1W4DT5H6M7S") == CalendarDuration{27, 11, 18'367});
    CHECK(parse_duration("P200Y") == CalendarDuration{2'400, 0, 0});
    CHECK(parse_duration("PT4000000000S") == CalendarDuration{0, 0, 4'000'000'000});
}

TEST_CASE("what is no duration is refused", "[policy][calendar]") {
    for (const char* text : {"",
                             "P",
                             "PT",
                             "P1",
                             "1Y",
                             "p1Y",
                             "P1y",
                             "P-1Y",
                             "P1.5Y",
                             "P1Y ",
                             " P1Y",
                             "P1D1Y",
                             "P1M1Y",
                             "P1Y1Y",
                             "PT1D",
                             "P1H",
                             "P1YT",
                             "PT1S1M",
                             "P201Y",
                             "P2401M",
                             "P73051D",
                             "PT4000000001S",
                             "P99999999999999999999Y",
                             "P1Y2",
                             "PP1Y"}) {
        INFO(text);
        CHECK_FALSE(parse_duration(text));
    }
    CHECK_FALSE(parse_duration(std::string_view{"P1Y\0", 4}));
}

TEST_CASE("a year is the same date next year, also over leap years", "[policy][calendar]") {
    CHECK(later("2023-03-01T12:34:56Z", "P1Y") == at("2024-03-01T12:34:56Z"));
    CHECK(later("2024-02-28T00:00:00Z", "P1Y") == at("2025-02-28T00:00:00Z"));
    CHECK(later("2024-02-29T23:59:59Z", "P1Y") == at("2025-02-28T23:59:59Z"));
    CHECK(later("2024-02-29T23:59:59Z", "P4Y") == at("2028-02-29T23:59:59Z"));
    CHECK(later("2096-02-29T00:00:00Z", "P4Y") == at("2100-02-28T00:00:00Z"));  // 2100 has none
    CHECK(later("2023-01-31T00:00:00Z", "P1M") == at("2023-02-28T00:00:00Z"));
    CHECK(later("2023-08-31T00:00:00Z", "P1M") == at("2023-09-30T00:00:00Z"));
    CHECK(later("2023-12-15T00:00:00Z", "P1M") == at("2024-01-15T00:00:00Z"));
    CHECK(later("2023-02-28T00:00:00Z", "P1D") == at("2023-03-01T00:00:00Z"));
    CHECK(later("2024-02-28T00:00:00Z", "P1D") == at("2024-02-29T00:00:00Z"));
    CHECK(later("2024-01-31T22:00:00Z", "P1M1DT3H") == at("2024-03-02T01:00:00Z"));
}

TEST_CASE("time stops at its end and does not start again", "[policy][calendar]") {
    const Timestamp end{0xFFFFFFFFU};
    CHECK(plus(end, {}) == end);
    CHECK(plus(end, {0, 0, 1}) == end);
    CHECK(plus({0}, {2'400, 73'050, 4'000'000'000U}) == end);
    CHECK(plus({0}, {}) == Timestamp{0});
}

TEST_CASE("is_over is now >= start + duration", "[policy][calendar][random]") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    const auto check = [](Timestamp start, const CalendarDuration& duration, Timestamp now) {
        const bool same = is_over(start, duration, now) == (now >= plus(start, duration));
        if (same) return;
        CAPTURE(start.seconds, duration.months, duration.days, duration.seconds, now.seconds);
        REQUIRE(same);
    };
    for (int round = 0; round < 200'000; ++round) {
        const Timestamp start{static_cast<std::uint32_t>(random())};
        const CalendarDuration duration{static_cast<std::uint32_t>(random() % 50),
                                        static_cast<std::uint32_t>(random() % 4 * 10),
                                        static_cast<std::uint32_t>(random() % 3 * 3'600)};
        const Timestamp end = plus(start, duration);
        check(start, duration, end);
        if (end.seconds > 0) check(start, duration, {end.seconds - 1});
        check(start, duration, {static_cast<std::uint32_t>(random())});
        check(start, duration, {0xFFFFFFFFU});
    }
    CHECK(is_over({5}, {}, {5}));
    CHECK_FALSE(is_over({5}, {}, {4}));
}

TEST_CASE("dates and times are those of RFC 3339", "[policy][calendar]") {
    CHECK(parse_date("2020-01-01") == Timestamp{0});
    CHECK(parse_date("2020-01-02") == Timestamp{86'400});
    CHECK(parse_date("1990-12-31") == Timestamp{0});
    CHECK(parse_date("9999-12-31") == Timestamp{0xFFFFFFFFU});
    CHECK(parse_date("2024-02-29"));
    CHECK(at("2020-01-01T00:00:10.999Z") == Timestamp{10});
    CHECK(at("2020-01-01T02:00:10+02:00") == Timestamp{10});
    CHECK(at("2019-12-31T22:30:00-01:30") == Timestamp{0});
    for (const char* text :
         {"2023-02-29", "2023-13-01", "2023-00-10", "2023-01-00", "2023-04-31", "2023-1-1",
          "23-01-01", "2023/01/01", "2023-01-01T", "", "2023-01-01 ", "+023-01-01"}) {
        INFO(text);
        CHECK_FALSE(parse_date(text));
    }
    for (const char* text :
         {"2023-01-01", "2023-01-01T00:00:00", "2023-01-01T24:00:00Z", "2023-01-01T00:60:00Z",
          "2023-01-01T00:00:61Z", "2023-01-01T00:00:00.Z", "2023-01-01 00:00:00Z",
          "2023-01-01T00:00:00ZZ", "2023-01-01T00:00:00+0100", "2023-01-01T00:00:00+24:00"}) {
        INFO(text);
        CHECK_FALSE(parse_time(text));
    }
}

}  // namespace oubliette::policy
