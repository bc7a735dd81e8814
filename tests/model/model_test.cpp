#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/model/explorer.hpp"
#include "tests/model/protocol.hpp"

// The model check itself. OUBLIETTE_MODEL=long goes further: minutes, and some gigabytes of memory.

namespace oubliette::model {
namespace {

using Explored = Exploration<World, Action>;

constexpr std::uint64_t kStatesMax = 400'000'000;

bool is_long_run() {
    const char* const mode = std::getenv("OUBLIETTE_MODEL");
    return mode != nullptr && std::string{mode} == "long";
}

// Visits every state; counts how often each verb was a step.
Explored explore_all(const Configuration& configuration, std::array<std::uint64_t, 64>* verbs) {
    const Protocol protocol{configuration};
    return explore<World, Action>(
        protocol.initial(),
        [&](const World& world, auto&& emit) {
            protocol.successors(world, [&](const Action& action, const World& next) {
                if (verbs != nullptr) ++(*verbs)[static_cast<std::size_t>(action.verb)];
                emit(action, next);
            });
        },
        violation_of, kStatesMax);
}

std::string text_of(const Explored& explored) {
    std::string text = explored.violation + "\n";
    for (const auto& [action, world] : explored.trace) {
        text += "  " + text_of(action) + "\n";
        for (unsigned k = 0; k < kKeeperCount; ++k) text += "      " + text_of(world, k) + "\n";
    }
    return text;
}

std::string text_of(const Configuration& c) {
    return std::to_string(c.keepers) + " keepers, " + std::to_string(c.requests) + " erasures, " +
           std::to_string(c.faults) + " faults, " + std::to_string(c.membership_changes) +
           " membership changes" + (c.may_split ? ", two leaders" : "");
}

struct Run {
    Configuration configuration;
    bool is_long = false;
};

const Run kRuns[] = {
    {{.keepers = 2, .requests = 2, .faults = 2, .may_split = true}},
    {{.keepers = 2, .requests = 1, .faults = 2, .membership_changes = 1, .may_split = true}},
    {{.keepers = 2, .requests = 1, .faults = 2, .membership_changes = 2}},
    {{.keepers = 2, .requests = 1, .faults = 1, .membership_changes = 2, .may_split = true}},
    {{.keepers = 3, .requests = 1, .faults = 2, .may_split = true}},
    {{.keepers = 3, .requests = 2, .faults = 1, .may_split = true}},
    {{.keepers = 3, .requests = 2, .faults = 2}},
    {{.keepers = 3, .requests = 1, .faults = 1, .membership_changes = 1, .may_split = true}},
    {{.keepers = 3, .requests = 1, .faults = 2, .membership_changes = 2}},
    {{.keepers = 2, .requests = 1, .faults = 3, .membership_changes = 1}, true},
    {{.keepers = 2, .requests = 2, .faults = 1, .membership_changes = 2, .may_split = true}, true},
    {{.keepers = 2, .requests = 1, .faults = 3, .membership_changes = 2}, true},
    {{.keepers = 3, .requests = 2, .faults = 2, .may_split = true}, true},
    {{.keepers = 2, .requests = 1, .faults = 2, .membership_changes = 2, .may_split = true}, true},
};

struct SeededBug {
    const char* name;
    Configuration configuration;
    bool is_long = false;
};

const SeededBug kBugs[] = {
    {"no staging", {.requests = 1, .faults = 1, .bug = Bug::no_staging}},
    {"erase before commit", {.requests = 1, .faults = 1, .bug = Bug::erase_before_commit}},
    {"acknowledge before erase",
     {.requests = 1, .faults = 1, .bug = Bug::acknowledge_before_erase}},
    {"keep both on recovery", {.requests = 1, .faults = 1, .bug = Bug::keep_both_on_recovery}},
    {"quorum finality", {.keepers = 3, .requests = 1, .faults = 1, .bug = Bug::quorum_finality}},
    {"acknowledge by epoch", {.requests = 2, .faults = 2, .bug = Bug::acknowledge_by_epoch}},
    {"listing after the copy",
     {.requests = 1, .faults = 1, .membership_changes = 1, .bug = Bug::list_after_copy}},
    {"resync without union", {.requests = 2, .faults = 2, .bug = Bug::resync_without_union}},
    {"both slots in one write", {.requests = 1, .faults = 1, .bug = Bug::both_slots_in_one_write}},
    {"answer before it is durable", {.requests = 1, .bug = Bug::answer_before_durable}},
    {"copy before the listing is acknowledged",
     {.requests = 1,
      .faults = 2,
      .membership_changes = 1,
      .bug = Bug::copy_before_listing_is_acknowledged}},
    {"copy to the unregistered",
     {.requests = 1, .faults = 1, .membership_changes = 1, .bug = Bug::copy_to_unregistered}},
    {"trust in the expelled",
     {.requests = 1,
      .faults = 3,
      .membership_changes = 2,
      .may_lose_keepers = false,
      .bug = Bug::trust_the_expelled},
     true},
    {"joining keepers do not count",
     {.requests = 1, .faults = 1, .membership_changes = 1, .bug = Bug::joining_do_not_count}},
    {"lost groups not run again",
     {.requests = 2, .faults = 2, .bug = Bug::lost_groups_not_run_again}},
    {"pending rows not merged", {.requests = 2, .faults = 2, .bug = Bug::pending_not_merged}},
};

}  // namespace

TEST_CASE("no state that the keepers can reach breaks a promise") {
    std::array<std::uint64_t, 64> verbs{};
    std::uint64_t states = 0;
    for (const Run& run : kRuns) {
        if (run.is_long && !is_long_run()) continue;
        const Explored explored = explore_all(run.configuration, &verbs);
        std::printf("%-72s %10llu states, depth %3u\n", text_of(run.configuration).c_str(),
                    static_cast<unsigned long long>(explored.state_count), explored.depth);
        std::fflush(stdout);
        states += explored.state_count;
        INFO(text_of(run.configuration) << ": " << text_of(explored));
        CHECK(explored.violation.empty());
        CHECK(explored.is_complete);
    }
    std::printf("%llu states, 0 violations\n", static_cast<unsigned long long>(states));
    // A model in which something cannot happen proves nothing about it. Only a change that does
    // not fit never comes up: the leader asks for none.
    for (std::size_t i = 0; i <= static_cast<std::size_t>(Verb::restore_data); ++i) {
        const Action action{static_cast<Verb>(i), 0, 0};
        INFO(text_of(action));
        CHECK((verbs[i] > 0) == (action.verb != Verb::refuse));
    }
}

TEST_CASE("every seeded bug breaks a promise, and the trace shows how") {
    for (const SeededBug& seeded : kBugs) {
        if (seeded.is_long && !is_long_run()) continue;
        const Explored explored = explore_all(seeded.configuration, nullptr);
        std::printf("%-40s %-55s %3zu steps, %llu states\n", seeded.name,
                    explored.violation.c_str(), explored.trace.size(),
                    static_cast<unsigned long long>(explored.state_count));
        std::fflush(stdout);
        INFO(seeded.name);
        CHECK_FALSE(explored.violation.empty());
        CHECK(explored.trace.size() > 1);
        if (const char* const shown = std::getenv("OUBLIETTE_MODEL_TRACE")) {
            if (seeded.name == std::string{shown}) std::puts(text_of(explored).c_str());
        }
    }
}

TEST_CASE("a violation comes with a shortest trace, and every state of it follows from the last") {
    const Configuration configuration{.requests = 1, .faults = 1, .bug = Bug::no_staging};
    const Protocol protocol{configuration};
    const Explored explored = explore_all(configuration, nullptr);
    // Start, two keepers open, serve, the request, the group, k0, k1 over the live slot.
    REQUIRE(explored.trace.size() == 8);
    World world = protocol.initial();
    for (const auto& [action, after] : explored.trace) {
        bool is_step = false;
        protocol.successors(world, [&, &action = action, &after = after](const Action& taken,
                                                                         const World& next) {
            is_step = is_step || (taken == action && fingerprint_of(next) == fingerprint_of(after));
        });
        CHECK(is_step);
        world = after;
    }
}

}  // namespace oubliette::model
