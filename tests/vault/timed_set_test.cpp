#include "vault/timed_set.hpp"

#include <map>
#include <random>

#include <catch2/catch.hpp>

namespace oubliette {

TEST_CASE("a timed set holds what a map with times holds", "[step13][random]") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    constexpr std::uint32_t kWindow = 50;
    TimedSet set{kWindow, 100'000};
    std::map<std::uint64_t, std::uint32_t> model;
    std::uint32_t now = 0;
    for (int i = 0; i < 200'000; ++i) {
        if (random() % 100 == 0) ++now;
        const std::uint64_t key = mixed_key(random() % 5'000);
        if (random() % 2 == 0) {
            REQUIRE(set.put(key, now));
            model[key] = now;
        } else {
            const auto found = model.find(key);
            const bool is_held = found != model.end() && now - found->second < kWindow;
            REQUIRE(set.holds(key, now) == is_held);
        }
    }
}

TEST_CASE("a full timed set takes nothing more until something is over", "[step13]") {
    TimedSet set{10, 1'000};
    std::uint64_t count = 0;
    while (set.put(mixed_key(count), 0)) ++count;
    // Nearly full is full, and no more than its bound of slots.
    CHECK(count >= 900);
    CHECK(count <= 1'536);
    CHECK_FALSE(set.put(mixed_key(count), 9));
    CHECK(set.put(mixed_key(0), 9));  // held already
    CHECK(set.put(mixed_key(count), 10));
    CHECK(set.holds(mixed_key(0), 10));
    CHECK_FALSE(set.holds(mixed_key(1), 10));
}

}  // namespace oubliette
