#include <algorithm>
#include <span>
#include <utility>

#include "vault/keys/tree.hpp"
#include "vault/result.hpp"

// apply_change: the only code that punctures. Page by page and depth first, so that one path of
// plaintext is alive at a time.

namespace oubliette::keys {

namespace {

constexpr unsigned kLeafFirst = 64;  // heap number of a page's first child

using Paths = std::span<const Path>;

// The entries of a sorted list that lie below `prefix` (all entries share prefix's parent).
Paths below(Paths sorted, const Path& prefix) {
    const auto begin = std::partition_point(sorted.begin(), sorted.end(),
                                            [&](const Path& path) { return path < prefix; });
    const auto end = std::partition_point(
        begin, sorted.end(), [&](const Path& path) { return prefix.is_prefix_of(path); });
    return {begin, end};
}

// What became of the place that a page hangs on: a depth-6 node, or the root slot.
enum class Outcome : std::uint8_t { unchanged, dead, child, too_many };

struct Place {
    NodeTag tag = NodeTag::dead;
    crypto::PageKey key;  // a seed or a page key
};

class Puncture {
public:
    Puncture(std::uint64_t epoch, PageSource pages) : epoch_(epoch), pages_(pages) {}

    // Applies what lies strictly below `prefix`. Outcome::child leaves the new page's key in
    // `place`.
    Outcome rewrite(Place& place, const Path& prefix, Paths punctures, Paths opens);

    // Lists the page at `prefix` and those below it for deletion, as far as the bound allows.
    void collect(const crypto::PageKey& key, const Path& prefix);

    TreeDiff take(RootSlot root) {
        diff_.root = std::move(root);
        return std::move(diff_);
    }

private:
    bool change_page(Page& page, const Path& prefix, Paths punctures, Paths opens);
    void kill(Page& page, const Path& prefix, const Path& victim);
    bool change_child(Page& page, const Path& child, Paths punctures, Paths opens);
    void open_bank(Page& page, const Path& bank);

    std::uint64_t epoch_;
    PageSource pages_;
    TreeDiff diff_;
    bool changed_ = false;  // of the page under work
    std::size_t folded_count_ = 0;
    std::size_t killed_count_ = 0;
};

// The heap number of `path`'s node in the page at its level.
unsigned node_in_page(const Path& path, unsigned page_bits) {
    const unsigned depth = path.bits() - page_bits;
    return (1U << depth) | static_cast<unsigned>(path.slice(page_bits, depth));
}

void Puncture::collect(const crypto::PageKey& key, const Path& prefix) {
    if (killed_count_ == kDiffPagesMax) return;
    const PageId id = page_id(prefix);
    diff_.deletes.insert(id);
    ++killed_count_;
    // A page that does not open is dead all the same: what lies below it becomes orphans.
    const std::optional<Bytes> record = pages_(id);
    if (!record) return;
    const std::optional<Page> page = open_page(key, id, *record);
    if (!page) return;
    for (unsigned child = 0; child < kLeafFirst; ++child) {
        if (page->tag(kLeafFirst + child) != NodeTag::child) continue;
        collect(crypto::PageKey{page->key(kLeafFirst + child)}, prefix.child(child, kLevelBits));
    }
}

void Puncture::kill(Page& page, const Path& prefix, const Path& victim) {
    const unsigned node = node_in_page(victim, prefix.bits());
    if (!page.materialise(node)) return;
    const unsigned spare = kLevelBits - (victim.bits() - prefix.bits());
    for (unsigned leaf = node << spare; leaf < (node + 1) << spare; ++leaf) {
        if (page.tag(leaf) != NodeTag::child) continue;
        collect(crypto::PageKey{page.key(leaf)}, prefix.child(leaf - kLeafFirst, kLevelBits));
    }
    page.set_dead(node);
    changed_ = true;
}

void Puncture::open_bank(Page& page, const Path& bank) {
    const unsigned node = node_in_page(bank, bank.bits() - kLevelBits);
    if (!page.materialise(node) || page.tag(node) != NodeTag::seed) {
        throw Fault{FaultKind::corrupt, "a bank to open is dead or in use"};
    }
    page.set_seed(node, crypto::Seed::generate().expose());
    changed_ = true;
}

// False if the change is too large.
bool Puncture::change_child(Page& page, const Path& child, Paths punctures, Paths opens) {
    const unsigned node = node_in_page(child, child.bits() - kLevelBits);
    if (!page.materialise(node)) {
        if (!opens.empty()) throw Fault{FaultKind::corrupt, "a bank to open is dead"};
        return true;
    }
    Place place{*page.tag(node), crypto::PageKey{page.key(node)}};
    switch (rewrite(place, child, punctures, opens)) {
    case Outcome::too_many: return false;
    case Outcome::unchanged: return true;
    case Outcome::dead: page.set_dead(node); break;
    case Outcome::child: page.set_child(node, place.key.expose()); break;
    }
    changed_ = true;
    return true;
}

bool Puncture::change_page(Page& page, const Path& prefix, Paths punctures, Paths opens) {
    const unsigned lowest = prefix.bits() + kLevelBits;
    while (!punctures.empty() || !opens.empty()) {
        const bool puncture_next =
            opens.empty() || (!punctures.empty() && punctures.front() <= opens.front());
        const Path& next = puncture_next ? punctures.front() : opens.front();
        if (puncture_next && next.bits() <= lowest) {
            kill(page, prefix, next);
            punctures = punctures.subspan(1);
            continue;
        }
        const Path child = next.prefix(lowest);
        const Paths child_punctures = below(punctures, child);
        const Paths child_opens = below(opens, child);
        if (child_opens.size() == 1 && child_opens.front() == child) {
            if (!child_punctures.empty()) {
                throw Fault{FaultKind::corrupt, "a bank to open is in use"};
            }
            open_bank(page, child);
        } else if (!change_child(page, child, child_punctures, child_opens)) {
            return false;
        }
        punctures = punctures.subspan(child_punctures.size());
        opens = opens.subspan(child_opens.size());
    }
    return true;
}

Outcome Puncture::rewrite(Place& place, const Path& prefix, Paths punctures, Paths opens) {
    const PageId id = page_id(prefix);
    const bool existed = place.tag == NodeTag::child;
    std::optional<Page> page;
    if (existed) {
        const std::optional<Bytes> record = pages_(id);
        if (record) page = open_page(place.key, id, *record);
    } else {
        page = Page::of_seed(place.key.expose());
    }
    if (!page) throw Fault{FaultKind::corrupt, "a key tree page does not open"};

    const bool outer = std::exchange(changed_, prefix.bits() == 0);
    const bool fits = change_page(*page, prefix, punctures, opens);
    const bool changed = std::exchange(changed_, outer);
    if (!fits) return Outcome::too_many;
    if (!changed) return Outcome::unchanged;
    if (diff_.pages.size() + folded_count_ == kDiffPagesMax) return Outcome::too_many;
    if (page->all_dead()) {
        if (existed) {
            diff_.deletes.insert(id);
            ++folded_count_;
        }
        return Outcome::dead;
    }
    place.key = crypto::PageKey::generate();
    diff_.pages.emplace(id, seal_page(place.key, id, epoch_, *page));
    return Outcome::child;
}

bool is_strictly_sorted(Paths paths) {
    return std::adjacent_find(paths.begin(), paths.end(),
                              [](const Path& a, const Path& b) { return !(a < b); }) == paths.end();
}

}  // namespace

std::optional<TreeDiff> apply_change(const RootSlot& root, const TreeChange& change,
                                     std::uint64_t epoch, PageSource pages) {
    OBL_ASSERT(normalise(change.punctures) == change.punctures);
    OBL_ASSERT(is_strictly_sorted(change.opens));
    for (const Path& bank : change.opens) OBL_ASSERT(bank.bits() == kBankBits);

    Puncture puncture{epoch, pages};
    const bool idle = change.punctures.empty() && change.opens.empty();
    const bool everything = !change.punctures.empty() && change.punctures.front().bits() == 0;
    if (!change.opens.empty() && (everything || root.tag == NodeTag::dead)) {
        throw Fault{FaultKind::corrupt, "a bank to open is dead"};
    }
    if (root.tag == NodeTag::dead || (root.tag == NodeTag::seed && idle)) {
        return puncture.take(root.duplicate());
    }
    if (everything) {
        if (root.tag == NodeTag::child) puncture.collect(root.key, Path{});
        return puncture.take({});
    }
    Place place{root.tag, root.key.duplicate()};
    switch (puncture.rewrite(place, Path{}, change.punctures, change.opens)) {
    case Outcome::too_many: return std::nullopt;
    case Outcome::dead: return puncture.take({});
    case Outcome::unchanged:  // the root page counts as changed always
    case Outcome::child: break;
    }
    return puncture.take({NodeTag::child, std::move(place.key)});
}

}  // namespace oubliette::keys
