#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/keys/forgery.hpp"

// What check_diff must catch before a keeper erases anything: nodes, keys, pages and the root.

using namespace oubliette;
using namespace oubliette::keys;

TEST_CASE("a forger who changes nothing but the keys is believed", "[check]") {
    Forgery f;
    f.forge_at(page_of(person(100)), [](Page&) {});
    CHECK(f.accepted());  // the control: the cases below fail for their one change only
}

TEST_CASE("check_diff refuses a wrong seed wherever it is", "[check]") {
    const Forgery honest;
    for (const auto& [id, record] : honest.diff.pages) {
        const Path prefix = prefix_of(id);
        const Opened opened = open_at(honest.tree, honest.diff, prefix);
        for (unsigned node = 2; node < 128; ++node) {
            if (opened.page.tag(node) != NodeTag::seed) continue;
            Forgery f;
            ByteArray<32> key{};
            f.forge_at(prefix, [&](Page& page) {
                std::copy(page.key(node).begin(), page.key(node).end(), key.begin());
                key[31] ^= 1;
                page.set_seed(node, key);
            });
            CHECK_FALSE(f.accepted());
        }
    }
}

TEST_CASE("check_diff refuses a leaf, a node or a page that died unasked", "[check]") {
    Forgery f;
    SECTION("a leaf beside a requested one") {
        f.forge_at(page_of(person(100)), [](Page& page) {
            REQUIRE(page.materialise(node_of(person(103))));
            page.set_dead(node_of(person(103)));
        });
    }
    SECTION("a whole seed") {
        f.forge_at(page_of(person(100)), [](Page& page) {
            unsigned node = 2;
            while (page.tag(node) != NodeTag::seed) ++node;
            page.set_dead(node);
        });
    }
    SECTION("a page off the paths") {
        const Path off = person(300'000).prefix(42);
        f.forge_at(page_of(off), [&](Page& page) {
            REQUIRE(page.tag(node_of(off)) == NodeTag::child);
            page.set_dead(node_of(off));
        });
    }
    SECTION("another bank") {
        f.forge_at(person(0).prefix(24), [](Page& page) {
            REQUIRE(page.materialise(node_of(person(0, 8).prefix(30))));
            page.set_dead(node_of(person(0, 8).prefix(30)));
        });
    }
    SECTION("the person of a requested item") {
        f.forge_at(page_of(person(9)), [](Page& page) { page.set_dead(node_of(person(9))); });
        f.diff.pages.erase(page_id(person(9)));
        f.diff.pages.erase(page_id(item_path(person(9), 50).prefix(60)));
    }
    SECTION("everything") {
        f.diff.root = RootSlot{};
        f.diff.pages.clear();
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses a requested leaf left alive", "[check]") {
    Forgery f;
    SECTION("all of them: nothing was done but a new root page") {
        const auto idle = f.tree.diff({});
        REQUIRE(idle);
        f.diff.root = idle->root.duplicate();
        f.diff.pages = idle->pages;
    }
    SECTION("one of them") {
        const TreeChange less{normalise({person(100), person(101), item_path(person(9), 50)}), {}};
        auto made = f.tree.diff(less);
        REQUIRE(made);
        f.diff = std::move(*made);
    }
    SECTION("an item") {
        const TreeChange less{normalise({person(100), person(101), person(5'000)}), {}};
        auto made = f.tree.diff(less);
        REQUIRE(made);
        f.diff = std::move(*made);
    }
    SECTION("an item killed in the wrong slot") {
        const TreeChange less{
            normalise({person(100), person(101), person(5'000), item_path(person(9), 51)}), {}};
        auto made = f.tree.diff(less);
        REQUIRE(made);
        f.diff = std::move(*made);
    }
    SECTION("more than asked") {
        const TreeChange more{normalise({person(100), person(101), person(5'000), person(5'001),
                                         item_path(person(9), 50)}),
                              {}};
        auto made = f.tree.diff(more);
        REQUIRE(made);
        f.diff = std::move(*made);
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses a leaf that comes back to life", "[check]") {
    Forgery f;
    const MapTree fresh = MapTree::untouched();
    f.forge_at(page_of(person(90)), [](Page& page) {
        // Its neighbour lives, so the place can be filled through the parent.
        const unsigned parent = node_of(person(90)) / 2;
        page.set_seed(parent, crypto::Seed::generate().expose());
    });
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses a dead node that is split again", "[check]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({person(88), person(89)}));  // one dead node over two leaves
    auto diff = tree.diff({});
    REQUIRE(diff);
    forge(tree, *diff, page_of(person(88)), [](Page& page) {
        const unsigned above = node_of(person(88)) / 4;
        REQUIRE(page.tag(above) == NodeTag::split);
        page.set_seed(above, crypto::Seed::generate().expose());
        REQUIRE(page.materialise(node_of(person(88))));
    });
    CHECK_FALSE(tree.accepts({}, *diff));
    // The same with a wish on the path, so that the page may be rewritten.
    CHECK_FALSE(tree.accepts({{person(88)}, {}}, *diff));
}

TEST_CASE("check_diff refuses a kept page when a node inside it was to die", "[check]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({person(1)}));
    const auto idle = tree.diff({});
    REQUIRE(idle);
    for (unsigned bits = 1; bits <= kAddressBits; ++bits) {
        INFO("bits " << bits);
        const Path beside = person(1).prefix(bits - 1).child(person(1).bit(bits - 1) ? 0 : 1, 1);
        CHECK_FALSE(tree.accepts({{beside}, {}}, *idle));
        if (bits < kAddressBits) CHECK_FALSE(tree.accepts({{person(1).prefix(bits)}, {}}, *idle));
    }
    CHECK(tree.accepts({{person(1)}, {}}, *idle));
}

TEST_CASE("check_diff refuses another key for a page off the paths", "[check]") {
    Forgery f;
    const Path off = person(300'000).prefix(42);
    SECTION("with no page under it") {
        f.forge_at(page_of(off), [&](Page& page) {
            page.set_child(node_of(off), crypto::PageKey::generate().expose());
        });
    }
    SECTION("with the same page sealed anew") {
        f.forge_at(off, [](Page&) {});
    }
    SECTION("where an untouched seed was") {
        const Path seed = person(0, 8).prefix(24).prefix(18).child(63, 6);
        f.forge_at(page_of(seed), [&](Page& page) {
            REQUIRE(page.materialise(node_of(seed)));
            page.set_child(node_of(seed), crypto::PageKey::generate().expose());
        });
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses every page of the diff missing, damaged, old or deleted", "[check]") {
    const Forgery honest;
    for (const auto& row : honest.diff.pages) {
        const PageId& id = row.first;
        INFO("level " << unsigned{id[0]});
        const auto refuses = [&](FunctionRef<void(Forgery & f)> edit) {
            Forgery f;
            REQUIRE(f.diff.pages.contains(id));
            edit(f);
            return !f.accepted();
        };
        CHECK(refuses([&](Forgery& f) { f.diff.pages.erase(id); }));
        CHECK(refuses([&](Forgery& f) { f.diff.pages[id].back() ^= 1; }));
        CHECK(refuses([&](Forgery& f) { f.diff.pages[id].pop_back(); }));
        CHECK(refuses([&](Forgery& f) { f.diff.pages[id][0] ^= 1; }));  // of another epoch
        CHECK(refuses([&](Forgery& f) { f.diff.deletes.insert(id); }));
        CHECK(refuses([&](Forgery& f) {
            const auto old = f.tree.pages.find(id);
            f.diff.pages[id] =
                old != f.tree.pages.end() ? old->second : f.diff.pages.begin()->second;
            if (id == page_id(Path{})) f.diff.pages[id] = f.diff.pages.rbegin()->second;
        }));
    }
}

TEST_CASE("check_diff refuses a page that no path leads to", "[check]") {
    Forgery f;
    SECTION("below a dead leaf") {
        f.diff.pages[page_id(person(100))] = f.diff.pages.begin()->second;
    }
    SECTION("over a living page") {
        const PageId off = page_id(person(300'000).prefix(48));
        f.diff.pages[off] = f.tree.pages.at(off);
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses shapes that are not canonical", "[check]") {
    Forgery f;
    SECTION("a seed split for nothing") {
        f.forge_at(page_of(person(5'000)), [](Page& page) {
            REQUIRE(page.materialise(node_of(person(5'000).prefix(53).prefix(48).child(1, 6))));
        });
    }
    SECTION("a page for nothing") {
        const Path leaf = person(103);
        const crypto::Seed seed = f.tree.derive(leaf).seed.duplicate();
        Page page = Page::of_seed(seed.expose());
        REQUIRE(page.materialise(2));
        const crypto::PageKey key = crypto::PageKey::generate();
        f.diff.pages[page_id(leaf)] = seal_page(key, page_id(leaf), f.tree.epoch + 1, page);
        f.forge_at(page_of(leaf), [&](Page& above) {
            REQUIRE(above.materialise(node_of(leaf)));
            above.set_child(node_of(leaf), key.expose());
        });
    }
    SECTION("a dead person kept as a page of dead items") {
        const Path victim = person(100);
        Page page = Page::of_seed(f.tree.derive(victim).seed.expose());
        REQUIRE(page.materialise(2));
        page.set_dead(2);
        const crypto::PageKey key = crypto::PageKey::generate();
        f.diff.pages[page_id(victim)] = seal_page(key, page_id(victim), f.tree.epoch + 1, page);
        const TreeChange less{normalise({person(101), person(5'000), item_path(person(9), 50)}),
                              {}};
        auto made = f.tree.diff(less);
        REQUIRE(made);
        made->pages.merge(f.diff.pages);
        f.diff = std::move(*made);
        f.forge_at(page_of(victim), [&](Page& above) {
            REQUIRE(above.materialise(node_of(victim)));
            above.set_child(node_of(victim), key.expose());
        });
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses a root that did not change, or is another thing", "[check]") {
    Forgery f;
    SECTION("the old root slot") {
        f.diff.root = f.tree.root.duplicate();
    }
    SECTION("the old root slot and no pages") {
        f.diff.root = f.tree.root.duplicate();
        f.diff.pages.clear();
    }
    SECTION("the new root page under the old key") {
        const PageId top = page_id(Path{});
        const auto page = open_page(f.diff.root.key, top, f.diff.pages.at(top));
        REQUIRE(page);
        f.diff.pages[top] = seal_page(f.tree.root.key, top, f.tree.epoch + 1, *page);
        f.diff.root.key = f.tree.root.key.duplicate();
    }
    SECTION("a seed") {
        f.diff.root = {NodeTag::seed, crypto::PageKey::generate()};
    }
    SECTION("a split") {
        f.diff.root.tag = NodeTag::split;
    }
    SECTION("an unknown page key") {
        f.diff.root.key = crypto::PageKey::generate();
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff believes no other seed of an untouched tree", "[check]") {
    const MapTree tree = MapTree::untouched();
    TreeDiff diff;
    diff.root = tree.root.duplicate();
    CHECK(tree.accepts({}, diff));
    CHECK_FALSE(tree.accepts({{person(1)}, {}}, diff));
    diff.root = {NodeTag::seed, crypto::PageKey::generate()};
    CHECK_FALSE(tree.accepts({}, diff));
    diff.root = RootSlot{};
    CHECK_FALSE(tree.accepts({}, diff));
    CHECK(tree.accepts({{Path{}}, {}}, diff));
}
