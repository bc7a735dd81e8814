#include <algorithm>

#include "crypto/assert.hpp"
#include "tests/model/protocol.hpp"

// k0 to k4, a rebuild, and recovery: everything that changes a keeper's disk.

namespace oubliette::model {
namespace {

constexpr Verb kAdvance[] = {Verb::check, Verb::write_anchor, Verb::commit, Verb::overwrite,
                             Verb::acknowledge};
constexpr Verb kEraseFirst[] = {Verb::check, Verb::write_anchor, Verb::overwrite, Verb::commit,
                                Verb::acknowledge};
constexpr Verb kAcknowledgeFirst[] = {Verb::check, Verb::write_anchor, Verb::commit,
                                      Verb::acknowledge, Verb::overwrite};
constexpr Verb kRebuild[] = {Verb::check,     Verb::write_anchor, Verb::commit,
                             Verb::overwrite, Verb::unlink,       Verb::acknowledge};
constexpr Verb kPending[] = {Verb::write_pending};

// The smallest number that tells the new anchor from all there are in this keeper.
std::uint8_t fresh_serial(const Keeper& keeper, Index version) {
    for (std::uint8_t serial = 0;; ++serial) {
        const Slot anchor{version, serial};
        const bool is_taken = keeper.slots[0] == anchor || keeper.slots[1] == anchor ||
                              keeper.planes[0].root == anchor || keeper.planes[1].root == anchor;
        if (!is_taken) return serial;
    }
}

// Requests that a keeper of this leader has as pending, and the highest term of any.
Plane merged_memory(const World& world, const Leader& leader) {
    Plane memory;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        const std::optional<Pair> pair = live_pair(world, k);
        if (!pair || !has(leader.opened, k)) continue;
        const Plane& plane = world.keepers[k].planes[pair->plane];
        memory.pending = both(memory.pending, plane.pending);
        memory.term = std::max(memory.term, plane.term);
    }
    return memory;
}

// Nobody leaves the list, and who was expelled stays expelled.
bool permits_members(const Version& before, const Version& after) {
    const Mask all = both(registered(after), after.expelled);
    return contains(after.expelled, before.expelled) && contains(all, registered(before)) &&
           contains(both(after.active, after.expelled), before.active);
}

void commit(World& world, const Leader& leader) {
    const Operation& operation = leader.operation;
    Keeper& keeper = world.keepers[operation.keeper];
    const Slot anchor = keeper.slots[operation.slot];
    const std::optional<Pair> pair = live_pair(world, operation.keeper);
    const Mask dead = world.versions[operation.version].dead;
    if (operation.task == Task::copy) {
        Plane plane = merged_memory(world, leader);
        plane.root = anchor;
        clear(plane.pending, dead);
        keeper.planes[1] = plane;
        return;
    }
    Plane& plane = keeper.planes[pair ? pair->plane : 0];
    plane.root = anchor;
    clear(plane.pending, dead);
}

}  // namespace

std::span<const Verb> Protocol::steps_of(Task task) const {
    if (task == Task::pending) return kPending;
    if (task == Task::copy) return kRebuild;
    if (has_bug(Bug::erase_before_commit)) return kEraseFirst;
    if (has_bug(Bug::acknowledge_before_erase)) return kAcknowledgeFirst;
    return kAdvance;
}

// k0. A catch-up spans several epochs, a group one.
bool Protocol::is_change_fitting(const World& world, const Operation& operation) const {
    if (operation.task == Task::copy) return true;
    if (!live_pair(world, operation.keeper)) return false;
    const Index own = version_on(world, operation.keeper);
    const Version& next = world.versions[operation.version];
    if (next.term < world.versions[own].term) return false;
    if (!permits_members(world.versions[own], next)) return false;
    if (operation.task == Task::catch_up) return is_on_chain(world, own, operation.version);
    return next.parent == own;
}

bool Protocol::next_is_cell_write(const World& world, unsigned leader) const {
    const Operation& operation = world.leaders[leader].operation;
    if (operation.task == Task::none) return false;
    const Verb next = steps_of(operation.task)[operation.step];
    return next == Verb::write_anchor || next == Verb::overwrite;
}

// Chooses the slot of the new anchor. A keeper that nothing opens has no use for what is in its
// cell.
void Protocol::choose_slot(World& world, Operation& operation) const {
    const std::optional<Pair> pair = live_pair(world, operation.keeper);
    if (!pair) world.keepers[operation.keeper].slots = {};
    const unsigned other = pair ? 1 - pair->slot : 0;
    const bool is_staged = !pair || !has_bug(Bug::no_staging);
    operation.slot = static_cast<std::uint8_t>(is_staged ? other : pair->slot);
}

// The verbs that write to the keeper of the operation.
void Protocol::write(World& world, unsigned number, Verb verb) const {
    Leader& leader = world.leaders[number];
    Operation& operation = leader.operation;
    Keeper& keeper = world.keepers[operation.keeper];
    if (verb == Verb::write_anchor) {
        const std::uint8_t serial = fresh_serial(keeper, operation.version);
        keeper.slots[operation.slot] = {operation.version, serial};
    }
    if (verb == Verb::commit) commit(world, leader);
    if (verb == Verb::overwrite) keeper.slots[1 - operation.slot] = {};
    if (verb == Verb::unlink) keeper.planes = {keeper.planes[1], Plane{}};
    if (verb == Verb::write_pending) {
        Plane& plane = keeper.planes[live_pair(world, operation.keeper)->plane];
        plane.pending = both(plane.pending, leader.queue);
    }
}

void Protocol::step(const World& world, unsigned number, Emit emit) const {
    World next = world;
    Leader& leader = next.leaders[number];
    Operation& operation = leader.operation;
    const Index keeper = operation.keeper;
    const std::span<const Verb> steps = steps_of(operation.task);
    const Verb verb = steps[operation.step++];
    if (verb == Verb::check && !is_change_fitting(world, operation)) {
        take_out(next, number, keeper);
        emit({Verb::refuse, static_cast<Index>(number), keeper}, next);
        return;
    }
    if (verb == Verb::check) choose_slot(next, operation);
    write(next, number, verb);
    if (verb == Verb::acknowledge) take_over(next, number);
    if (operation.step == steps.size()) {
        const Task task = operation.task;
        if (task == Task::copy && leader.phase == Phase::running) set(leader.in_sync, keeper);
        next_keeper(operation);
        if (task == Task::pending && operation.task == Task::none) {
            next.recorded = both(next.recorded, leader.queue & next.data[number].queued);
        }
    }
    emit({verb, static_cast<Index>(number), keeper}, next);
}

// One durable step of opening a keeper, or that it is open.
void Protocol::recover(const World& world, unsigned number, Emit emit) const {
    World next = world;
    Leader& leader = next.leaders[number];
    const unsigned k = lowest(without(leader.owned, leader.opened));
    Keeper& keeper = next.keepers[k];
    Action action{Verb::recover_done, static_cast<Index>(number), static_cast<Index>(k)};
    const std::optional<Pair> pair = live_pair(world, k);
    const bool must_overwrite = pair && keeper.slots[1 - pair->slot].version != kNone &&
                                !has_bug(Bug::keep_both_on_recovery);
    if (must_overwrite) {
        keeper.slots[1 - pair->slot] = {};
        action.verb = Verb::recover_overwrite;
    } else if (pair && keeper.planes[1].root.version != kNone) {
        keeper.planes = {keeper.planes[pair->plane], Plane{}};
        action.verb = Verb::recover_unlink;
    } else {
        set(leader.opened, k);
        if (leader.opened == leader.owned) leader.phase = Phase::reconciling;
    }
    emit(action, next);
}

}  // namespace oubliette::model
