#pragma once

#include <array>
#include <atomic>
#include <map>
#include <shared_mutex>
#include <span>
#include <vector>

#include "vault/keys/path.hpp"

// Addresses that were submitted for revocation and are not dead in the tree yet: they must answer
// `dead` from the moment of submission. Counts how often each was added. Thread-safe.

namespace oubliette::keys {

class DeadSet {
public:
    void add(std::span<const Path> paths);
    void remove(std::span<const Path> paths);

    // True if an address of the set is `path` or above it.
    [[nodiscard]] bool covers(const Path& path) const;
    // True if an address of the set is below `path`: its seed must not be given out.
    [[nodiscard]] bool has_below(const Path& path) const;
    // All addresses of the set that are below `path`.
    [[nodiscard]] std::vector<Path> below(const Path& path) const;

private:
    [[nodiscard]] bool is_empty() const noexcept {
        return size_.load(std::memory_order_seq_cst) == 0;
    }

    std::atomic<std::size_t> size_{0};
    mutable std::shared_mutex mutex_;  // guards the rest
    std::map<Path, unsigned> paths_;
    std::array<unsigned, kPathBitsMax + 1> count_by_bits_{};
};

}  // namespace oubliette::keys
