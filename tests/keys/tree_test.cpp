#include <algorithm>

#include <catch2/catch.hpp>

#include "crypto/ggm.hpp"
#include "tests/keys/tree_support.hpp"
#include "vault/result.hpp"

using namespace oubliette;
using namespace oubliette::keys;

namespace {

const TenantId kTenant{7};

Path person(std::uint64_t index, std::uint64_t bank = 3) {
    return person_path(kTenant, SubjectNumber{bank << 24 | index});
}

// A naive map of 2^18 explicit keys: the nodes at 18 bits, three levels of pages down.
constexpr unsigned kNaiveBits = 18;
constexpr std::size_t kNaiveCount = std::size_t{1} << kNaiveBits;

struct NaiveMap {
    std::vector<crypto::Seed> keys;
    std::vector<bool> alive = std::vector<bool>(kNaiveCount, true);

    explicit NaiveMap(const MapTree& tree) {
        keys.push_back(tree.derive(Path{}).seed.duplicate());
        while (keys.size() < kNaiveCount) {
            std::vector<crypto::Seed> next(keys.size() * 2);
            for (std::size_t i = 0; i < keys.size(); ++i) {
                crypto::ggm_step(keys[i].expose(), next[2 * i].expose_mut(),
                                 next[2 * i + 1].expose_mut());
            }
            keys = std::move(next);
        }
    }
    void kill(std::size_t first, std::size_t count) {
        std::fill_n(alive.begin() + static_cast<std::ptrdiff_t>(first), count, false);
    }
    [[nodiscard]] static Path leaf(std::size_t i) { return Path{}.child(i, kNaiveBits); }
    [[nodiscard]] bool agrees(const MapTree& tree, std::size_t i) const {
        const Derived derived = tree.derive(leaf(i));
        if (!alive[i]) return derived.state == NodeState::dead;
        return derived.state == NodeState::whole &&
               copy_of(derived.seed.expose()) == copy_of(keys[i].expose());
    }
    // Whether all leaves below `path` agree, asking the tree for whole subtrees where it has them.
    [[nodiscard]] bool agrees_below(const MapTree& tree, const Path& path) const {
        const unsigned rest = kNaiveBits - path.bits();
        const std::size_t first = path.slice(0, path.bits()) << rest;
        const Derived derived = tree.derive(path);
        if (derived.state == NodeState::punctured) {
            return rest > 0 && agrees_below(tree, path.child(0, 1)) &&
                   agrees_below(tree, path.child(1, 1));
        }
        for (std::size_t i = 0; i < std::size_t{1} << rest; ++i) {
            if (alive[first + i] != (derived.state == NodeState::whole)) return false;
            if (!alive[first + i]) continue;
            const crypto::Seed leaf_key = crypto::ggm_descend(derived.seed.expose(), i, rest);
            if (copy_of(leaf_key.expose()) != copy_of(keys[first + i].expose())) return false;
        }
        return derived.state == NodeState::whole || derived.state == NodeState::dead;
    }
};

}  // namespace

TEST_CASE("derive agrees with a naive map of 2^18 keys after random punctures", "[tree]") {
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    MapTree tree = MapTree::untouched();
    NaiveMap naive{tree};
    for (const std::size_t batch : {1U, 40U, 700U, 2'000U}) {
        std::vector<Path> victims;
        for (std::size_t i = 0; i < batch; ++i) {
            const std::size_t leaf = random() % kNaiveCount;
            naive.kill(leaf, 1);
            victims.push_back(NaiveMap::leaf(leaf));
        }
        // A run of neighbours and an aligned range, so that nodes and whole pages fold.
        const std::size_t start = random() % (kNaiveCount - 200);
        naive.kill(start, 200);
        for (std::size_t i = start; i < start + 200; ++i) victims.push_back(NaiveMap::leaf(i));
        const std::size_t range = random() % (kNaiveCount / 1024);
        naive.kill(range * 1024, 1024);
        victims.push_back(Path{}.child(range, kNaiveBits - 10));
        REQUIRE(tree.puncture(victims));
        for (int i = 0; i < 2'000; ++i) CHECK(naive.agrees(tree, random() % kNaiveCount));
    }
    CHECK(naive.agrees_below(tree, Path{}));
}

TEST_CASE("4,096 scattered leaves fit one change and are dead after it", "[tree]") {
    std::mt19937_64 random{20261122};
    MapTree tree = MapTree::untouched();
    std::vector<Path> victims;
    for (int i = 0; i < 4'096; ++i) victims.push_back(person(random() % 262'144));
    victims = normalise(victims);
    REQUIRE(tree.puncture(victims));
    CHECK(std::all_of(victims.begin(), victims.end(),
                      [&](const Path& path) { return tree.state(path) == NodeState::dead; }));
}

TEST_CASE("a change of more than 4,096 pages is refused and a smaller one is not", "[tree]") {
    // One person in 64: each needs a page of its own at level 8.
    std::vector<Path> victims;
    for (std::uint64_t i = 0; i < 4'200; ++i) victims.push_back(person(i * 64));
    const MapTree tree = MapTree::untouched();
    CHECK_FALSE(tree.diff({victims, {}}));
    victims.resize(3'900);
    const auto diff = tree.diff({victims, {}});
    REQUIRE(diff);
    CHECK(diff->pages.size() <= kDiffPagesMax);
    CHECK(tree.accepts({victims, {}}, *diff));
}

// ---- History independence ----------------------------------------------------------------------

namespace {

// Addresses of all kinds, crowded enough to fold and to overlap.
std::vector<Path> mixed_victims(std::mt19937_64& random) {
    std::vector<Path> victims;
    for (int i = 0; i < 150; ++i) victims.push_back(person(random() % 512));
    for (int i = 0; i < 60; ++i) victims.push_back(person(random() % 4'096).prefix(48));
    for (std::uint64_t i = 0; i < 64; ++i) victims.push_back(person(8'192 + i));
    for (int i = 0; i < 120; ++i) {
        const std::uint32_t item = static_cast<std::uint32_t>(random() % kItemCountMax);
        victims.push_back(item_path(person(random() % 40), item));
        victims.push_back(item_path(person(random() % 40), item % 700));
    }
    for (unsigned i = 0; i < kImplicitMarkerCount; ++i) {
        victims.push_back(implicit_marker_path(person(20'000), i));
    }
    victims.push_back(system_recipient_path(kTenant, 1, 77));
    victims.push_back(system_path(kTenant, 1, 77, 5));
    victims.push_back(retention_path(kTenant, 2, 900));
    victims.push_back(bank_path(kTenant, AddressClass::handles, 9));
    victims.push_back(tenant_path(TenantId{8}));
    return victims;
}

MapTree puncture_in_batches(const crypto::Seed& seed, std::vector<Path> victims,
                            std::size_t batch_max, std::mt19937_64& random) {
    MapTree tree = MapTree::of_seed(seed.expose());
    REQUIRE(tree.change({{}, {bank_path(kTenant, AddressClass::people, 4)}}));
    std::shuffle(victims.begin(), victims.end(), random);
    for (std::size_t at = 0; at < victims.size();) {
        const std::size_t size = std::min(1 + random() % batch_max, victims.size() - at);
        const auto first = victims.begin() + static_cast<std::ptrdiff_t>(at);
        REQUIRE(tree.puncture({first, first + static_cast<std::ptrdiff_t>(size)}));
        at += size;
    }
    return tree;
}

}  // namespace

TEST_CASE("the shape does not depend on order or batches, nor do the living keys", "[tree]") {
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    const std::vector<Path> victims = mixed_victims(random);
    const crypto::Seed top = crypto::Seed::generate();
    const MapTree at_once = puncture_in_batches(top, victims, 1'000'000, random);
    const auto shape = shape_of(at_once);
    REQUIRE_FALSE(shape.empty());
    for (const std::size_t batch_max : {1U, 7U, 200U}) {
        const MapTree other = puncture_in_batches(top, victims, batch_max, random);
        CHECK(shape_of(other) == shape);
        // Nothing but the reachable pages is left behind: everything that folded was deleted.
        CHECK(other.pages.size() == shape.size());
        for (std::uint64_t i = 0; i < 600; ++i) {
            const Derived a = at_once.derive(person(i));
            const Derived b = other.derive(person(i));
            CHECK(a.state == b.state);
            CHECK(copy_of(a.seed.expose()) == copy_of(b.seed.expose()));
        }
    }
    for (const Path& victim : victims) CHECK(at_once.state(victim) == NodeState::dead);
}

TEST_CASE("puncturing what is dead rewrites the root page and nothing else", "[tree]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({person(1), item_path(person(2), 5)}));
    const auto before = shape_of(tree);
    const RootSlot old_root = tree.root.duplicate();
    const TreeChange again{normalise({person(1), item_path(person(1), 3), item_path(person(2), 5)}),
                           {}};
    const auto diff = tree.diff(again);
    REQUIRE(diff);
    CHECK(diff->pages.size() == 1);
    CHECK(diff->deletes.empty());
    CHECK(diff->pages.contains(page_id(Path{})));
    CHECK(copy_of(diff->root.key.expose()) != copy_of(old_root.key.expose()));
    REQUIRE(tree.change(again));
    CHECK(shape_of(tree) == before);
    CHECK_FALSE(open_page(old_root.key, page_id(Path{}), tree.pages.at(page_id(Path{}))));
}

TEST_CASE("an empty change keeps a lone seed and renews a root page", "[tree]") {
    MapTree tree = MapTree::untouched();
    const Bytes seed = copy_of(tree.root.key.expose());
    REQUIRE(tree.change({}));
    CHECK(tree.root.tag == NodeTag::seed);
    CHECK(copy_of(tree.root.key.expose()) == seed);
    REQUIRE(tree.puncture({person(1)}));
    const Bytes key = copy_of(tree.root.key.expose());
    REQUIRE(tree.change({}));
    CHECK(copy_of(tree.root.key.expose()) != key);
}

// ---- Prefixes ----------------------------------------------------------------------------------

TEST_CASE("one entry kills a tenant, a bank or a recipient, and nothing beside it", "[tree]") {
    MapTree tree = MapTree::untouched();
    const Path token = system_path(kTenant, 1, 77, 2);
    const Path other_token = system_path(kTenant, 1, 78, 2);
    REQUIRE(tree.puncture({person(1), person(2, 4), item_path(person(3), 1), token}));

    SECTION("a recipient") {
        REQUIRE(tree.puncture({system_recipient_path(kTenant, 1, 77)}));
        CHECK(tree.state(system_path(kTenant, 1, 77, 9)) == NodeState::dead);
        CHECK(tree.state(other_token) == NodeState::whole);
        CHECK(tree.state(person(9)) == NodeState::whole);
    }
    SECTION("a bank") {
        REQUIRE(tree.puncture({bank_path(kTenant, AddressClass::people, 3)}));
        CHECK(tree.state(person(9)) == NodeState::dead);
        CHECK(tree.state(fixed_path(person(9))) == NodeState::dead);
        CHECK(tree.state(person(9, 4)) == NodeState::whole);
        CHECK(tree.state(person(2, 4)) == NodeState::dead);
    }
    SECTION("a tenant") {
        REQUIRE(tree.puncture({tenant_path(kTenant)}));
        CHECK(tree.state(person(9, 4)) == NodeState::dead);
        CHECK(tree.state(other_token) == NodeState::dead);
        CHECK(tree.state(tenant_path(TenantId{8})) == NodeState::whole);
    }
    CHECK(tree.pages.size() == shape_of(tree).size());
}

TEST_CASE("puncturing the empty path destroys everything", "[tree]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({person(1)}));
    REQUIRE(tree.puncture({Path{}}));
    CHECK(tree.root.tag == NodeTag::dead);
    CHECK(tree.pages.empty());
    CHECK(tree.state(person(2)) == NodeState::dead);
    CHECK(tree.puncture({person(3)}));
    CHECK(tree.root.tag == NodeTag::dead);
}

TEST_CASE("a tree whose halves die one by one ends as a dead root", "[tree]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({Path{}.child(0, 1), person(5)}));
    REQUIRE(tree.puncture({Path{}.child(1, 1)}));
    CHECK(tree.root.tag == NodeTag::dead);
    CHECK(tree.pages.empty());
}

TEST_CASE("a kill lists no more descendants than the bound", "[tree]") {
    MapTree tree = MapTree::untouched();
    for (std::uint64_t round = 0; round < 3; ++round) {
        std::vector<Path> victims;
        for (std::uint64_t i = 0; i < 2'000; ++i)
            victims.push_back(person((round * 2'000 + i) * 64));
        REQUIRE(tree.puncture(victims));
    }
    const std::size_t stored = tree.pages.size();
    REQUIRE(stored > kDiffPagesMax);
    const TreeChange kill{{tenant_path(kTenant)}, {}};
    const auto diff = tree.diff(kill);
    REQUIRE(diff);
    CHECK(diff->deletes.size() == kDiffPagesMax);
    CHECK(tree.accepts(kill, *diff));
}

// ---- Below a person ----------------------------------------------------------------------------

TEST_CASE("an item of any area dies alone", "[tree]") {
    const std::uint32_t item = GENERATE(0U, 46U, 47U, 110U, 686U, 687U, 12'974U, 12'975U, 275'118U);
    MapTree tree = MapTree::untouched();
    const Derived whole = tree.derive(person(1));
    REQUIRE(tree.puncture({item_path(person(1), item)}));
    CHECK(tree.state(item_path(person(1), item)) == NodeState::dead);
    CHECK(tree.state(person(1)) == NodeState::punctured);
    CHECK(tree.state(person(2)) == NodeState::whole);
    const auto still_derives = [&](const Path& path) {
        const Derived derived = tree.derive(path);
        const unsigned below = path.bits() - kAddressBits;
        return derived.state == NodeState::whole &&
               copy_of(derived.seed.expose()) ==
                   copy_of(crypto::ggm_descend(whole.seed.expose(), path.slice(kAddressBits, below),
                                               below)
                               .expose());
    };
    CHECK(still_derives(fixed_path(person(1))));
    CHECK(still_derives(implicit_marker_path(person(1), kMarkerNotPaused)));
    for (const std::uint32_t other : {1U, 45U, 48U, 109U, 685U, 688U, 12'973U, 12'976U, 275'117U}) {
        CHECK(still_derives(item_path(person(1), other)));
    }
}

TEST_CASE("the highest dead item is found in every area and markers are no items", "[tree]") {
    MapTree tree = MapTree::untouched();
    const auto highest = [&](std::uint64_t index) {
        return highest_dead_item(tree.root, person(index), tree.source());
    };
    CHECK_FALSE(highest(1));
    REQUIRE(tree.puncture({person(9)}));
    CHECK(highest(9) == kItemCountMax - 1);
    CHECK_FALSE(highest(1));
    REQUIRE(tree.puncture({fixed_path(person(1)), implicit_marker_path(person(1), 3),
                           implicit_marker_path(person(1), 127)}));
    CHECK_FALSE(highest(1));
    std::uint32_t expected = 0;
    for (const std::uint32_t item :
         {0U, 3U, 46U, 47U, 100U, 686U, 687U, 5'000U, 12'974U, 12'975U, 200'000U, 275'118U}) {
        expected = item;
        REQUIRE(tree.puncture({item_path(person(1), item)}));
        CHECK(highest(1) == expected);
    }
    REQUIRE(tree.puncture({item_path(person(1), 2)}));
    CHECK(highest(1) == expected);
    CHECK_FALSE(highest(2));
}

TEST_CASE("a person whose last living part dies folds to one dead leaf", "[tree]") {
    MapTree one = MapTree::untouched();
    std::vector<Path> slots;
    for (std::uint64_t slot = 0; slot < 64; ++slot) slots.push_back(person(1).child(slot, 6));
    std::mt19937_64 random{99};
    std::shuffle(slots.begin(), slots.end(), random);
    for (const Path& slot : slots) REQUIRE(one.puncture({slot}));
    MapTree other = MapTree::untouched();
    REQUIRE(other.puncture({person(1)}));
    CHECK(shape_of(one) == shape_of(other));
    CHECK(one.pages.size() == other.pages.size());
}

// ---- Banks -------------------------------------------------------------------------------------

TEST_CASE("an opened bank has a seed of its own and never folds into its neighbours", "[tree]") {
    MapTree tree = MapTree::untouched();
    const Path bank = bank_path(kTenant, AddressClass::people, 5);
    const Derived before = tree.derive(bank);
    const Derived neighbour = tree.derive(bank_path(kTenant, AddressClass::people, 4));
    REQUIRE(tree.change({{person(1)}, {bank}}));
    const Derived after = tree.derive(bank);
    REQUIRE(after.state == NodeState::whole);
    CHECK(copy_of(after.seed.expose()) != copy_of(before.seed.expose()));
    CHECK(tree.state(bank.prefix(29)) == NodeState::punctured);
    CHECK(copy_of(tree.derive(bank_path(kTenant, AddressClass::people, 4)).seed.expose()) ==
          copy_of(neighbour.seed.expose()));
    REQUIRE(tree.puncture({person(7, 5)}));
    CHECK(tree.state(person(8, 5)) == NodeState::whole);
}

TEST_CASE("a bank that is dead, in use or punctured by the same change is not opened", "[tree]") {
    MapTree tree = MapTree::untouched();
    const Path bank = bank_path(kTenant, AddressClass::people, 5);
    const auto open = [&](std::vector<Path> punctures) {
        return tree.diff({normalise(std::move(punctures)), {bank}});
    };
    CHECK_THROWS_AS(open({bank}), Fault);
    CHECK_THROWS_AS(open({tenant_path(kTenant)}), Fault);
    CHECK_THROWS_AS(open({person(1, 5)}), Fault);
    CHECK_THROWS_AS(open({Path{}}), Fault);
    SECTION("in use") {
        REQUIRE(tree.puncture({person(1, 5)}));
    }
    SECTION("dead") {
        REQUIRE(tree.puncture({bank}));
    }
    SECTION("below a dead tenant") {
        REQUIRE(tree.puncture({tenant_path(kTenant)}));
    }
    SECTION("all dead") {
        REQUIRE(tree.puncture({Path{}}));
    }
    CHECK_THROWS_AS(open({}), Fault);
}
