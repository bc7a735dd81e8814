#include <algorithm>

#include "tests/model/protocol.hpp"

// A leader that serves: groups, what it reports, and the membership.

namespace oubliette::model {
namespace {

Version next_version(const World& world, const Leader& leader) {
    Version version = world.versions[leader.head];
    version.parent = leader.head;
    version.epoch = static_cast<std::uint8_t>(version.epoch + 1);
    version.term = leader.term;
    return version;
}

void begin_version(World& world, unsigned number, const Version& version) {
    begin(world, number, Task::group, add_version(world, version), world.leaders[number].in_sync);
}

}  // namespace

void next_keeper(Operation& operation) {
    clear(operation.todo, bit(operation.keeper));
    if (operation.todo == 0) {
        operation = {};
        return;
    }
    operation.keeper = static_cast<Index>(lowest(operation.todo));
    operation.step = 0;
    operation.slot = 0;
}

void begin(World& world, unsigned number, Task task, Index version, Mask keepers) {
    Operation& operation = world.leaders[number].operation;
    operation.task = task;
    operation.version = version;
    operation.todo = keepers;
    operation.keeper = static_cast<Index>(lowest(keepers));
    operation.is_first = 1;
}

// An acknowledgement has come. With the first one of a group the change is the tree.
void Protocol::take_over(World& world, unsigned number) const {
    Leader& leader = world.leaders[number];
    Operation& operation = leader.operation;
    operation.is_first = 0;
    if (leader.phase != Phase::running) return;  // reconciling finds it on the disk
    leader.acknowledged[operation.keeper] = operation.version;
    if (operation.task != Task::group || leader.head == operation.version) return;
    leader.head = operation.version;
    const Mask dead = world.versions[leader.head].dead;
    world.recorded = both(world.recorded, dead & world.data[number].queued);
    clear(leader.queue, dead);
}

bool Protocol::is_acknowledged(const World& world, const Leader& leader, unsigned request) const {
    const Version& head = world.versions[leader.head];
    if (!has(head.dead, request)) return false;
    Index group = leader.head;  // the one that made it dead
    while (world.versions[group].parent != kNone &&
           has(world.versions[world.versions[group].parent].dead, request)) {
        group = world.versions[group].parent;
    }
    const Mask counted = has_bug(Bug::joining_do_not_count) ? head.active : registered(head);
    unsigned missing = 0;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (!has(counted, k)) continue;
        const Index own = leader.acknowledged[k];
        const bool is_there =
            own != kNone &&
            (has_bug(Bug::acknowledge_by_epoch)
                 ? world.versions[own].epoch >= world.versions[group].epoch
                 : is_on_chain(world, group, own) && is_on_chain(world, own, leader.head));
        if (!is_there) ++missing;
    }
    return missing <= (has_bug(Bug::quorum_finality) ? 1U : 0U);
}

// A new keeper gets its first page once every active one has acknowledged a version that lists it.
bool Protocol::may_copy_to(const World& world, const Leader& leader, unsigned keeper) const {
    if (has_bug(Bug::copy_before_listing_is_acknowledged)) return true;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (!has(world.versions[leader.head].active, k)) continue;
        const Index own = leader.acknowledged[k];
        if (own == kNone || !has(registered(world.versions[own]), keeper)) return false;
        if (!is_on_chain(world, own, leader.head)) return false;
    }
    return true;
}

void Protocol::manage_members(const World& world, unsigned number, Emit emit) const {
    const Leader& leader = world.leaders[number];
    const Version head = world.versions[leader.head];
    const auto change = [&](Verb verb, unsigned k, const Version& version, unsigned price) {
        if (world.changes_left < price) return;
        World next = world;
        next.changes_left = static_cast<std::uint8_t>(next.changes_left - price);
        begin_version(next, number, version);
        emit({verb, static_cast<Index>(number), static_cast<Index>(k)}, next);
    };
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        Version version = next_version(world, leader);
        if (has(head.joining, k) && has(leader.in_sync, k)) {
            clear(version.joining, bit(k));
            set(version.active, k);
            change(Verb::activate, k, version, 0);
        } else if (has(registered(head), k)) {
            if (has(leader.in_sync, k)) continue;
            clear(version.joining, bit(k));
            clear(version.active, bit(k));
            set(version.expelled, k);
            if (registered(version) != 0) change(Verb::expel, k, version, 1);
        } else if (has(leader.opened, k) && !has(head.expelled, k)) {
            // An empty one; who was expelled does not come back.
            const bool is_copied = live_pair(world, k) && version_on(world, k) == leader.head;
            set(version.joining, k);
            if (has_bug(Bug::list_after_copy) ? is_copied : !live_pair(world, k)) {
                change(Verb::enrol, k, version, 1);
            }
        }
    }
    // Copies to those that join.
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (!has(leader.opened, k) || has(leader.in_sync, k)) continue;
        const bool is_early =
            has_bug(Bug::list_after_copy) && !has(registered(head), k) && world.changes_left > 0;
        if (!is_early && !(has(head.joining, k) && may_copy_to(world, leader, k))) continue;
        World next = world;
        begin(next, number, Task::copy, leader.head, bit(k));
        emit({Verb::begin_copy, static_cast<Index>(number), static_cast<Index>(k)}, next);
    }
}

void Protocol::run(const World& world, unsigned number, Emit emit) const {
    const Leader& leader = world.leaders[number];
    const DataPlane& data = world.data[number];
    const auto self = static_cast<Index>(number);
    for (unsigned r = 0; r < configuration_.requests; ++r) {
        const Mask known = both(both(data.queued, data.final), leader.queue);
        if (has(known, r) || has(world.versions[leader.head].dead, r)) continue;
        World next = world;
        set(next.data[number].queued, r);
        set(next.leaders[number].queue, r);
        emit({Verb::accept, self, static_cast<Index>(r)}, next);
    }
    for (unsigned r = 0; r < configuration_.requests; ++r) {
        if (!has(data.queued, r) || !is_acknowledged(world, leader, r)) continue;
        World next = world;
        clear(next.data[number].queued, bit(r));
        set(next.data[number].final, r);
        if (!has(world.final, r)) {
            set(next.final, r);
            next.expelled_at_final[r] = world.versions[leader.head].expelled;
        }
        emit({Verb::finalise, self, static_cast<Index>(r)}, next);
    }
    if (const Mask back = without(without(reachable(world, number), leader.owned), leader.refused);
        back != 0) {
        World next = world;
        next.leaders[number].owned = both(leader.owned, back);
        next.leaders[number].phase = Phase::opening;
        emit({Verb::reopen, self, kNone}, next);
    }
    if (leader.in_sync == 0) return;
    if (leader.queue != 0) {
        World next = world;
        Version version = next_version(world, leader);
        version.dead = both(version.dead, leader.queue);
        begin_version(next, number, version);
        if (has_bug(Bug::answer_before_durable)) {
            next.recorded = both(next.recorded, leader.queue & data.queued);
        }
        emit({Verb::begin_group, self, kNone}, next);
    }
    manage_members(world, number, emit);
}

}  // namespace oubliette::model
