#include "vault/keys/leaf_cache.hpp"

#include <algorithm>
#include <mutex>

namespace oubliette::keys {

LeafCache::LeafCache(KeyPlane& plane, std::size_t leaf_count_max)
    : plane_(plane), arena_(32, leaf_count_max) {}

Derived LeafCache::get(const Path& path) {
    std::uint64_t generation = 0;
    {
        const std::shared_lock lock{mutex_};
        const auto found = leaves_.find(path);
        if (found != leaves_.end()) {
            return {NodeState::whole, crypto::Seed{crypto::KeyView{found->second.first<32>()}}};
        }
        generation = generation_;
    }
    Derived derived = plane_.derive(path);
    if (derived.state != NodeState::whole) return derived;

    const std::unique_lock lock{mutex_};
    if (generation != generation_ || leaves_.contains(path)) return derived;
    const ByteSpan slot = arena_.take();
    if (slot.empty()) return derived;  // full: correct, only slower
    std::ranges::copy(derived.seed.expose(), slot.begin());
    leaves_.emplace(path, slot);
    return derived;
}

void LeafCache::clear() {
    const std::unique_lock lock{mutex_};
    ++generation_;
    for (const auto& [path, slot] : leaves_) arena_.give_back(slot);
    leaves_.clear();
}

}  // namespace oubliette::keys
