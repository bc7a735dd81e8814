#include "vault/keys/page_cache.hpp"

#include <algorithm>

#include "crypto/hash.hpp"

namespace oubliette::keys {
namespace {

constexpr std::size_t kDecodedSize = 2'304;  // bytes of a decoded page, with what leads to it
constexpr Byte kTopLevels = 6;               // 0 to 5: down to the first level inside a bank
constexpr unsigned kTopChances = 8;

unsigned chances_of(const PageId& id) noexcept {
    return id[0] < kTopLevels ? kTopChances : 1;
}

}  // namespace

PageCache::PageCache(std::size_t bytes)
    : entries_max_(std::max<std::size_t>(bytes / kDecodedSize / kShards, 4)) {}

PageCache::Shard& PageCache::shard_of(const PageId& id) noexcept {
    std::uint32_t hash = 2'166'136'261U;
    for (const Byte byte : id) hash = (hash ^ byte) * 16'777'619U;
    return shards_[hash >> 16 & (kShards - 1)];
}

std::shared_ptr<const Page> PageCache::find(const PageId& id, crypto::KeyView key) {
    Shard& shard = shard_of(id);
    const std::lock_guard lock{shard.mutex};
    const auto found = shard.entries.find(id);
    if (found == shard.entries.end()) return nullptr;
    if (!crypto::equal_constant_time(found->second.key.expose(), key)) return nullptr;
    found->second.chances = chances_of(id);
    return found->second.page;
}

void PageCache::evict_one(Shard& shard) {
    for (;;) {
        auto next = shard.entries.upper_bound(shard.hand);
        if (next == shard.entries.end()) next = shard.entries.begin();
        shard.hand = next->first;
        if (next->second.chances == 0) {
            shard.entries.erase(next);
            return;
        }
        --next->second.chances;
    }
}

void PageCache::insert(const PageId& id, crypto::KeyView key, std::shared_ptr<const Page> page,
                       FunctionRef<bool()> permits) {
    Shard& shard = shard_of(id);
    const std::lock_guard lock{shard.mutex};
    if (!permits()) return;
    shard.entries.erase(id);
    while (shard.entries.size() >= entries_max_) evict_one(shard);
    shard.entries.emplace(id, Entry{crypto::PageKey{key}, std::move(page), chances_of(id)});
}

void PageCache::wipe(const PageId& id) {
    Shard& shard = shard_of(id);
    const std::lock_guard lock{shard.mutex};
    shard.entries.erase(id);
}

void PageCache::wipe_all() {
    for (Shard& shard : shards_) {
        const std::lock_guard lock{shard.mutex};
        shard.entries.clear();
    }
}

}  // namespace oubliette::keys
