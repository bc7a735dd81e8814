#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "crypto/ggm.hpp"
#include "vault/keys/tree.hpp"

// check_diff: what a keeper believes about a change before it erases anything. It compares the old
// and the new tree node by node and shares no code with apply_change, in particular neither
// Page::materialise nor Page::set_dead.

namespace oubliette::keys {

namespace {

constexpr unsigned kLeafFirst = 64;  // heap number of a page's first child

using Paths = std::span<const Path>;

// A node of either tree. Below a SEED there are only derived SEEDs, which lie in no page.
struct Node {
    NodeTag tag = NodeTag::dead;
    crypto::Seed key;            // of a SEED; of a CHILD the page key
    const Page* page = nullptr;  // of a SPLIT
    unsigned number = 0;         // in `page`

    [[nodiscard]] static Node in_page(const Page& page, unsigned number) {
        const std::optional<NodeTag> tag = page.tag(number);
        OBL_ASSERT(tag.has_value());  // its parent is a SPLIT, or it is the top
        Node node{*tag, {}, &page, number};
        if (node.tag == NodeTag::seed || node.tag == NodeTag::child) {
            node.key = crypto::Seed{page.key(number)};
        }
        return node;
    }
    [[nodiscard]] static Node of_slot(const RootSlot& root) {
        return {root.tag, crypto::Seed{root.key.expose()}, nullptr, 0};
    }
    [[nodiscard]] static Node of_seed(const crypto::Seed& seed) {
        return {NodeTag::seed, seed.duplicate(), nullptr, 0};
    }

    // REQUIRES: a SEED or a SPLIT.
    [[nodiscard]] std::pair<Node, Node> halves() const {
        if (tag == NodeTag::split) {
            return {in_page(*page, 2 * number), in_page(*page, 2 * number + 1)};
        }
        OBL_ASSERT(tag == NodeTag::seed);
        std::pair<Node, Node> both;
        both.first.tag = NodeTag::seed;
        both.second.tag = NodeTag::seed;
        crypto::ggm_step(key.expose(), both.first.key.expose_mut(), both.second.key.expose_mut());
        return both;
    }
    [[nodiscard]] bool same_key(const Node& other) const {
        return crypto::equal_constant_time(key.expose(), other.key.expose());
    }
};

// What the change wants strictly below a node, or exactly at it.
struct Wanted {
    Paths punctures;
    Paths opens;

    [[nodiscard]] bool none() const { return punctures.empty() && opens.empty(); }
    [[nodiscard]] bool kills(const Path& path) const {
        return !punctures.empty() && punctures.front() == path;
    }
    [[nodiscard]] bool opens_at(const Path& path) const {
        return !opens.empty() && opens.front() == path;
    }
    // REQUIRES: nothing is wanted exactly at `path`.
    [[nodiscard]] std::pair<Wanted, Wanted> halves(const Path& path) const {
        const auto goes_left = [bit = path.bits()](const Path& entry) { return !entry.bit(bit); };
        const auto split = [&](Paths all) {
            const auto middle = std::partition_point(all.begin(), all.end(), goes_left);
            return std::pair<Paths, Paths>{{all.begin(), middle}, {middle, all.end()}};
        };
        const auto [kill_left, kill_right] = split(punctures);
        const auto [open_left, open_right] = split(opens);
        return {{kill_left, open_left}, {kill_right, open_right}};
    }
};

class Checker {
public:
    Checker(const TreeChange& change, const TreeDiff& diff, PageSource old_pages)
        : change_(change), diff_(diff), old_pages_(old_pages) {}

    [[nodiscard]] bool run(const RootSlot& old_root);

private:
    [[nodiscard]] bool check_root(const RootSlot& old_root, const Wanted& wanted);
    [[nodiscard]] bool check(const Node& before, const Node& after, const Path& path,
                             const Wanted& wanted);
    [[nodiscard]] bool check_child(const Node& before, const Node& after, const Path& path,
                                   const Wanted& wanted);
    [[nodiscard]] bool check_new_page(const Node& before, const Node& after, const Path& path,
                                      const Wanted& wanted);
    // True if everything of `before` that lives is punctured.
    [[nodiscard]] bool all_killed(const Node& before, const Path& path, const Wanted& wanted);
    // True if everything that is wanted dead was dead before.
    [[nodiscard]] bool was_dead(const Node& before, const Path& path, const Wanted& wanted);
    [[nodiscard]] bool covered(const Path& path, const Wanted& wanted);
    [[nodiscard]] bool check_deletes() const;
    [[nodiscard]] std::optional<Page> open_old(const Node& child, const Path& prefix);

    const TreeChange& change_;
    const TreeDiff& diff_;
    PageSource old_pages_;
    std::size_t new_page_count_ = 0;
    std::optional<std::uint64_t> epoch_;
    std::set<PageId> folded_;
};

std::optional<Page> Checker::open_old(const Node& child, const Path& prefix) {
    const PageId id = page_id(prefix);
    const std::optional<Bytes> record = old_pages_(id);
    if (!record) return std::nullopt;
    return open_page(crypto::PageKey{child.key.expose()}, id, *record);
}

// True if the punctures below `path` leave no leaf alive, whatever lived there.
bool Checker::covered(const Path& path, const Wanted& wanted) {
    if (wanted.kills(path)) return true;
    if (wanted.punctures.empty()) return false;
    const auto [left, right] = wanted.halves(path);
    return covered(path.child(0, 1), left) && covered(path.child(1, 1), right);
}

bool Checker::all_killed(const Node& before, const Path& path, const Wanted& wanted) {
    if (!wanted.opens.empty()) return false;
    if (before.tag == NodeTag::dead || wanted.kills(path)) return true;
    if (wanted.punctures.empty()) return false;
    switch (before.tag) {
    case NodeTag::dead: return true;
    case NodeTag::seed: return covered(path, wanted);
    case NodeTag::split: {
        const auto [left, right] = before.halves();
        const auto [want_left, want_right] = wanted.halves(path);
        return all_killed(left, path.child(0, 1), want_left) &&
               all_killed(right, path.child(1, 1), want_right);
    }
    case NodeTag::child: {
        const std::optional<Page> page = open_old(before, path);
        folded_.insert(page_id(path));
        return page && all_killed(Node::in_page(*page, 1), path, wanted);
    }
    }
    return false;
}

bool Checker::was_dead(const Node& before, const Path& path, const Wanted& wanted) {
    if (!wanted.opens.empty()) return false;
    if (before.tag == NodeTag::dead || wanted.punctures.empty()) return true;
    if (wanted.kills(path)) return false;
    switch (before.tag) {
    case NodeTag::dead: return true;
    case NodeTag::seed: return false;
    case NodeTag::split: {
        const auto [left, right] = before.halves();
        const auto [want_left, want_right] = wanted.halves(path);
        return was_dead(left, path.child(0, 1), want_left) &&
               was_dead(right, path.child(1, 1), want_right);
    }
    case NodeTag::child: {
        const std::optional<Page> page = open_old(before, path);
        return page && was_dead(Node::in_page(*page, 1), path, wanted);
    }
    }
    return false;
}

bool Checker::check_new_page(const Node& before, const Node& after, const Path& path,
                             const Wanted& wanted) {
    const PageId id = page_id(path);
    const auto record = diff_.pages.find(id);
    if (record == diff_.pages.end()) return false;
    const auto epoch = page_epoch(record->second);
    if (!epoch || (epoch_ && *epoch_ != *epoch)) return false;
    epoch_ = epoch;
    ++new_page_count_;
    const std::optional<Page> page =
        open_page(crypto::PageKey{after.key.expose()}, id, record->second);
    if (!page) return false;
    const Node top = Node::in_page(*page, 1);
    if (before.tag == NodeTag::seed) return check(before, top, path, wanted);
    const std::optional<Page> old_page = open_old(before, path);
    return old_page && check(Node::in_page(*old_page, 1), top, path, wanted);
}

bool Checker::check_child(const Node& before, const Node& after, const Path& path,
                          const Wanted& wanted) {
    if (before.tag == NodeTag::child && before.same_key(after)) {
        return was_dead(before, path, wanted);
    }
    // A fresh page is for a reason: a key off the paths stays what it was.
    if (wanted.none()) return false;
    OBL_ASSERT(before.tag == NodeTag::child || before.tag == NodeTag::seed);
    return check_new_page(before, after, path, wanted);
}

bool Checker::check(const Node& before, const Node& after, const Path& path, const Wanted& wanted) {
    if (after.tag == NodeTag::dead) return all_killed(before, path, wanted);
    if (before.tag == NodeTag::dead || wanted.kills(path)) return false;
    if (wanted.opens_at(path)) {
        return before.tag == NodeTag::seed && after.tag == NodeTag::seed &&
               wanted.punctures.empty() && !before.same_key(after);
    }
    switch (after.tag) {
    case NodeTag::dead: return false;
    case NodeTag::seed:
        return before.tag == NodeTag::seed && wanted.none() && before.same_key(after);
    case NodeTag::split: {
        // A SEED is split only where something below it changes: anything else is not canonical.
        if (before.tag == NodeTag::child || (before.tag == NodeTag::seed && wanted.none())) {
            return false;
        }
        const auto [old_left, old_right] = before.halves();
        const auto [new_left, new_right] = after.halves();
        const auto [want_left, want_right] = wanted.halves(path);
        return check(old_left, new_left, path.child(0, 1), want_left) &&
               check(old_right, new_right, path.child(1, 1), want_right);
    }
    case NodeTag::child: return check_child(before, after, path, wanted);
    }
    return false;
}

bool Checker::check_root(const RootSlot& old_root, const Wanted& wanted) {
    const Node before = Node::of_slot(old_root);
    const Node after = Node::of_slot(diff_.root);
    if (before.tag == NodeTag::split || after.tag == NodeTag::split) return false;
    if (before.tag == NodeTag::child && after.tag == NodeTag::child) {
        return !before.same_key(after) && check_new_page(before, after, Path{}, wanted);
    }
    return check(before, after, Path{}, wanted);
}

// A deleted page must lie below a puncture, or have folded away.
bool Checker::check_deletes() const {
    if (diff_.deletes.size() > 2 * kDiffPagesMax) return false;
    return std::all_of(diff_.deletes.begin(), diff_.deletes.end(), [this](const PageId& id) {
        if (!is_page_id(id)) return false;
        if (folded_.contains(id)) return true;
        const Path prefix = prefix_of(id);
        const auto next =
            std::upper_bound(change_.punctures.begin(), change_.punctures.end(), prefix);
        return next != change_.punctures.begin() && std::prev(next)->is_prefix_of(prefix);
    });
}

bool Checker::run(const RootSlot& old_root) {
    const Wanted wanted{change_.punctures, change_.opens};
    return diff_.pages.size() <= kDiffPagesMax && check_root(old_root, wanted) &&
           new_page_count_ == diff_.pages.size() && check_deletes();
}

bool is_well_formed(const TreeChange& change) {
    const auto overlap = [](const Path& a, const Path& b) { return !(a < b) || a.is_prefix_of(b); };
    const auto is_bank = [](const Path& path) { return path.bits() == kBankBits; };
    const auto& [punctures, opens] = change;
    return std::adjacent_find(punctures.begin(), punctures.end(), overlap) == punctures.end() &&
           std::adjacent_find(opens.begin(), opens.end(), overlap) == opens.end() &&
           std::all_of(opens.begin(), opens.end(), is_bank);
}

}  // namespace

bool check_diff(const RootSlot& old_root, const TreeChange& change, const TreeDiff& diff,
                PageSource old_pages) {
    return is_well_formed(change) && Checker{change, diff, old_pages}.run(old_root);
}

}  // namespace oubliette::keys
