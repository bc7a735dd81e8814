#pragma once

#include <map>
#include <random>
#include <string>

#include "vault/keys/tree.hpp"

// A key tree in a map, driven only through the public functions, for the tests of this folder.

namespace oubliette::keys {

struct MapTree {
    RootSlot root;
    std::map<PageId, Bytes> pages;
    std::uint64_t epoch = 0;

    static MapTree untouched() {
        MapTree tree;
        tree.root = {NodeTag::seed, crypto::PageKey::generate()};
        return tree;
    }
    static MapTree of_seed(crypto::KeyView seed) {
        MapTree tree;
        tree.root = {NodeTag::seed, crypto::PageKey{seed}};
        return tree;
    }
    [[nodiscard]] MapTree duplicate() const {
        MapTree copy;
        copy.root = root.duplicate();
        copy.pages = pages;
        copy.epoch = epoch;
        return copy;
    }

    [[nodiscard]] auto source() const {
        return [this](const PageId& id) -> std::optional<Bytes> {
            const auto found = pages.find(id);
            if (found == pages.end()) return std::nullopt;
            return found->second;
        };
    }
    [[nodiscard]] std::optional<TreeDiff> diff(const TreeChange& change) const {
        return apply_change(root, change, epoch + 1, source());
    }
    [[nodiscard]] bool accepts(const TreeChange& change, const TreeDiff& diff) const {
        return check_diff(root, change, diff, source());
    }
    void adopt(TreeDiff diff) {
        for (const PageId& id : diff.deletes) pages.erase(id);
        for (auto& [id, record] : diff.pages) pages[id] = std::move(record);
        root = std::move(diff.root);
        ++epoch;
    }
    // Applies after checking; false if either refuses.
    [[nodiscard]] bool change(const TreeChange& change) {
        auto result = diff(change);
        if (!result || !accepts(change, *result)) return false;
        adopt(std::move(*result));
        return true;
    }
    [[nodiscard]] bool puncture(std::vector<Path> paths) {
        return change({normalise(std::move(paths)), {}});
    }
    [[nodiscard]] Derived derive(const Path& path) const {
        return keys::derive(root, path, source());
    }
    [[nodiscard]] NodeState state(const Path& path) const { return derive(path).state; }
};

inline Bytes copy_of(crypto::KeyView key) {
    return {key.begin(), key.end()};
}

// The tags of every reachable page, and nothing else: what must not depend on history.
inline std::map<PageId, std::string> shape_of(const MapTree& tree) {
    std::map<PageId, std::string> shape;
    const bool whole =
        walk(tree.root, tree.source(), [&](const PageId& id, ByteView, const Page& page) {
            std::string tags;
            for (unsigned node = 1; node < 128; ++node) {
                const auto tag = page.tag(node);
                tags += tag ? "DSPC"[static_cast<unsigned>(*tag)] : '.';
            }
            shape[id] = tags;
            return true;
        });
    if (!whole) shape.clear();
    return shape;
}

}  // namespace oubliette::keys
