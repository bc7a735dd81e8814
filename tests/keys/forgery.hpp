#pragma once

#include <catch2/catch.hpp>

#include "tests/keys/tree_support.hpp"

// Forged diffs: sealed and linked properly, so that only the comparison with the old tree can tell
// them from an honest one.

namespace oubliette::keys {

inline const TenantId kTenant{7};

inline Path person(std::uint64_t index, std::uint64_t bank = 3) {
    return person_path(kTenant, SubjectNumber{bank << 24 | index});
}

inline unsigned node_of(const Path& path) {
    const unsigned depth = (path.bits() - 1) % kLevelBits + 1;
    return (1U << depth) | static_cast<unsigned>(path.slice(path.bits() - depth, depth));
}
inline Path page_of(const Path& path) {
    return path.prefix((path.bits() - 1) / kLevelBits * kLevelBits);
}

// Opens the page at `prefix` as the tree after `diff` has it.
struct Opened {
    crypto::PageKey key;
    Page page;
};
inline Opened open_at(const MapTree& tree, const TreeDiff& diff, const Path& prefix) {
    crypto::PageKey key = diff.root.key.duplicate();
    for (unsigned bits = 0;; bits += kLevelBits) {
        const PageId id = page_id(prefix.prefix(bits));
        const auto fresh = diff.pages.find(id);
        auto page =
            open_page(key, id, fresh != diff.pages.end() ? fresh->second : tree.pages.at(id));
        REQUIRE(page);
        if (bits == prefix.bits()) return {std::move(key), std::move(*page)};
        key = crypto::PageKey{page->key(node_of(prefix.prefix(bits + kLevelBits)))};
    }
}

// Rewrites one page of `diff` and all pages above it, with fresh keys, as a faulty leader would.
inline void forge(const MapTree& tree, TreeDiff& diff, const Path& prefix,
                  FunctionRef<void(Page& page)> edit) {
    Opened opened = open_at(tree, diff, prefix);
    edit(opened.page);
    crypto::PageKey key = crypto::PageKey::generate();
    diff.pages[page_id(prefix)] = seal_page(key, page_id(prefix), tree.epoch + 1, opened.page);
    if (prefix.bits() == 0) {
        diff.root.key = std::move(key);
        return;
    }
    forge(tree, diff, page_of(prefix), [&](Page& above) {
        REQUIRE(above.materialise(node_of(prefix)));
        above.set_child(node_of(prefix), key.expose());
    });
}

// Five people and an item are dead already; the change kills three people and an item more.
struct Forgery {
    MapTree tree = MapTree::untouched();
    TreeChange change{
        normalise({person(100), person(101), person(5'000), item_path(person(9), 50)}), {}};
    TreeDiff diff;

    Forgery() {
        REQUIRE(tree.puncture({person(1), person(2), person(90), person(300'000), person(2, 8),
                               item_path(person(9), 3)}));
        diff = honest();
        REQUIRE(tree.accepts(change, diff));
    }
    [[nodiscard]] TreeDiff honest() const {
        auto made = tree.diff(change);
        REQUIRE(made);
        return std::move(*made);
    }
    [[nodiscard]] bool accepted() const { return tree.accepts(change, diff); }
    void forge_at(const Path& prefix, FunctionRef<void(Page& page)> edit) {
        forge(tree, diff, prefix, edit);
    }
};

}  // namespace oubliette::keys
