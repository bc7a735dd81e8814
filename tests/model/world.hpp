#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

// The state of the model: what is on every disk, what leaders hold in memory, and a little history
// that the properties need. README.md says what each part stands for. Bytes only, so that a state
// is its own fingerprint's input.

namespace oubliette::model {

using Mask = std::uint8_t;  // bit i: keeper i, or the leaf that request i erases
using Index = std::uint8_t;

inline constexpr unsigned kKeeperCount = 3;
inline constexpr unsigned kLeaderCount = 2;
inline constexpr unsigned kRequestCount = 2;
inline constexpr unsigned kVersionCount = 16;
inline constexpr Index kNone = 0xFF;

[[nodiscard]] constexpr Mask bit(unsigned i) {
    return static_cast<Mask>(1U << i);
}
[[nodiscard]] constexpr bool has(Mask mask, unsigned i) {
    return (mask >> i & 1U) != 0;
}
constexpr void set(Mask& mask, unsigned i) {
    mask = static_cast<Mask>(mask | bit(i));
}
constexpr void clear(Mask& mask, Mask bits) {
    mask = static_cast<Mask>(mask & ~bits);
}
[[nodiscard]] constexpr Mask both(Mask a, Mask b) {
    return static_cast<Mask>(a | b);
}
[[nodiscard]] constexpr Mask without(Mask a, Mask b) {
    return static_cast<Mask>(a & ~b);
}
[[nodiscard]] constexpr bool contains(Mask all, Mask part) {
    return without(part, all) == 0;
}
[[nodiscard]] constexpr unsigned lowest(Mask mask) {
    return static_cast<unsigned>(__builtin_ctz(mask));
}

// One root slot, and what its hash commits to. Every preparation of a change draws fresh page keys,
// so two preparations are two versions, whatever they do.
struct Version {
    Index parent = kNone;
    std::uint8_t epoch = 0;
    std::uint8_t term = 0;
    Mask dead = 0;
    Mask joining = 0;
    Mask active = 0;
    Mask expelled = 0;
};

// A slot of a cell: random bytes, or an anchor. An anchor was made for one root record, of one
// version in one plane directory; `serial` tells two anchors for the same version apart.
struct Slot {
    Index version = kNone;
    std::uint8_t serial = 0;
    friend bool operator==(const Slot&, const Slot&) = default;
};

// A plane directory: its root record (under which anchor) and the rows beside the tree.
struct Plane {
    Slot root;
    Mask pending = 0;
    std::uint8_t term = 0;
};

struct Keeper {
    std::array<Slot, 2> slots{};
    std::array<Plane, 2> planes{};  // [1]: the one that a rebuild makes beside the other
    Index host = kNone;             // the leader that reaches it; kNone: away
    std::uint8_t is_lost = 0;
};

enum class Task : std::uint8_t { none, group, merge, catch_up, copy, pending };

// What a leader is doing to keepers, one after another.
struct Operation {
    Task task = Task::none;
    Index version = kNone;
    Index keeper = kNone;
    std::uint8_t step = 0;      // index into the order of steps
    std::uint8_t slot = 0;      // of the new anchor
    Mask todo = 0;              // keepers, with the present one
    std::uint8_t is_first = 0;  // no keeper has acknowledged yet
};

enum class Phase : std::uint8_t { off, opening, reconciling, running };

// A process. All of it but the data plane is memory.
struct Leader {
    Phase phase = Phase::off;
    std::uint8_t has_served = 0;  // reached `running` since it started
    Mask owned = 0;               // keepers it holds open
    Mask opened = 0;              // of those, recovered
    Mask in_sync = 0;
    Mask refused = 0;    // closed until the next start
    Mask forgotten = 0;  // of those: expelled, and their anchors are to be overwritten
    Mask queue = 0;      // requests to run; they answer "dead"
    Index head = kNone;
    std::uint8_t term = 0;
    std::array<Index, kKeeperCount> acknowledged{kNone, kNone, kNone};
    Operation operation;
};

// Queue rows and final rows.
struct DataPlane {
    Mask queued = 0;
    Mask final = 0;
};

struct World {
    std::array<Version, kVersionCount> versions{};
    std::array<Keeper, kKeeperCount> keepers{};
    std::array<Leader, kLeaderCount> leaders{};
    std::array<DataPlane, kLeaderCount> data{};

    // History: what was promised to a client, which must hold for ever.
    Mask recorded = 0;  // answered
    Mask final = 0;
    std::array<Mask, kRequestCount> expelled_at_final{};

    std::uint8_t is_split = 0;  // leader 1 reaches some keepers
    std::uint8_t faults_left = 0;
    std::uint8_t changes_left = 0;  // of the membership
};
static_assert(std::has_unique_object_representations_v<World>);

// ---- What can be read off a state ----

// The pair (slot, plane directory) that opens; of two the one that recovery takes.
struct Pair {
    unsigned slot;
    unsigned plane;
};
[[nodiscard]] std::optional<Pair> live_pair(const World& world, unsigned keeper);
// REQUIRES: a pair opens.
[[nodiscard]] Index version_on(const World& world, unsigned keeper);
// What a keeper durably knows to be erased: dead in its tree, or pending. 0 if no pair opens.
[[nodiscard]] Mask known_to(const World& world, unsigned keeper);

[[nodiscard]] inline Mask registered(const Version& version) {
    return both(version.joining, version.active);
}
// True if `later` is `earlier`, or was built on it.
[[nodiscard]] bool is_on_chain(const World& world, Index earlier, Index later);

// ---- Changing it ----

[[nodiscard]] Index add_version(World& world, const Version& version);
// Drops versions that nothing refers to, so that states that differ in nothing else are one.
void forget_unused_versions(World& world);

[[nodiscard]] std::string text_of(const World& world, unsigned keeper);

}  // namespace oubliette::model
