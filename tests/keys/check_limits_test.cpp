#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/keys/forgery.hpp"

// What check_diff must catch before a keeper erases anything: deletes, banks, malformed changes and
// limits.

using namespace oubliette;
using namespace oubliette::keys;

TEST_CASE("check_diff refuses deletes of anything that may live", "[check]") {
    Forgery f;
    SECTION("a page off the paths") {
        f.diff.deletes.insert(page_id(person(300'000).prefix(48)));
    }
    SECTION("the root page") {
        f.diff.deletes.insert(page_id(Path{}));
    }
    SECTION("an impossible id") {
        f.diff.deletes.insert(PageId{0xFF});
    }
    CHECK_FALSE(f.accepted());
    Forgery allowed;
    allowed.diff.deletes.insert(page_id(person(100)));  // nothing can live below a dead leaf
    CHECK(allowed.accepted());
}

TEST_CASE("folded pages may be deleted, and their neighbours not", "[check]") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({person(0), person(64)}));
    std::vector<Path> rest;
    for (std::uint64_t i = 1; i < 64; ++i) rest.push_back(person(i));
    const TreeChange change{normalise(rest), {}};
    auto diff = tree.diff(change);
    REQUIRE(diff);
    CHECK(diff->deletes == std::set<PageId>{page_id(person(0).prefix(48))});
    CHECK(tree.accepts(change, *diff));
    diff->deletes.insert(page_id(person(64).prefix(48)));
    CHECK_FALSE(tree.accepts(change, *diff));
}

TEST_CASE("check_diff accepts new seeds for opened banks only", "[check]") {
    const Path bank = bank_path(kTenant, AddressClass::people, 20);
    const Path other = bank_path(kTenant, AddressClass::people, 21);
    Forgery f;
    f.change.opens = {bank};
    f.diff = f.honest();
    REQUIRE(f.accepted());
    SECTION("the old seed kept") {
        const crypto::Seed old = f.tree.derive(bank).seed.duplicate();
        f.forge_at(page_of(bank), [&](Page& page) { page.set_seed(node_of(bank), old.expose()); });
    }
    SECTION("another bank has a new seed too") {
        f.forge_at(page_of(other), [&](Page& page) {
            REQUIRE(page.materialise(node_of(other)));
            page.set_seed(node_of(other), crypto::Seed::generate().expose());
        });
    }
    SECTION("the opened bank was not requested") {
        f.change.opens.clear();
    }
    SECTION("another bank was requested") {
        f.change.opens = {other};
    }
    SECTION("two banks were requested") {
        f.change.opens = {bank, other};
    }
    SECTION("the bank is dead instead") {
        f.forge_at(page_of(bank), [&](Page& page) { page.set_dead(node_of(bank)); });
    }
    SECTION("not a bank") {
        f.change.opens = {bank.prefix(29)};
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses to open a bank that has dead leaves or is dead", "[check]") {
    const Path bank = bank_path(kTenant, AddressClass::people, 3);
    Forgery f;
    f.forge_at(page_of(bank), [&](Page& page) {
        REQUIRE(page.tag(node_of(bank)) == NodeTag::child);
        page.set_seed(node_of(bank), crypto::Seed::generate().expose());
    });
    f.change = TreeChange{{}, {bank}};
    std::erase_if(f.diff.pages, [&](const auto& row) { return row.first[0] > 4; });
    CHECK_FALSE(f.accepted());

    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({bank}));
    auto diff = tree.diff({});
    REQUIRE(diff);
    forge(tree, *diff, page_of(bank), [](Page&) {});
    CHECK_FALSE(tree.accepts({{}, {bank}}, *diff));
    CHECK_FALSE(tree.accepts({{bank}, {bank}}, *diff));
    CHECK(tree.accepts({{bank}, {}}, *diff));
}

TEST_CASE("check_diff refuses a malformed change", "[check]") {
    Forgery f;
    SECTION("unsorted") {
        std::swap(f.change.punctures[0], f.change.punctures[1]);
    }
    SECTION("twice the same") {
        f.change.punctures.push_back(f.change.punctures.back());
    }
    SECTION("one below another") {
        f.change.punctures.push_back(fixed_path(f.change.punctures.back()));
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff does not believe a diff when the old tree does not open", "[check]") {
    Forgery f;
    SECTION("missing") {
        f.tree.pages.erase(page_id(person(100).prefix(48)));
    }
    SECTION("damaged") {
        f.tree.pages[page_id(person(100).prefix(48))].back() ^= 1;
    }
    SECTION("another root") {
        f.tree.root.key = crypto::PageKey::generate();
    }
    CHECK_FALSE(f.accepted());
}

TEST_CASE("check_diff refuses a diff of more than 4,096 pages", "[check]") {
    const auto doubled = [](std::size_t size) {
        const MapTree tree = MapTree::untouched();
        // Two diffs of half the size make one, as a leader without the limit would build it.
        std::vector<Path> first;
        std::vector<Path> second;
        for (std::uint64_t i = 0; i < size; ++i) {
            (i < size / 2 ? first : second).push_back(person(i * 64));
        }
        auto diff = tree.diff({first, {}});
        REQUIRE(diff);
        MapTree halfway = tree.duplicate();
        halfway.root = diff->root.duplicate();
        halfway.pages = diff->pages;
        auto rest = halfway.diff({second, {}});
        REQUIRE(rest);
        rest->pages.merge(diff->pages);
        first.insert(first.end(), second.begin(), second.end());
        return std::pair{rest->pages.size(), tree.accepts({first, {}}, *rest)};
    };
    // 4,026 people lie in as many pages at level 8, 63 at level 7, and 7 above those: 4,096.
    const auto at_limit = doubled(4'026);
    CHECK(at_limit == std::pair{kDiffPagesMax, true});
    const auto above_limit = doubled(4'027);
    CHECK(above_limit == std::pair{kDiffPagesMax + 1, false});
}

TEST_CASE("check_diff refuses more than 8,192 deletes", "[check]") {
    const MapTree tree = MapTree::untouched();
    const TreeChange change{{tenant_path(kTenant)}, {}};
    auto diff = tree.diff(change);
    REQUIRE(diff);
    for (std::uint64_t i = 0; i < 2 * kDiffPagesMax; ++i) {
        diff->deletes.insert(page_id(person(i)));
    }
    CHECK(tree.accepts(change, *diff));
    diff->deletes.insert(page_id(person(2 * kDiffPagesMax)));
    CHECK_FALSE(tree.accepts(change, *diff));
}
