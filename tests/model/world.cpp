#include "tests/model/world.hpp"

#include "crypto/assert.hpp"

namespace oubliette::model {

std::optional<Pair> live_pair(const World& world, unsigned keeper) {
    const Keeper& on_disk = world.keepers[keeper];
    std::optional<Pair> live;
    unsigned best = 0;
    for (unsigned plane = 0; plane < 2; ++plane) {
        const Slot& root = on_disk.planes[plane].root;
        if (root.version == kNone) continue;
        for (unsigned slot = 0; slot < 2; ++slot) {
            if (on_disk.slots[slot] != root) continue;
            // Of two pairs the higher (epoch, directory) wins.
            const unsigned epoch = world.versions[root.version].epoch;
            if (live && best > epoch) continue;
            live = Pair{slot, plane};
            best = epoch;
        }
    }
    return live;
}

Index version_on(const World& world, unsigned keeper) {
    const std::optional<Pair> pair = live_pair(world, keeper);
    OBL_ASSERT(pair.has_value());
    return world.keepers[keeper].planes[pair->plane].root.version;
}

Mask known_to(const World& world, unsigned keeper) {
    const std::optional<Pair> pair = live_pair(world, keeper);
    if (!pair) return 0;
    const Plane& plane = world.keepers[keeper].planes[pair->plane];
    return both(world.versions[plane.root.version].dead, plane.pending);
}

bool is_on_chain(const World& world, Index earlier, Index later) {
    while (later != kNone && later != earlier) later = world.versions[later].parent;
    return later == earlier;
}

Index add_version(World& world, const Version& version) {
    for (Index i = 0; i < kVersionCount; ++i) {
        if (world.versions[i].epoch != 0) continue;
        world.versions[i] = version;
        return i;
    }
    OBL_ASSERT(!"kVersionCount is too small for this configuration");
    return kNone;
}

namespace {

// Calls `visit` with every place that names a version.
template <class Visit>
void for_each_reference(World& world, Visit visit) {
    for (Keeper& keeper : world.keepers) {
        for (Slot& slot : keeper.slots) visit(slot.version);
        for (Plane& plane : keeper.planes) visit(plane.root.version);
    }
    for (Leader& leader : world.leaders) {
        visit(leader.head);
        visit(leader.operation.version);
        for (Index& acknowledged : leader.acknowledged) visit(acknowledged);
    }
}

}  // namespace

void forget_unused_versions(World& world) {
    std::array<bool, kVersionCount> is_used{};
    for_each_reference(world, [&](const Index& version) {
        if (version != kNone) is_used[version] = true;
    });
    // A child's parent becomes the nearest ancestor that stays: what is on whose chain does not
    // change. Parents are older, so they stand before their children.
    std::array<Version, kVersionCount> kept{};
    std::array<Index, kVersionCount> moved{};
    Index count = 0;
    for (Index i = 0; i < kVersionCount; ++i) {
        if (!is_used[i]) continue;
        Version version = world.versions[i];
        while (version.parent != kNone && !is_used[version.parent]) {
            version.parent = world.versions[version.parent].parent;
        }
        if (version.parent != kNone) version.parent = moved[version.parent];
        moved[i] = count;
        kept[count++] = version;
    }
    world.versions = kept;
    for_each_reference(world, [&](Index& version) {
        if (version != kNone) version = moved[version];
    });
}

std::string text_of(const World& world, unsigned keeper) {
    const auto letters = [](Mask mask) {
        std::string text;
        for (unsigned i = 0; i < kRequestCount; ++i) {
            if (has(mask, i)) text += static_cast<char>('X' + i);
        }
        return text.empty() ? std::string{"-"} : text;
    };
    const auto version_text = [&](const Slot& slot) -> std::string {
        if (slot.version == kNone) return "-";
        const Version& version = world.versions[slot.version];
        return "e" + std::to_string(version.epoch) + "#" + std::to_string(slot.version) + "." +
               std::to_string(slot.serial) + "(dead " + letters(version.dead) + ")";
    };
    const Keeper& on_disk = world.keepers[keeper];
    std::string text = "k" + std::to_string(keeper + 1);
    if (on_disk.is_lost != 0) return text + " lost";
    if (on_disk.host == kNone) text += " away";
    text += " {" + version_text(on_disk.slots[0]) + ", " + version_text(on_disk.slots[1]) + "}";
    for (const Plane& plane : on_disk.planes) {
        if (plane.root.version == kNone) continue;
        text += " plane " + version_text(plane.root);
        if (plane.pending != 0) text += " pending " + letters(plane.pending);
    }
    return text;
}

}  // namespace oubliette::model
