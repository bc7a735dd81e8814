#include "tools/forensic/key_pages.hpp"

#include <algorithm>
#include <functional>

#include "crypto/ggm.hpp"

namespace oubliette::forensic {
namespace {

using keys::NodeTag;
using keys::PageId;
using keys::Path;

constexpr unsigned kNodeCount = 128;  // of a page, numbered like a heap from 1
constexpr unsigned kLeafFirst = 64;
constexpr std::size_t kKeySize = 32;
constexpr Byte kNoTag = 0xFF;

constexpr Byte byte_of(NodeTag tag) noexcept {
    return static_cast<Byte>(tag);
}

// The descendant of `seed` that the bits of `path` from `from` on lead to.
crypto::Seed descend(crypto::KeyView seed, const Path& path, unsigned from) {
    const unsigned first = std::min(path.bits() - from, 64U);
    crypto::Seed below = crypto::ggm_descend(seed, path.slice(from, first), first);
    const unsigned rest = path.bits() - from - first;
    if (rest == 0) return below;
    return crypto::ggm_descend(below.expose(), path.slice(from + first, rest), rest);
}

ByteArray<kKeySize> bytes_of_key(crypto::KeyView key) noexcept {
    ByteArray<kKeySize> bytes{};
    std::ranges::copy(key, bytes.begin());
    return bytes;
}

}  // namespace

std::size_t KeyPages::IdHash::operator()(const PageId& id) const noexcept {
    return std::hash<std::string_view>{}(text_of(id));
}

crypto::KeyView KeyPages::OpenPage::key_of(unsigned node) const {
    return keys.expose().subspan(places[node] * kKeySize).first<kKeySize>();
}

KeyPages::KeyPages(const std::vector<Row>& records) {
    for (const Row& record : records) {
        PageId id{};
        std::ranges::copy(record.key, id.begin());
        pages_[id].closed.push_back(record.value);
        ++version_count_;
    }
}

// ---- New knowledge -----------------------------------------------------------------------------

void KeyPages::add_root(const keys::RootSlot& slot) {
    if (slot.tag == NodeTag::child) add_page_key(keys::page_id(Path{}), slot.key.duplicate());
    if (slot.tag == NodeTag::seed) add_seed(Path{}, crypto::Seed{slot.key.expose()});
}

void KeyPages::add_page_key(const PageId& id, crypto::PageKey key) {
    work_.push_back({id, std::move(key)});
}

void KeyPages::add_seed(const Path& path, const crypto::Seed& seed) {
    seeds_[path].push_back(seed.duplicate());
    seed_bits_.insert(path.bits());
}

void KeyPages::close() {
    while (!work_.empty()) {
        const Work work = std::move(work_.front());
        work_.pop_front();
        open_with(work);
    }
}

void KeyPages::open_with(const Work& work) {
    const auto found = pages_.find(work.id);
    if (found == pages_.end()) return;
    Versions& versions = found->second;
    if (!versions.keys_tried.insert(bytes_of_key(work.key.expose())).second) return;
    for (std::size_t i = 0; i < versions.closed.size();) {
        const auto page = keys::open_page(work.key, work.id, versions.closed[i]);
        if (!page) {
            ++i;
            continue;
        }
        versions.closed.erase(versions.closed.begin() + static_cast<std::ptrdiff_t>(i));
        ++open_count_;
        versions.open.push_back(compact(work.key, *page));
        for (Work& child : children_of(work.id, versions.open.back())) {
            work_.push_back(std::move(child));
        }
    }
}

KeyPages::OpenPage KeyPages::compact(const crypto::PageKey& key, const keys::Page& page) {
    OpenPage out;
    out.key = key.duplicate();
    std::vector<unsigned> holders;
    for (unsigned node = 1; node < kNodeCount; ++node) {
        const auto tag = page.tag(node);
        out.tags[node] = tag ? byte_of(*tag) : kNoTag;
        if (tag != NodeTag::seed && tag != NodeTag::child) continue;
        out.places[node] = static_cast<Byte>(holders.size());
        holders.push_back(node);
    }
    out.keys = crypto::SecretBytes{holders.size() * kKeySize};
    for (std::size_t i = 0; i < holders.size(); ++i) {
        std::ranges::copy(page.key(holders[i]),
                          out.keys.expose_mut().subspan(i * kKeySize).begin());
    }
    return out;
}

std::vector<KeyPages::Work> KeyPages::children_of(const PageId& id, const OpenPage& page) {
    std::vector<Work> children;
    const Path prefix = keys::prefix_of(id);
    for (unsigned node = kLeafFirst; node < kNodeCount; ++node) {
        if (page.tags[node] != byte_of(NodeTag::child)) continue;
        const Path child = prefix.child(node - kLeafFirst, keys::kLevelBits);
        children.push_back({keys::page_id(child), crypto::PageKey{page.key_of(node)}});
    }
    return children;
}

// ---- Questions ---------------------------------------------------------------------------------

KeyPages::Stop KeyPages::walk(const OpenPage& page, unsigned bits, const Path& path) {
    Stop stop{1, bits, page.tags[1]};
    while (stop.tag == byte_of(NodeTag::split) && stop.bits < path.bits()) {
        stop.node = 2 * stop.node + (path.bit(stop.bits) ? 1 : 0);
        ++stop.bits;
        stop.tag = page.tags[stop.node];
    }
    return stop;
}

void KeyPages::find_keys(const Path& path, FunctionRef<void(const crypto::Seed& key)> visit) const {
    for (const unsigned bits : seed_bits_) {
        if (bits > path.bits()) break;
        const auto found = seeds_.find(path.prefix(bits));
        if (found == seeds_.end()) continue;
        for (const crypto::Seed& seed : found->second) {
            visit(descend(seed.expose(), path, bits));
        }
    }
    for (unsigned bits = 0; bits < path.bits(); bits += keys::kLevelBits) {
        const auto found = pages_.find(keys::page_id(path.prefix(bits)));
        if (found == pages_.end()) continue;
        for (const OpenPage& page : found->second.open) {
            const Stop stop = walk(page, bits, path);
            if (stop.tag != byte_of(NodeTag::seed)) continue;
            visit(descend(page.key_of(stop.node), path, stop.bits));
        }
    }
}

const KeyPages::OpenPage* KeyPages::find_open(const PageId& id, crypto::KeyView key) const {
    const auto found = pages_.find(id);
    if (found == pages_.end()) return nullptr;
    for (const OpenPage& page : found->second.open) {
        if (std::ranges::equal(page.key.expose(), key)) return &page;
    }
    return nullptr;
}

Fate KeyPages::fate_of(const keys::RootSlot& root, const Path& path) const {
    if (root.tag == NodeTag::dead) return Fate::dead;
    if (root.tag == NodeTag::seed) return Fate::alive;
    const OpenPage* page = find_open(keys::page_id(Path{}), root.key.expose());
    for (unsigned bits = 0; page != nullptr && bits < path.bits();) {
        const Stop stop = walk(*page, bits, path);
        bits = stop.bits;
        if (stop.tag == byte_of(NodeTag::dead)) return Fate::dead;
        const bool is_further = stop.tag == byte_of(NodeTag::child) && bits < path.bits();
        if (!is_further) return Fate::alive;
        page = find_open(keys::page_id(path.prefix(bits)), page->key_of(stop.node));
    }
    return Fate::unknown;
}

bool KeyPages::is_whole(const keys::RootSlot& root) const {
    if (root.tag != NodeTag::child) return true;
    std::vector<Work> left;
    left.push_back({keys::page_id(Path{}), root.key.duplicate()});
    while (!left.empty()) {
        const Work next = std::move(left.back());
        left.pop_back();
        const OpenPage* const page = find_open(next.id, next.key.expose());
        if (page == nullptr) return false;
        for (Work& child : children_of(next.id, *page)) left.push_back(std::move(child));
    }
    return true;
}

std::vector<KeyPages::ClosedPage> KeyPages::closed_pages(std::size_t count_max) const {
    std::vector<ClosedPage> closed;
    for (const auto& [id, versions] : pages_) {
        for (const ByteView record : versions.closed) closed.push_back({id, record});
    }
    const auto is_better = [](const ClosedPage& a, const ClosedPage& b) {
        return *keys::page_epoch(a.record) > *keys::page_epoch(b.record);
    };
    const std::size_t count = std::min(count_max, closed.size());
    std::partial_sort(closed.begin(), closed.begin() + static_cast<std::ptrdiff_t>(count),
                      closed.end(), is_better);
    closed.resize(count);
    return closed;
}

}  // namespace oubliette::forensic
