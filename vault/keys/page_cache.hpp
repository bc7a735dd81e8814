#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "vault/function_ref.hpp"
#include "vault/keys/page.hpp"

// Decoded pages of the key tree, bounded by bytes, in 16 shards with a lock each. A page is found
// by its id AND its key, and a page key is used for one version of one page: a reader on an older
// root never gets a newer page, nor the other way round. The upper levels (0-5), which every
// derive passes, are evicted last. Thread-safe.

namespace oubliette::keys {

class PageCache {
public:
    explicit PageCache(std::size_t bytes);
    PageCache(const PageCache&) = delete;
    PageCache& operator=(const PageCache&) = delete;

    // nullptr if this version of the page is not cached.
    [[nodiscard]] std::shared_ptr<const Page> find(const PageId& id, crypto::KeyView key);
    // Caches if `permits()` says so under the lock that wipe() takes.
    void insert(const PageId& id, crypto::KeyView key, std::shared_ptr<const Page> page,
                FunctionRef<bool()> permits);
    // Forgets all versions of these pages (they are wiped when their last reader is done).
    void wipe(const PageId& id);
    void wipe_all();

private:
    static constexpr unsigned kShards = 16;
    struct Entry {
        crypto::PageKey key;
        std::shared_ptr<const Page> page;
        unsigned chances = 0;  // rounds of the CLOCK hand that it survives without use
    };
    struct Shard {
        std::mutex mutex;
        std::map<PageId, Entry> entries;
        PageId hand{};
    };

    [[nodiscard]] Shard& shard_of(const PageId& id) noexcept;
    static void evict_one(Shard& shard);

    const std::size_t entries_max_;  // per shard
    std::array<Shard, kShards> shards_;
};

}  // namespace oubliette::keys
