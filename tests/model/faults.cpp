#include "tests/model/protocol.hpp"

// Everything that nobody asked for, and the order of the parts of a step.

namespace oubliette::model {

Mask reachable(const World& world, unsigned leader) {
    Mask out = 0;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (world.keepers[k].host == leader && world.keepers[k].is_lost == 0) set(out, k);
    }
    return out;
}

void stop(World& world, unsigned leader) {
    world.leaders[leader] = {};
}

void take_out(World& world, unsigned number, unsigned keeper) {
    Leader& leader = world.leaders[number];
    clear(leader.owned, bit(keeper));
    clear(leader.opened, bit(keeper));
    clear(leader.in_sync, bit(keeper));
    Operation& operation = leader.operation;
    if (operation.task == Task::none) return;
    if (operation.keeper != keeper) {
        clear(operation.todo, bit(keeper));
        return;
    }
    // A merge begins with the newest keeper; without it everything is looked at again.
    const bool is_over = operation.task == Task::merge && operation.is_first != 0;
    if (is_over) {
        operation = {};
    } else {
        next_keeper(operation);
    }
}

namespace {

// The keeper goes from its host to `host`.
void move_keeper(World& world, unsigned keeper, Index host) {
    Keeper& moved = world.keepers[keeper];
    if (moved.host != kNone) take_out(world, moved.host, keeper);
    moved.host = host;
}

bool is_blank(const Keeper& keeper) {
    return keeper.planes[0].root.version == kNone && keeper.slots[0].version == kNone &&
           keeper.slots[1].version == kNone;
}

}  // namespace

void Protocol::leader_faults(const World& world, unsigned number, Emit emit) const {
    const Leader& leader = world.leaders[number];
    if (leader.phase == Phase::off) return;
    const auto self = static_cast<Index>(number);
    World next = world;
    --next.faults_left;
    if (next_is_cell_write(world, number)) {
        World torn = next;
        const Operation& operation = leader.operation;
        Keeper& keeper = torn.keepers[operation.keeper];
        const Verb verb = steps_of(operation.task)[operation.step];
        if (has_bug(Bug::both_slots_in_one_write)) {
            keeper.slots = {};
        } else {
            keeper.slots[verb == Verb::overwrite ? 1 - operation.slot : operation.slot] = {};
        }
        stop(torn, number);
        emit({Verb::tear, self, operation.keeper}, torn);
    }
    if (leader.phase == Phase::running && leader.operation.task == Task::none &&
        leader.queue != 0 && leader.in_sync != 0) {
        // The group cannot be prepared (a damaged page, too large, no memory).
        World pending = next;
        begin(pending, number, Task::pending, kNone, leader.in_sync);
        emit({Verb::begin_pending, self, kNone}, pending);
    }
    stop(next, number);
    emit({Verb::crash, self, kNone}, next);
}

void Protocol::world_steps(const World& world, Emit emit) const {
    if (world.is_split != 0) {
        World next = world;
        next.is_split = 0;
        next.data[1] = {};
        for (unsigned k = 0; k < kKeeperCount; ++k) {
            if (next.keepers[k].host == 1) move_keeper(next, k, 0);
        }
        stop(next, 1);
        emit({Verb::heal, kNone, kNone}, next);
    }
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        const Keeper& keeper = world.keepers[k];
        if (keeper.is_lost != 0 || keeper.host != kNone) continue;
        for (Index host = 0; host <= world.is_split; ++host) {
            World next = world;
            next.keepers[k].host = host;
            emit({Verb::mount, host, static_cast<Index>(k)}, next);
        }
    }
    if (world.faults_left == 0) return;
    World faulty = world;
    --faulty.faults_left;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        const auto subject = static_cast<Index>(k);
        const Keeper& keeper = world.keepers[k];
        if (keeper.is_lost != 0 || is_blank(keeper)) continue;
        if (keeper.host != kNone) {
            World next = faulty;
            move_keeper(next, k, kNone);
            emit({Verb::unmount, keeper.host, subject}, next);
        }
        if (configuration_.may_lose_keepers) {
            World next = faulty;
            move_keeper(next, k, kNone);
            next.keepers[k] = {};
            next.keepers[k].is_lost = 1;
            emit({Verb::lose, kNone, subject}, next);
        }
    }
    if (configuration_.may_split && world.is_split == 0) {
        for (unsigned k = 0; k < kKeeperCount; ++k) {
            if (world.keepers[k].is_lost != 0 || is_blank(world.keepers[k])) continue;
            World next = faulty;
            next.is_split = 1;
            move_keeper(next, k, 1);
            emit({Verb::split, 1, static_cast<Index>(k)}, next);
        }
    }
    if (world.data[0].queued != 0 || world.data[0].final != 0) {
        World next = faulty;
        stop(next, 0);
        next.data[0] = {};
        emit({Verb::restore_data, 0, kNone}, next);
    }
}

World Protocol::initial() const {
    World world;
    Version founded;
    founded.epoch = 1;
    founded.term = 1;
    for (unsigned k = 0; k < configuration_.keepers; ++k) set(founded.active, k);
    const Index version = add_version(world, founded);
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        Keeper& keeper = world.keepers[k];
        if (k < configuration_.keepers) {
            keeper.slots[0] = {version, 0};
            keeper.planes[0].root = keeper.slots[0];
            keeper.planes[0].term = 1;
            keeper.host = 0;
        } else if (configuration_.membership_changes > 0) {
            keeper.host = 0;
        } else {
            keeper.is_lost = 1;
        }
    }
    world.faults_left = static_cast<std::uint8_t>(configuration_.faults);
    world.changes_left = static_cast<std::uint8_t>(configuration_.membership_changes);
    return world;
}

void Protocol::successors(const World& world, Emit emit) const {
    const auto tidy = [&](const Action& action, const World& next) {
        World compact = next;
        forget_unused_versions(compact);
        emit(action, compact);
    };
    for (unsigned l = 0; l < kLeaderCount; ++l) {
        const Leader& leader = world.leaders[l];
        if (leader.phase == Phase::off) {
            if (reachable(world, l) == 0) continue;
            World next = world;
            next.leaders[l].phase = Phase::opening;
            next.leaders[l].owned = reachable(world, l);
            tidy({Verb::start, static_cast<Index>(l), kNone}, next);
            continue;
        }
        if (leader.operation.task != Task::none) {
            step(world, l, tidy);
        } else if (leader.phase == Phase::running) {
            run(world, l, tidy);
        } else if (leader.opened != leader.owned) {
            recover(world, l, tidy);
        } else {
            reconcile(world, l, tidy);
        }
        if (world.faults_left > 0) leader_faults(world, l, tidy);
    }
    world_steps(world, tidy);
}

}  // namespace oubliette::model
