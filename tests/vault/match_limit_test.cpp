#include "vault/people/match_limit.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

namespace oubliette::people {
namespace {

constexpr keys::SubjectNumber kAnn{1};
constexpr keys::SubjectNumber kBob{2};
constexpr std::uint16_t kPhone = 3;
constexpr Timestamp kStart{1'000'000};

Timestamp after(std::uint32_t seconds) {
    return {kStart.seconds + seconds};
}

}  // namespace

TEST_CASE("the sixth wrong candidate within an hour is not compared") {
    MatchLimit limit;
    for (std::size_t i = 0; i < MatchLimit::kFailuresMax; ++i) {
        CHECK(limit.may_try(kAnn, kPhone, kStart));
    }
    CHECK_FALSE(limit.may_try(kAnn, kPhone, kStart));
    CHECK_FALSE(limit.may_try(kAnn, kPhone, after(MatchLimit::kWindow - 1)));
    CHECK(limit.may_try(kAnn, kPhone + 1, kStart));
    CHECK(limit.may_try(kBob, kPhone, kStart));
    for (std::size_t i = 0; i < MatchLimit::kFailuresMax; ++i) {
        CHECK(limit.may_try(kAnn, kPhone, after(MatchLimit::kWindow)));
    }
    CHECK_FALSE(limit.may_try(kAnn, kPhone, after(MatchLimit::kWindow)));
}

TEST_CASE("the window slides; right candidates are not counted") {
    MatchLimit limit;
    for (std::uint32_t i = 0; i < 5; ++i) CHECK(limit.may_try(kAnn, kPhone, after(i * 60)));
    CHECK_FALSE(limit.may_try(kAnn, kPhone, after(3'599)));
    CHECK(limit.may_try(kAnn, kPhone, after(3'600)));
    CHECK_FALSE(limit.may_try(kAnn, kPhone, after(3'659)));

    MatchLimit honest;
    for (int i = 0; i < 100; ++i) {
        REQUIRE(honest.may_try(kAnn, kPhone, kStart));
        honest.right(kAnn, kPhone);
    }
    honest.right(kBob, kPhone);  // never tried: changes nothing
    CHECK(honest.may_try(kAnn, kPhone, kStart));
}

TEST_CASE("a clock that is set back forgives nothing") {
    MatchLimit limit;
    for (int i = 0; i < 5; ++i) CHECK(limit.may_try(kAnn, kPhone, kStart));
    CHECK_FALSE(limit.may_try(kAnn, kPhone, {0}));
    CHECK_FALSE(limit.may_try(kAnn, kPhone, {kStart.seconds - 5'000}));
}

TEST_CASE("a full table refuses newcomers until old entries can go") {
    MatchLimit limit;
    for (std::uint64_t i = 0; i < MatchLimit::kEntriesMax; ++i) {
        REQUIRE(limit.may_try({i}, kPhone, kStart));
    }
    CHECK_FALSE(limit.may_try({MatchLimit::kEntriesMax}, kPhone, kStart));
    CHECK(limit.may_try({7}, kPhone, kStart));
    CHECK(limit.may_try({MatchLimit::kEntriesMax}, kPhone, after(MatchLimit::kWindow)));
}

TEST_CASE("many threads together get five tries") {
    MatchLimit limit;
    std::atomic<int> allowed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int j = 0; j < 100; ++j) {
                if (limit.may_try(kAnn, kPhone, kStart)) ++allowed;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(allowed == 5);
}

}  // namespace oubliette::people
