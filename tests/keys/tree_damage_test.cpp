#include <catch2/catch.hpp>

#include "tests/keys/tree_support.hpp"
#include "vault/result.hpp"

using namespace oubliette;
using namespace oubliette::keys;

namespace {

Path person(std::uint64_t index, std::uint64_t bank = 3) {
    return person_path(TenantId{7}, SubjectNumber{bank << 24 | index});
}

}  // namespace

TEST_CASE("a missing or altered page is corrupt, never dead", "[tree]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({item_path(person(1), 13'000), person(70)}));
    const auto shape = shape_of(tree);
    for (const auto& [id, tags] : shape) {
        for (const bool missing : {true, false}) {
            MapTree damaged = tree.duplicate();
            if (missing) {
                damaged.pages.erase(id);
            } else {
                damaged.pages[id].back() ^= 1;
            }
            const Path prefix = prefix_of(id);
            const Path victim =
                prefix.is_prefix_of(person(70)) ? person(70) : item_path(person(1), 13'000);
            CHECK(damaged.state(victim) == NodeState::corrupt);
            CHECK_THROWS_AS(damaged.diff({{victim}, {}}), Fault);
            CHECK_FALSE(walk(damaged.root, damaged.source(),
                             [](const PageId&, ByteView, const Page&) { return true; }));
            if (prefix.is_prefix_of(person(1)) || person(1).is_prefix_of(prefix)) {
                CHECK_THROWS_AS(highest_dead_item(damaged.root, person(1), damaged.source()),
                                Fault);
            }
        }
    }
}

TEST_CASE("walk hands out parents first and stops when told", "[tree]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({item_path(person(1), 13'000), person(70), person(1, 9)}));
    std::set<PageId> seen;
    CHECK(walk(tree.root, tree.source(), [&](const PageId& id, ByteView, const Page&) {
        const Path prefix = prefix_of(id);
        if (prefix.bits() > 0) CHECK(seen.contains(page_id(prefix.prefix(prefix.bits() - 6))));
        return seen.insert(id).second;
    }));
    CHECK(seen.size() == tree.pages.size());
    unsigned count = 0;
    CHECK(walk(tree.root, tree.source(),
               [&](const PageId&, ByteView, const Page&) { return ++count < 3; }));
    CHECK(count == 3);
}

TEST_CASE("a root slot decodes from its own encoding only", "[tree]") {
    const MapTree tree = MapTree::untouched();
    const ByteArray<33> encoded = tree.root.encode();
    const auto decoded = RootSlot::decode(encoded);
    REQUIRE(decoded);
    CHECK(decoded->encode() == encoded);
    CHECK(root_hash(*decoded) == root_hash(tree.root));
    for (unsigned tag = 0; tag < 256; ++tag) {
        ByteArray<33> changed = encoded;
        changed[0] = static_cast<Byte>(tag);
        const auto other = RootSlot::decode(changed);
        CHECK(other.has_value() == (tag == 1 || tag == 3));  // dead has no key
        if (other && tag == 3) CHECK(root_hash(*other) != root_hash(tree.root));
    }
    CHECK(RootSlot::decode(RootSlot{}.encode()));
    CHECK_FALSE(RootSlot::decode(ByteView{encoded}.first(32)));
    Bytes longer(encoded.begin(), encoded.end());
    longer.push_back(0);
    CHECK_FALSE(RootSlot::decode(longer));
}
