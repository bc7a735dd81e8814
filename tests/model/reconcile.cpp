#include <algorithm>
#include <utility>

#include "tests/model/protocol.hpp"

// Bringing keepers to one tree before a leader serves, and when keepers come back.

namespace oubliette::model {
namespace {

Mask whole_keepers(const World& world, const Leader& leader) {
    Mask whole = 0;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (has(leader.opened, k) && live_pair(world, k)) set(whole, k);
    }
    return whole;
}

// The highest (term, epoch); of equals the first.
unsigned newest_of(const World& world, Mask whole) {
    unsigned newest = lowest(whole);
    for (unsigned k = newest + 1; k < kKeeperCount; ++k) {
        if (!has(whole, k)) continue;
        const Version& best = world.versions[version_on(world, newest)];
        const Version& other = world.versions[version_on(world, k)];
        if (std::pair{other.term, other.epoch} > std::pair{best.term, best.epoch}) newest = k;
    }
    return newest;
}

// Who may never take part again, and who is the newest of the rest: the product's judge().
struct Verdict {
    Mask expelled = 0;
    unsigned newest = 0;
};
std::optional<Verdict> judge(const World& world, Mask whole) {
    const auto accused_by = [&](unsigned k) {
        return static_cast<Mask>(world.versions[version_on(world, k)].expelled & whole &
                                 without(0xFF, bit(k)));
    };
    Mask accused = 0;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (has(whole, k)) accused = both(accused, accused_by(k));
    }
    const Mask clean = without(whole, accused);
    if (clean == 0) return std::nullopt;
    Verdict verdict;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (has(clean, k)) verdict.expelled = both(verdict.expelled, accused_by(k));
    }
    verdict.newest = newest_of(world, without(whole, verdict.expelled));
    verdict.expelled = both(verdict.expelled, accused_by(verdict.newest));
    return verdict;
}

}  // namespace

// All keepers that can be are in sync: what they remember is merged, the term rises.
void Protocol::serve(World& world, unsigned number, unsigned newest) const {
    Leader& leader = world.leaders[number];
    DataPlane& data = world.data[number];
    const Index head = version_on(world, newest);
    const Version& tree = world.versions[head];
    const Mask whole = whole_keepers(world, leader);
    const bool is_start = leader.has_served == 0;
    leader.head = head;
    leader.in_sync = 0;
    Mask pending = 0;
    std::uint8_t term = std::max(tree.term, leader.term);
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (!has(whole, k)) continue;
        const Plane& plane = world.keepers[k].planes[live_pair(world, k)->plane];
        if (k == newest || !has_bug(Bug::pending_not_merged)) {
            pending = both(pending, plane.pending);
        }
        term = std::max(term, plane.term);
        if (version_on(world, k) == head && has(registered(tree), k)) set(leader.in_sync, k);
    }
    clear(pending, tree.dead);
    leader.term = is_start ? static_cast<std::uint8_t>(term + 1) : std::max(leader.term, tree.term);
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (!has(leader.in_sync, k)) continue;
        Plane& plane = world.keepers[k].planes[live_pair(world, k)->plane];
        plane.pending = both(pending, has_bug(Bug::pending_not_merged) ? 0 : plane.pending);
        clear(plane.pending, tree.dead);
        plane.term = std::max(plane.term, leader.term);
        leader.acknowledged[k] = version_on(world, k);
    }
    // At a start the data plane learns what the keepers remember.
    if (is_start) data.queued = both(data.queued, without(both(pending, tree.dead), data.final));
    const bool runs_again = is_start || !has_bug(Bug::lost_groups_not_run_again);
    leader.queue = both(leader.queue, both(pending, runs_again ? data.queued : Mask{0}));
    clear(leader.queue, tree.dead);
    leader.phase = Phase::running;
    leader.has_served = 1;
}

// What keeper k needs before the leader may serve; `serve`: nothing.
Verb Protocol::need_of(const World& world, const Leader& leader, Index head, unsigned k) const {
    const Version& tree = world.versions[head];
    if (!has(leader.opened, k)) return Verb::serve;
    if (!live_pair(world, k)) return has(tree.active, k) ? Verb::begin_copy : Verb::serve;
    const bool is_served = has(tree.active, k) || has_bug(Bug::copy_to_unregistered);
    const Index own = version_on(world, k);
    if (own == head) return Verb::serve;
    if (is_on_chain(world, own, head)) return is_served ? Verb::begin_catch_up : Verb::serve;
    // On another way: first what is dead there, then a full copy.
    const bool is_united =
        contains(tree.dead, world.versions[own].dead) || has_bug(Bug::resync_without_union);
    if (!is_united) return Verb::begin_merge;
    return is_served ? Verb::begin_copy : Verb::serve;
}

// The newest tree, punctured by what is dead in keeper k's, above every epoch there was: a copy
// that is cut off between its k2 and k3 must win over the old pair.
void Protocol::begin_merge(World& world, unsigned number, unsigned newest, unsigned k) const {
    const Mask whole = whole_keepers(world, world.leaders[number]);
    const Index head = version_on(world, newest);
    const Version& fork = world.versions[version_on(world, k)];
    Version merged = world.versions[head];
    merged.parent = head;
    merged.dead = both(merged.dead, fork.dead);
    Mask keepers = bit(newest);
    for (unsigned other = 0; other < kKeeperCount; ++other) {
        if (!has(whole, other)) continue;
        const Index own = version_on(world, other);
        merged.epoch = std::max(merged.epoch, world.versions[own].epoch);
        merged.term = std::max(merged.term, world.versions[own].term);
        if (own == head && has(registered(world.versions[head]), other)) set(keepers, other);
    }
    ++merged.epoch;
    begin(world, number, Task::merge, add_version(world, merged), keepers);
    world.leaders[number].operation.keeper = static_cast<Index>(newest);
}

// Whole keepers that take no part: who comes and says that one in use was expelled, who was
// expelled, and who is not on the newest's list.
Mask Protocol::distrusted(const World& world, const Leader& leader, Mask whole) const {
    if (has_bug(Bug::copy_to_unregistered) || has_bug(Bug::trust_the_expelled)) return 0;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (!has(whole, k) || has(leader.in_sync, k)) continue;
        if ((world.versions[version_on(world, k)].expelled & leader.in_sync) != 0) return bit(k);
    }
    const std::optional<Verdict> verdict = judge(world, whole);
    if (verdict->expelled != 0) return verdict->expelled;
    if (has_bug(Bug::list_after_copy)) return 0;
    return without(whole, registered(world.versions[version_on(world, verdict->newest)]));
}

// Anchors of the expelled go, but not while a new keeper waits for its copy.
bool Protocol::retire(const World& world, unsigned number, Index head, Emit emit) const {
    const Leader& leader = world.leaders[number];
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        const bool is_filled =
            has(leader.opened, k) && live_pair(world, k) && version_on(world, k) == head;
        if (has(world.versions[head].joining, k) && !is_filled) return false;
    }
    const Mask there = static_cast<Mask>(leader.forgotten & reachable(world, number));
    if (there == 0) return false;
    const unsigned k = lowest(there);
    World next = world;
    next.keepers[k] = {};
    next.keepers[k].is_lost = 1;
    clear(next.leaders[number].forgotten, bit(k));
    emit({Verb::retire, static_cast<Index>(number), static_cast<Index>(k)}, next);
    return true;
}

void Protocol::reconcile(const World& world, unsigned number, Emit emit) const {
    const Leader& leader = world.leaders[number];
    const auto self = static_cast<Index>(number);
    World next = world;
    const Mask whole = whole_keepers(world, leader);
    const std::optional<Verdict> verdict = judge(world, whole);
    if (!verdict) {
        next.leaders[number].phase = Phase::running;
        next.leaders[number].in_sync = 0;
        if (leader.has_served == 0) stop(next, number);
        emit({Verb::give_up, self, kNone}, next);
        return;
    }
    if (const Mask closed = distrusted(world, leader, whole); closed != 0) {
        Leader& judging = next.leaders[number];
        judging.owned = without(leader.owned, closed);
        judging.opened = without(leader.opened, closed);
        judging.in_sync = without(leader.in_sync, closed);
        judging.refused = both(leader.refused, closed);
        judging.forgotten = both(leader.forgotten, closed & verdict->expelled);
        emit({Verb::refuse_expelled, self, static_cast<Index>(lowest(closed))}, next);
        return;
    }
    const unsigned newest =
        has_bug(Bug::trust_the_expelled) ? newest_of(world, whole) : verdict->newest;
    const Index head = version_on(world, newest);
    // Those on the chain first, so that a merge finds them in sync.
    for (const Verb verb : {Verb::begin_catch_up, Verb::begin_merge, Verb::begin_copy}) {
        for (unsigned k = 0; k < kKeeperCount; ++k) {
            if (need_of(world, leader, head, k) != verb) continue;
            if (verb == Verb::begin_catch_up) begin(next, number, Task::catch_up, head, bit(k));
            if (verb == Verb::begin_merge) begin_merge(next, number, newest, k);
            if (verb == Verb::begin_copy) begin(next, number, Task::copy, head, bit(k));
            emit({verb, self, static_cast<Index>(k)}, next);
            return;
        }
    }
    if (retire(world, number, head, emit)) return;
    serve(next, number, newest);
    emit({Verb::serve, self, static_cast<Index>(newest)}, next);
}

}  // namespace oubliette::model
