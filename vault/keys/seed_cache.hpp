#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include "crypto/locked_arena.hpp"
#include "crypto/secret.hpp"
#include "vault/function_ref.hpp"
#include "vault/keys/path.hpp"

// Seeds of whole people, so that the keys of a person cost a few GGM steps. Bounded, in locked
// memory, in 64 shards with a lock each; a full shard evicts by CLOCK. Thread-safe.

namespace oubliette::keys {

class SeedCache {
public:
    // Room for at least `count` people. Throws std::runtime_error when the memory cannot be locked.
    explicit SeedCache(std::size_t count);
    ~SeedCache();
    SeedCache(const SeedCache&) = delete;
    SeedCache& operator=(const SeedCache&) = delete;

    // True, and *out is the seed, if the person is cached.
    [[nodiscard]] bool find(TenantId tenant, SubjectNumber number, crypto::Seed* out);
    // Caches a seed if `permits()` says so under the lock that wipe() takes: what was wiped before
    // is not put back by a reader that began earlier.
    void insert(TenantId tenant, SubjectNumber number, const crypto::Seed& seed,
                FunctionRef<bool()> permits);
    // Forgets everybody whose path is covered by, or covers, one of `paths`.
    void wipe(std::span<const Path> paths);

private:
    static constexpr unsigned kShards = 64;
    struct Slot {
        std::uint64_t person = 0;
        std::uint32_t place = kNoPlace;
    };
    static constexpr std::uint32_t kNoPlace = 0xFFFF'FFFF;
    struct Shard {
        std::mutex mutex;
        std::vector<Slot> slots;            // person -> place; open addressing, half full at most
        std::vector<std::uint64_t> people;  // place -> person
        std::vector<bool> used;
        std::vector<bool> referenced;
        std::size_t hand = 0;
        ByteSpan seeds;  // 32 B a place
    };

    [[nodiscard]] Shard& shard_of(std::uint64_t person) noexcept;
    // Where the search for a person begins.
    [[nodiscard]] static std::size_t home(const Shard& shard, std::uint64_t person) noexcept;
    // The person's slot, or the free one where the search ended.
    [[nodiscard]] static std::size_t slot_of(const Shard& shard, std::uint64_t person) noexcept;
    static void remove_slot(Shard& shard, std::uint64_t person) noexcept;
    static void forget(Shard& shard, std::uint32_t place);
    static void wipe_below(Shard& shard, const Path& path);

    const std::size_t places_;  // per shard
    crypto::LockedArena arena_;
    std::array<Shard, kShards> shards_;
};

}  // namespace oubliette::keys
