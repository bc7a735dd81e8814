#include <algorithm>
#include <utility>

#include "vault/keys/leader.hpp"

// Every page of every keeper is read and authenticated at least weekly, a little at a time, and
// repaired from a peer: page records are the same bytes on all keepers. A page that no keeper has
// stays corrupt: it is never taken for erased.

namespace oubliette::keys {
namespace {

constexpr std::uint32_t kScrubInterval = 6 * 86'400;  // seconds; a pass may take another day
constexpr std::size_t kSlicePages = 512;              // a second: about 2 ms
constexpr std::size_t kPassSlicePages = 4'096;        // of a pass that was asked for
constexpr unsigned kRootTries = 64;                   // to find a root and its snapshot
const RegisterKey kScrubTime{RegisterKind::scrub_time, kVaultTenant, 0, 0};

// A keeper's tree as its last commit left it.
struct Snapshot {
    RootSlot root;
    std::shared_ptr<const store::Store> store;
    std::unique_ptr<store::ReadView> view;
};

// The root comes from the cell and the snapshot from the store: a group may end between the two.
std::optional<Snapshot> snapshot_of(const Keeper& keeper) {
    for (unsigned i = 0; i < kRootTries; ++i) {
        Snapshot out;
        out.root = keeper.read_root();
        out.store = keeper.store();
        out.view = out.store->read();
        const std::optional<ByteView> record = KeeperRows::root_record(*out.view);
        const std::optional<PlaneHead> head = record ? decode_head(*record) : std::nullopt;
        if (!head) return std::nullopt;
        const std::optional<StoredRow> row = KeeperRows::row(*out.view, head->epoch);
        if (row && row->row.root_hash == root_hash(out.root)) return out;
    }
    return std::nullopt;
}

// The next pages of the keeper's tree, and at its end the rows beside the tree.
ScrubSlice read_slice(const Keeper& keeper, const ScrubPass& pass, std::size_t page_count) {
    ScrubSlice slice;
    {
        const std::optional<Snapshot> snapshot = snapshot_of(keeper);
        if (!snapshot) throw Fault{FaultKind::corrupt, "the root is not that of its chain"};
        const auto pages = [&](const PageId& id) { return KeeperRows::page(*snapshot->view, id); };
        slice = scrub_slice(snapshot->root, pages, pass.cursor, pass.given_up, page_count);
    }
    if (!slice.broken && !slice.next) (void)keeper.memory();
    return slice;
}

std::optional<Page> open_from(const Keeper& keeper, const PageId& id, const crypto::PageKey& key,
                              std::optional<Bytes>* record) {
    const auto source = keeper.store();
    *record = KeeperRows::page(*source->read(), id);
    return *record ? open_page(key, id, **record) : std::nullopt;
}

}  // namespace

// ---- Passes. REQUIRES (all): scrub_mutex_ is held.

void Leader::begin_scrub() {
    ScrubPass pass;
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        pass.left.push_back(keeper->name().keeper);
    }
    pass_ = std::move(pass);
    repaired_last_.reset();
    const std::lock_guard lock{mutex_};
    scrub_.is_running = true;
    scrub_.unrepairable = 0;
}

void Leader::end_scrub() {
    pass_.reset();
    has_scrubbed_ = true;
    const Timestamp now = clock_.now();
    {
        const std::lock_guard lock{mutex_};
        scrub_.is_running = false;
        scrub_.finished = now;
    }
    raise_registers({{kScrubTime, now.seconds}});
}

void Leader::scrub_slice_of(std::size_t page_count) {
    ScrubPass& pass = *pass_;
    std::shared_ptr<Keeper> keeper;
    for (const std::shared_ptr<Keeper>& candidate : keepers_in_sync()) {
        if (!pass.left.empty() && candidate->name().keeper == pass.left.back()) keeper = candidate;
    }
    ScrubSlice slice;
    try {
        if (keeper) slice = read_slice(*keeper, pass, page_count);
    } catch (const Fault& fault) {
        if (fault.kind() != FaultKind::corrupt) throw;
        take_out(*keeper, fault.what());  // opened again, and rebuilt if need be
    }
    {
        const std::lock_guard lock{mutex_};
        scrub_.pages += slice.pages;
    }
    if (slice.broken) return note_broken(*slice.broken);
    if (slice.next) {
        pass.cursor = *slice.next;
        return;
    }
    if (!pass.left.empty()) pass.left.pop_back();
    pass.cursor = Path{};
    pass.given_up.clear();
    repaired_last_.reset();
    if (pass.left.empty()) end_scrub();
}

void Leader::note_broken(const Path& page) {
    bool is_whole = false;
    if (repaired_last_ != page) {
        Task task;
        task.work = [&] { is_whole = repair_path(page); };
        run_alone(std::move(task));
    }
    pass_->cursor = page;
    if (is_whole) {
        repaired_last_ = page;
        return;
    }
    pass_->given_up.insert(page);
    const std::lock_guard lock{mutex_};
    ++scrub_.unrepairable;
}

void Leader::scrub_a_little() {
    const std::unique_lock one{scrub_mutex_, std::try_to_lock};
    if (!one.owns_lock()) return;  // a whole pass is under way
    if (!pass_) {
        const std::uint32_t now = clock_.now().seconds;
        const std::uint64_t last = read_register(kScrubTime);
        if (last != 0 && last <= now && now - last < kScrubInterval) return;
        // The clock was ahead when that was written: once for each start is often enough.
        if (last > now && has_scrubbed_) return;
        begin_scrub();
    }
    scrub_slice_of(kSlicePages);
}

ScrubStatus Leader::scrub() {
    const std::lock_guard one{scrub_mutex_};
    begin_scrub();
    while (pass_) {
        scrub_slice_of(kPassSlicePages);
        const std::lock_guard lock{mutex_};
        if (is_stopping_) throw Fault{FaultKind::storage, "the key plane was closed"};
    }
    const std::lock_guard lock{mutex_};
    return scrub_;
}

// ---- Repair. Called by the group thread: no keeper changes meanwhile.

// Pages that readers found damaged in one keeper.
void Leader::repair_damage() {
    for (const PageId& id : tree_.take_damage()) (void)repair_path(prefix_of(id));
}

// Goes from the root to `page` and writes what does not open in one keeper again from another.
// False if a page on the way opens in none.
bool Leader::repair_path(const Path& page) {
    if (root_.tag != NodeTag::child) return true;
    crypto::PageKey key = root_.key.duplicate();
    for (unsigned bits = 0;; bits += kLevelBits) {
        const Path prefix = page.prefix(bits);
        std::vector<std::shared_ptr<Keeper>> broken;
        std::optional<Page> good;
        Bytes good_record;
        for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
            std::optional<Bytes> record;
            std::optional<Page> opened = open_from(*keeper, page_id(prefix), key, &record);
            if (!opened) broken.push_back(keeper);
            if (!opened || good) continue;
            good = std::move(opened);
            good_record = std::move(*record);
        }
        if (!good) return false;
        for (const std::shared_ptr<Keeper>& keeper : broken) {
            write_page_again(*keeper, page_id(prefix), good_record);
        }
        if (prefix == page) return true;
        std::optional<crypto::PageKey> next = next_page_key(*good, prefix, page);
        if (!next) return true;  // the tree has no such page any more
        key = std::move(*next);
    }
}

void Leader::write_page_again(Keeper& keeper, const PageId& id, ByteView record) {
    try {
        keeper.put_page(id, record);
    } catch (const Fault& fault) {
        return take_out(keeper, fault.what());
    }
    const std::lock_guard lock{mutex_};
    ++scrub_.repaired;
}

}  // namespace oubliette::keys
