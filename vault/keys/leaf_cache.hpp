#pragma once

#include <map>
#include <memory>
#include <shared_mutex>

#include "crypto/locked_arena.hpp"
#include "vault/keys/key_plane.hpp"

// Leaves that every request needs (token keys, retention days, regions, the index key): derived
// once, kept in locked memory. Never used for a person's own keys. Thread-safe.

namespace oubliette::keys {

class LeafCache {
public:
    LeafCache(KeyPlane& plane, std::size_t leaf_count_max);

    // The leaf at `path`, from the cache or the plane.
    [[nodiscard]] Derived get(const Path& path);
    // Drops and wipes everything. Called after a revocation that is not a person's was submitted:
    // from then on the plane answers `dead`, and no older copy may survive here.
    void clear();

private:
    KeyPlane& plane_;
    crypto::LockedArena arena_;
    mutable std::shared_mutex mutex_;
    std::map<Path, ByteSpan> leaves_;
    std::uint64_t generation_ = 0;  // counts clear(): a leaf derived before one is not stored
};

}  // namespace oubliette::keys
