#include "tests/model/protocol.hpp"

// What must hold after every step. README.md says it in words.

namespace oubliette::model {
namespace {

// The adversary: every cell there is, and every page and root record that was ever written. An
// anchor opens the one root it was made for, and with it every leaf that was alive in it.
bool opens_what_is_final(const World& world) {
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        for (const Slot& slot : world.keepers[k].slots) {
            if (slot.version == kNone) continue;
            const Version& root = world.versions[slot.version];
            Mask alive = without(world.final, root.dead);
            for (unsigned r = 0; r < kRequestCount; ++r) {
                // The receipt says that an expelled keeper was not asked. That covers what it had
                // then, and nothing that it got afterwards.
                if (has(world.expelled_at_final[r], k) && !has(root.expelled, k)) {
                    clear(alive, bit(r));
                }
            }
            if (alive != 0) return true;
        }
    }
    return false;
}

const char* keeper_violation(const World& from, const World& to) {
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (to.keepers[k].is_lost != 0) continue;
        if (live_pair(from, k) && !live_pair(to, k)) return "a keeper was lost to a crash";
        if (!contains(known_to(to, k), known_to(from, k))) {
            return "a keeper forgot an erasure that it knew";
        }
    }
    return nullptr;
}

// A request is final now: every registered keeper must be on that group's chain. If somebody was
// expelled who lives, another leader may have moved a keeper to its own chain since; then it must
// be dead there too.
bool is_final_everywhere(const World& world, const Leader& leader, unsigned request) {
    Index group = leader.head;
    while (world.versions[group].parent != kNone &&
           has(world.versions[world.versions[group].parent].dead, request)) {
        group = world.versions[group].parent;
    }
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (world.keepers[k].is_lost != 0 || !has(registered(world.versions[leader.head]), k)) {
            continue;
        }
        if (!live_pair(world, k)) return false;
        const Index own = version_on(world, k);
        const bool is_split = world.versions[leader.head].expelled != 0;
        const bool is_good =
            is_split ? has(world.versions[own].dead, request) : is_on_chain(world, group, own);
        if (!is_good) return false;
    }
    return true;
}

bool serves_what_is_erased(const World& world, unsigned number) {
    const Leader& leader = world.leaders[number];
    if (leader.phase != Phase::running || leader.in_sync == 0) return false;
    Mask known = world.data[number].queued;
    for (unsigned k = 0; k < kKeeperCount; ++k) {
        if (has(leader.in_sync, k)) known = both(known, known_to(world, k));
    }
    // While a group runs, the first keepers are ahead of the tree that is served; its requests are
    // still in the queue.
    return !contains(both(leader.queue, world.versions[leader.head].dead), known);
}

}  // namespace

const char* violation_of(const World& from, const World& to) {
    if (opens_what_is_final(to)) return "a cell opens a root in which a final erasure is alive";
    if (const char* const violated = keeper_violation(from, to)) return violated;
    for (unsigned l = 0; l < kLeaderCount; ++l) {
        for (unsigned r = 0; r < kRequestCount; ++r) {
            const bool is_new = has(to.data[l].final, r) && !has(from.data[l].final, r);
            if (is_new && !is_final_everywhere(to, to.leaders[l], r)) {
                return "final, and a registered keeper is on another hash";
            }
        }
        if (serves_what_is_erased(to, l)) return "a leader serves what is known to be erased";
    }
    Mask known = 0;
    for (unsigned k = 0; k < kKeeperCount; ++k) known = both(known, known_to(to, k));
    if (!contains(known, without(to.recorded, from.recorded))) {
        return "an erasure was answered that no keeper knows";
    }
    return nullptr;
}

}  // namespace oubliette::model
