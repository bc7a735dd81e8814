#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <vector>

#include "vault/keys/dead_set.hpp"
#include "vault/keys/page_cache.hpp"
#include "vault/keys/seed_cache.hpp"
#include "vault/keys/tree.hpp"
#include "vault/store/store.hpp"

// The key tree as everybody but the leader's group thread sees it: derives keys from the current
// root through the caches, and answers `dead` for what was submitted. Readers never wait for a
// group: while one commits, the root before and the root after are both there, and a snapshot of
// the store says which of them it belongs to.
//
// derive and its kin may be called by any thread; the others by the group thread, except
// mark_dead().

namespace oubliette::keys {

class LiveTree {
public:
    using Stores = std::vector<std::shared_ptr<const store::Store>>;

    // Throws std::runtime_error when the memory of the caches cannot be locked.
    LiveTree(std::size_t seed_count, std::size_t page_bytes);

    [[nodiscard]] Derived derive(const Path& path);
    // A leaf `below` a person: the path below person_path, as path.hpp makes it.
    [[nodiscard]] Derived derive_of_person(TenantId tenant, SubjectNumber number, const Path& leaf);
    [[nodiscard]] std::optional<std::uint32_t> highest_dead_item(TenantId tenant,
                                                                 SubjectNumber number);

    // From when this returns, `paths` answer dead and no cached seed leads to them.
    void mark_dead(std::span<const Path> paths);
    // They are dead in the published tree.
    void unmark_dead(std::span<const Path> paths) { dead_.remove(paths); }

    // ---- Changing the root.
    // Where pages are read from; the first that has a page which opens is used.
    void use_stores(Stores stores);
    // A root that a store is about to hold as `epoch`, so that readers of its new snapshot find it.
    void announce(std::uint64_t epoch, const RootSlot& root);
    // The root is `root` now. Wipes what the caches hold of `pages` and `punctures`, and the
    // former root.
    void publish(std::uint64_t epoch, const RootSlot& root, std::span<const PageId> pages,
                 std::span<const Path> punctures);
    // After a change of which the pages are not known.
    void publish_whole(std::uint64_t epoch, const RootSlot& root);

    // Pages that did not open from the first store, since the last call: where they are. Not all
    // of them, if there are many.
    [[nodiscard]] std::set<PageId> take_damage();

private:
    struct Rooted {
        std::uint64_t epoch = 0;
        RootSlot root;
    };
    struct Reader;

    [[nodiscard]] Derived walk(const Path& path);
    [[nodiscard]] static std::optional<Derived> walk_page(const Page& page, const Path& path,
                                                          unsigned level, crypto::PageKey* next);
    void note_damage(const PageId& id);
    [[nodiscard]] bool is_current(std::uint64_t epoch) const noexcept {
        return epoch_.load(std::memory_order_seq_cst) == epoch;
    }

    SeedCache seeds_;
    PageCache pages_;
    DeadSet dead_;
    std::atomic<std::uint64_t> epoch_{0};
    std::mutex damage_mutex_;  // guards the next
    std::set<PageId> damage_;

    mutable std::shared_mutex mutex_;  // guards the rest
    Rooted current_;
    std::optional<Rooted> next_;
    Stores stores_;
};

}  // namespace oubliette::keys
