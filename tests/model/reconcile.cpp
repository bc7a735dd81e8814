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

// Members that only the fork lists: they may hold what it held.
Mask unlisted_members(const Version& fork, const Version& newest) {
    return without(registered(fork), both(registered(newest), newest.expelled));
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
    // On another way: first what is dead and registered there, then a full copy.
    const Version& fork = world.versions[own];
    const bool is_dead_here = contains(tree.dead, fork.dead) || has_bug(Bug::resync_without_union);
    const bool is_listed_here =
        unlisted_members(fork, tree) == 0 || has_bug(Bug::fork_members_forgotten);
    if (!is_dead_here || !is_listed_here) return Verb::begin_merge;
    return is_served ? Verb::begin_copy : Verb::serve;
}

// The newest tree, punctured by what is dead in keeper k's, above every epoch there was: a copy
// that is cut off between its k2 and k3 must win over the old pair.
void Protocol::begin_merge(World& world, unsigned number, unsigned newest, unsigned k) const {
    const Mask whole = whole_keepers(world, world.leaders[number]);
    const Index head = version_on(world, newest);
    const Version& fork = world.versions[version_on(world, k)];
    Version merged = world.versions[head];
    if (!has_bug(Bug::fork_members_forgotten)) {
        merged.joining = both(merged.joining, unlisted_members(fork, merged));
    }
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

void Protocol::reconcile(const World& world, unsigned number, Emit emit) const {
    const Leader& leader = world.leaders[number];
    const auto self = static_cast<Index>(number);
    World next = world;
    const Mask whole = whole_keepers(world, leader);
    if (whole == 0) {
        next.leaders[number].phase = Phase::running;
        next.leaders[number].in_sync = 0;
        if (leader.has_served == 0) stop(next, number);
        emit({Verb::give_up, self, kNone}, next);
        return;
    }
    const unsigned newest = newest_of(world, whole);
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
    serve(next, number, newest);
    emit({Verb::serve, self, static_cast<Index>(newest)}, next);
}

}  // namespace oubliette::model
