#include <cerrno>
#include <map>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/faults/build_kind.hpp"
#include "tests/faults/case_pool.hpp"
#include "tests/faults/fault_cases.hpp"
#include "tests/faults/faulty_disk.hpp"
#include "tests/faults/room.hpp"
#include "tests/faults/time_limit.hpp"

// TRAPS 4 goal 3: every file call of every verb fails once, or stays failed, and nothing is
// falsely acknowledged, lost or brought back.

namespace oubliette::faults {
namespace {

constexpr DiskFault kFaults[] = {
    {CallGroup::reading, EIO, Spread::once, false},
    {CallGroup::reading, EIO, Spread::device, false},
    {CallGroup::writing, EIO, Spread::once, false},
    {CallGroup::writing, EIO, Spread::device, false},
    {CallGroup::writing, EIO, Spread::everything, false},
    {CallGroup::writing, ENOSPC, Spread::once, false},
    {CallGroup::writing, ENOSPC, Spread::everything, false},
    {CallGroup::flushing, EIO, Spread::once, false},
    {CallGroup::flushing, EIO, Spread::once, true},
    {CallGroup::flushing, EIO, Spread::device, false},
    {CallGroup::opening, EIO, Spread::once, false},
    {CallGroup::opening, EMFILE, Spread::once, false},
    {CallGroup::opening, EMFILE, Spread::everything, false},
    {CallGroup::naming, EIO, Spread::once, false},
    {CallGroup::naming, EIO, Spread::everything, false},
};

constexpr std::uint64_t kStep = kIsSanitized ? 3 : 1;

struct Point {
    Verb verb{};
    DiskFault fault;
    std::uint64_t at = 0;
};

std::string text_of(const Point& point) {
    return std::string{name_of(point.verb)} + ": call " + std::to_string(point.at) + " of " +
           text_of(point.fault);
}

Trouble trouble_of(FaultyDisk& disk, const Point& point) {
    return {[&disk, point] { disk.arm(point.fault, point.at); }, [&disk] { disk.disarm(); },
            point.fault.spread == Spread::everything};
}

// Every call of the group that a verb makes without trouble, and a few more: threads differ.
std::vector<Point> points_of(const FaultScene& scene) {
    constexpr std::uint64_t kMargin = 2;
    const Room room;
    FaultyDisk disk{room.path()};
    const HookedCalls hooked{disk};
    std::vector<Point> points;
    for (const Verb verb : kVerbs) {
        std::map<CallGroup, std::uint64_t> counts;
        for (const DiskFault& fault : kFaults) {
            if (counts.contains(fault.group)) continue;
            const TimeLimit limit{120, std::string{name_of(verb)} + " without any fault"};
            const std::string wrong =
                scene.run(verb, trouble_of(disk, {verb, fault, 0}), room.path());
            INFO(name_of(verb) << " without any fault: " << wrong);
            REQUIRE(wrong.empty());
            counts[fault.group] = disk.calls();
        }
        for (const DiskFault& fault : kFaults) {
            for (std::uint64_t at = 1; at <= counts[fault.group] + kMargin; at += kStep) {
                points.push_back({verb, fault, at});
            }
        }
    }
    return points;
}

}  // namespace

TEST_CASE("every file call of every verb may fail", "[io]") {
    const FaultScene scene;
    const std::vector<Point> points = points_of(scene);
    Counters reached{1};
    const PoolResult result = run_cases(0, points.size(), process_count(), [&](unsigned) {
        const auto room = std::make_shared<Room>();
        const auto disk = std::make_shared<FaultyDisk>(room->path());
        set_file_call_hook(disk.get());
        return Case{[&, room, disk](std::uint64_t number) {
            const Point& point = points[number];
            room->clear();
            std::string wrong = scene.run(point.verb, trouble_of(*disk, point), room->path());
            if (disk->failed() > 0) reached.add(0);
            return wrong.empty() ? wrong : text_of(point) + ": " + wrong;
        }};
    });
    INFO(points.size() << " points, " << reached.of(0) << " reached");
    INFO(text_of(result));
    CHECK(result.run == points.size());
    CHECK(result.failed == 0);
    CHECK(reached.of(0) > points.size() * 3 / 4);  // the control: faults did happen
}

TEST_CASE("control: a disk that says it wrote and did not is noticed", "[io]") {
    const FaultScene scene;
    const Room room;
    FaultyDisk disk{room.path()};
    const HookedCalls hooked{disk};
    const DiskFault lost{CallGroup::writing, 0, Spread::device, false};
    unsigned noticed = 0;
    for (std::uint64_t at = 1; at <= 5; ++at) {
        room.clear();
        const std::string wrong =
            scene.run(Verb::erase, trouble_of(disk, {Verb::erase, lost, at}), room.path());
        if (!wrong.empty()) ++noticed;
    }
    CHECK(noticed > 0);
}

}  // namespace oubliette::faults
