#include <cstdlib>

#include <catch2/catch.hpp>

#include "tests/faults/allocation_faults.hpp"
#include "tests/faults/case_pool.hpp"
#include "tests/faults/fault_cases.hpp"
#include "tests/faults/room.hpp"

// TRAPS 4 goal 4: memory runs out at any allocation of any verb, and nothing dies, hangs, is
// falsely acknowledged, lost or brought back.

namespace oubliette::faults {
namespace {

constexpr std::uint64_t kPointsPerVerb = 200;

struct Point {
    Verb verb{};
    std::uint64_t at = 0;
    std::uint64_t count = 1;
};

std::string text_of(const Point& point) {
    return std::string{name_of(point.verb)} + ": allocation " + std::to_string(point.at) +
           (point.count > 1 ? " and the " + std::to_string(point.count - 1) + " after it" : "") +
           " fails";
}

Trouble trouble_of(const Point& point) {
    return {[point] { arm_allocations(point.at, point.count); }, [] { disarm_allocations(); },
            false};
}

// All of them in a nightly run (OUBLIETTE_FAULTS_POINTS), evenly chosen ones otherwise.
std::uint64_t points_per_verb() {
    const char* const text = std::getenv("OUBLIETTE_FAULTS_POINTS");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : kPointsPerVerb;
}

std::vector<Point> points_of(const FaultScene& scene, std::uint64_t count_failing,
                             std::uint64_t points_max) {
    const Room room;
    std::vector<Point> points;
    for (const Verb verb : kVerbs) {
        const std::string wrong = scene.run(verb, trouble_of({verb, 0, 0}), room.path());
        INFO(name_of(verb) << " without any fault: " << wrong);
        REQUIRE(wrong.empty());
        const std::uint64_t count = allocations_counted();
        // An odd step: allocations come in pairs, and an even one would miss half.
        const std::uint64_t step = (count / points_max) | 1U;
        for (std::uint64_t at = 1; at <= count + 10; at += step) {
            points.push_back({verb, at, count_failing});
        }
    }
    return points;
}

}  // namespace

TEST_CASE("memory may run out at any allocation of any verb", "[memory]") {
    const std::uint64_t count_failing = GENERATE(std::uint64_t{1}, std::uint64_t{25});
    if (!can_fail_allocations()) {
        WARN("sanitizers have a malloc of their own");
        return;
    }
    const TestScope test;
    UnsyncedDisk disk;
    const HookedCalls hooked{disk};
    const FaultScene scene;
    const std::vector<Point> points = points_of(scene, count_failing, points_per_verb());
    Counters reached{1};
    const PoolResult result = run_cases(0, points.size(), process_count(), [&](unsigned) {
        const auto room = std::make_shared<Room>();
        return Case{[&, room](std::uint64_t number) {
            const Point& point = points[number];
            room->clear();
            std::string wrong = scene.run(point.verb, trouble_of(point), room->path());
            if (allocations_failed() > 0) reached.add(0);
            return wrong.empty() ? wrong : text_of(point) + ": " + wrong;
        }};
    });
    INFO(points.size() << " points, " << reached.of(0) << " reached");
    INFO(text_of(result));
    CHECK(result.run == points.size());
    CHECK(result.failed == 0);
    CHECK(reached.of(0) > points.size() / 2);
}

}  // namespace oubliette::faults
