#include "vault/keys/live_tree.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "crypto/ggm.hpp"
#include "vault/keys/keeper_rows.hpp"

namespace oubliette::keys {
namespace {

constexpr unsigned kLeafFirst = 64;  // heap number of a page's first child

// How long a reader looks for the root of the snapshot it got: a merge of keepers takes a moment.
constexpr auto kRootWait = std::chrono::seconds(2);

constexpr std::size_t kDamageMax = 256;  // pages that are remembered for repair

// The seed of `path`, `from` bits of which lead to `seed`.
crypto::Seed descend(crypto::KeyView seed, const Path& path, unsigned from) {
    const unsigned rest = path.bits() - from;
    if (rest <= 64) return crypto::ggm_descend(seed, path.slice(from, rest), rest);
    const crypto::Seed middle = crypto::ggm_descend(seed, path.slice(from, 64), 64);
    return crypto::ggm_descend(middle.expose(), path.slice(from + 64, rest - 64), rest - 64);
}

class Deadline {
public:
    [[nodiscard]] bool is_over() const { return std::chrono::steady_clock::now() > end_; }

private:
    std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kRootWait;
};

// The item number of a leaf below a person; nullopt for other leaves and for inner nodes.
std::optional<std::uint32_t> item_of(const Path& path) {
    if (path.bits() < kAddressBits + kLevelBits) return std::nullopt;
    const auto slot = static_cast<std::uint32_t>(path.slice(kAddressBits, kLevelBits));
    const unsigned below = kAddressBits + kLevelBits;
    const unsigned bits = path.bits() - below;
    const auto rest = static_cast<std::uint32_t>(path.slice(below, bits));
    if (slot >= 1 && slot <= 47 && bits == 0) return kItemAreaStart[0] + slot - 1;
    if (slot >= 48 && slot <= 57 && bits == 6) return kItemAreaStart[1] + (slot - 48) * 64 + rest;
    if (slot >= 60 && slot <= 62 && bits == 12) {
        return kItemAreaStart[2] + (slot - 60) * 4'096 + rest;
    }
    if (slot == 63 && bits == 18) return kItemAreaStart[3] + rest;
    return std::nullopt;
}

}  // namespace

// One reader's consistent pair of a root and, once a page is not cached, a snapshot of a store.
struct LiveTree::Reader {
    LiveTree& tree;
    Rooted rooted;
    Stores stores;
    std::unique_ptr<store::ReadView> view;  // of the first store
    bool is_overtaken = false;              // the snapshot belongs to another root

    explicit Reader(LiveTree& live) : tree(live) {
        const std::shared_lock lock{tree.mutex_};
        rooted = {tree.current_.epoch, tree.current_.root.duplicate()};
        stores = tree.stores_;
    }

    // Switches to the snapshot's own root, if that is known. False: start again.
    bool take_snapshot() {
        view = stores.front()->read();
        const std::uint64_t epoch = epoch_of(*view);
        if (epoch == rooted.epoch) return true;
        is_overtaken = true;
        return false;
    }

    // Takes the snapshot first and then its root. False if no root of its epoch is known.
    bool match_snapshot() {
        view = stores.front()->read();
        const std::uint64_t epoch = epoch_of(*view);
        const std::shared_lock lock{tree.mutex_};
        const Rooted* found = nullptr;
        if (tree.current_.epoch == epoch) found = &tree.current_;
        if (tree.next_ && tree.next_->epoch == epoch) found = &*tree.next_;
        if (found == nullptr) return false;
        rooted = {found->epoch, found->root.duplicate()};
        return true;
    }

    static std::uint64_t epoch_of(const store::ReadView& snapshot) {
        const std::optional<ByteView> record = KeeperRows::root_record(snapshot);
        const std::optional<PlaneHead> head = record ? decode_head(*record) : std::nullopt;
        return head ? head->epoch : 0;
    }

    // nullptr with is_overtaken: another root is needed. nullptr without: the page is damaged in
    // every store.
    std::shared_ptr<const Page> page(const PageId& id, const crypto::PageKey& key) {
        if (std::shared_ptr<const Page> cached = tree.pages_.find(id, key.expose())) return cached;
        if (stores.empty()) return nullptr;
        if (!view && !take_snapshot()) return nullptr;
        std::optional<Page> opened = open_from(*view, id, key);
        for (std::size_t i = 1; !opened && i < stores.size(); ++i) {
            opened = open_from(*stores[i]->read(), id, key);
            if (i == 1) tree.note_damage(id);
        }
        if (!opened) return nullptr;
        auto page = std::make_shared<const Page>(std::move(*opened));
        const std::uint64_t epoch = rooted.epoch;
        tree.pages_.insert(id, key.expose(), page, [&] { return tree.is_current(epoch); });
        return page;
    }

    static std::optional<Page> open_from(const store::ReadView& snapshot, const PageId& id,
                                         const crypto::PageKey& key) {
        const std::optional<ByteView> record = snapshot.get(table::kPages, id);
        return record ? open_page(key, id, *record) : std::nullopt;
    }
};

LiveTree::LiveTree(std::size_t seed_count, std::size_t page_bytes)
    : seeds_(seed_count), pages_(page_bytes) {}

// Goes down one page. The answer, or nullopt and *next: the key of the page below.
std::optional<Derived> LiveTree::walk_page(const Page& page, const Path& path, unsigned level,
                                           crypto::PageKey* next) {
    unsigned node = 1;
    for (unsigned bits = level * kLevelBits;; ++bits) {
        const std::optional<NodeTag> tag = page.tag(node);
        if (!tag || *tag == NodeTag::dead) return Derived{NodeState::dead, {}};
        if (*tag == NodeTag::seed) {
            return Derived{NodeState::whole, descend(page.key(node), path, bits)};
        }
        if (bits == path.bits()) return Derived{NodeState::punctured, {}};
        if (node >= kLeafFirst) break;
        node = 2 * node + (path.bit(bits) ? 1 : 0);
    }
    *next = crypto::PageKey{page.key(node)};
    return std::nullopt;
}

Derived LiveTree::walk(const Path& path) {
    const Deadline deadline;
    bool snapshot_first = false;
    do {
        Reader reader{*this};
        if (snapshot_first && !reader.stores.empty() && !reader.match_snapshot()) {
            reader.view.reset();
            std::this_thread::sleep_for(std::chrono::microseconds(50));
            continue;
        }
        if (reader.rooted.root.tag == NodeTag::dead) return {NodeState::dead, {}};
        if (reader.rooted.root.tag == NodeTag::seed) {
            return {NodeState::whole, descend(reader.rooted.root.key.expose(), path, 0)};
        }
        crypto::PageKey key = std::move(reader.rooted.root.key);
        for (unsigned level = 0; level < kLevelCount; ++level) {
            const PageId id = page_id(path.prefix(level * kLevelBits));
            const std::shared_ptr<const Page> page = reader.page(id, key);
            if (!page) break;
            if (std::optional<Derived> found = walk_page(*page, path, level, &key)) {
                return std::move(*found);
            }
        }
        if (!reader.is_overtaken) return {NodeState::corrupt, {}};
        snapshot_first = true;
    } while (!deadline.is_over());
    return {NodeState::corrupt, {}};
}

Derived LiveTree::derive(const Path& path) {
    // The set first, the root after: an address leaves the set only when the root has it dead.
    if (dead_.covers(path)) return {NodeState::dead, {}};
    const bool has_dead = dead_.has_below(path);
    Derived derived = walk(path);
    if (has_dead && derived.state == NodeState::whole) return {NodeState::punctured, {}};
    return derived;
}

Derived LiveTree::derive_of_person(TenantId tenant, SubjectNumber number, const Path& leaf) {
    crypto::Seed seed;
    // A cached person is whole: mark_dead() and publish() take everybody else out.
    if (seeds_.find(tenant, number, &seed)) {
        return {NodeState::whole, descend(seed.expose(), leaf, kAddressBits)};
    }
    const std::uint64_t epoch = epoch_.load(std::memory_order_seq_cst);
    const Path person = leaf.prefix(kAddressBits);
    Derived derived = derive(person);
    if (derived.state == NodeState::punctured) return derive(leaf);
    if (derived.state != NodeState::whole) return derived;
    seeds_.insert(tenant, number, derived.seed, [&] {
        return is_current(epoch) && !dead_.covers(person) && !dead_.has_below(person);
    });
    return {NodeState::whole, descend(derived.seed.expose(), leaf, kAddressBits)};
}

std::optional<std::uint32_t> LiveTree::highest_dead_item(TenantId tenant, SubjectNumber number) {
    const Path person = person_path(tenant, number);
    if (dead_.covers(person)) return kItemCountMax - 1;
    std::optional<std::uint32_t> highest;
    for (const Path& path : dead_.below(person)) {
        if (const auto item = item_of(path)) highest = std::max(highest.value_or(0), *item);
    }
    const Deadline deadline;
    for (;;) {
        Reader reader{*this};
        if (reader.stores.empty() || !reader.match_snapshot()) {
            if (!deadline.is_over()) continue;
            throw Fault{FaultKind::storage, "no keeper to read from"};
        }
        const auto source = [&](const PageId& id) { return KeeperRows::page(*reader.view, id); };
        const std::optional<std::uint32_t> in_tree =
            keys::highest_dead_item(reader.rooted.root, person, source);
        if (in_tree) highest = std::max(highest.value_or(0), *in_tree);
        return highest;
    }
}

void LiveTree::mark_dead(std::span<const Path> paths) {
    dead_.add(paths);
    seeds_.wipe(paths);
}

void LiveTree::note_damage(const PageId& id) {
    const std::lock_guard lock{damage_mutex_};
    if (damage_.size() < kDamageMax) damage_.insert(id);
}

std::set<PageId> LiveTree::take_damage() {
    const std::lock_guard lock{damage_mutex_};
    return std::exchange(damage_, {});
}

void LiveTree::use_stores(Stores stores) {
    const std::unique_lock lock{mutex_};
    stores_ = std::move(stores);
}

void LiveTree::announce(std::uint64_t epoch, const RootSlot& root) {
    const std::unique_lock lock{mutex_};
    next_ = Rooted{epoch, root.duplicate()};
}

void LiveTree::publish(std::uint64_t epoch, const RootSlot& root, std::span<const PageId> pages,
                       std::span<const Path> punctures) {
    {
        const std::unique_lock lock{mutex_};
        current_ = Rooted{epoch, root.duplicate()};
        next_.reset();
        epoch_.store(epoch, std::memory_order_seq_cst);
    }
    // After the new epoch is visible, so that no reader of the old root caches anything again.
    for (const PageId& page : pages) pages_.wipe(page);
    // Of a bank, a recipient or a tenant not every page below is named.
    const bool has_subtree = std::any_of(punctures.begin(), punctures.end(), [](const Path& path) {
        return path.bits() < kAddressBits;
    });
    if (has_subtree) pages_.wipe_all();
    seeds_.wipe(punctures);
}

void LiveTree::publish_whole(std::uint64_t epoch, const RootSlot& root) {
    static const Path kEverything;
    publish(epoch, root, {}, std::span{&kEverything, 1});
}

}  // namespace oubliette::keys
