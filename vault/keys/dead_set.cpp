#include "vault/keys/dead_set.hpp"

#include <mutex>

namespace oubliette::keys {

void DeadSet::add(std::span<const Path> paths) {
    const std::unique_lock lock{mutex_};
    for (const Path& path : paths) {
        if (paths_[path]++ == 0) ++count_by_bits_[path.bits()];
    }
    size_.store(paths_.size(), std::memory_order_seq_cst);
}

void DeadSet::remove(std::span<const Path> paths) {
    const std::unique_lock lock{mutex_};
    for (const Path& path : paths) {
        const auto found = paths_.find(path);
        if (found == paths_.end() || --found->second > 0) continue;
        --count_by_bits_[path.bits()];
        paths_.erase(found);
    }
    size_.store(paths_.size(), std::memory_order_seq_cst);
}

bool DeadSet::covers(const Path& path) const {
    if (is_empty()) return false;
    const std::shared_lock lock{mutex_};
    for (unsigned bits = 0; bits <= path.bits(); ++bits) {
        if (count_by_bits_[bits] > 0 && paths_.contains(path.prefix(bits))) return true;
    }
    return false;
}

bool DeadSet::has_below(const Path& path) const {
    if (is_empty()) return false;
    const std::shared_lock lock{mutex_};
    // In the order of paths everything below `path` follows it directly.
    const auto next = paths_.upper_bound(path);
    return next != paths_.end() && path.is_prefix_of(next->first);
}

std::vector<Path> DeadSet::below(const Path& path) const {
    std::vector<Path> out;
    const std::shared_lock lock{mutex_};
    for (auto next = paths_.upper_bound(path);
         next != paths_.end() && path.is_prefix_of(next->first); ++next) {
        out.push_back(next->first);
    }
    return out;
}

}  // namespace oubliette::keys
