#include <algorithm>
#include <utility>

#include "crypto/byte_io.hpp"
#include "vault/keys/keeper.hpp"
#include "vault/keys/membership.hpp"

// How a keeper's root changes: k0 to k4 of KEYS 6.1. The order of the calls in commit() is the
// product's promise; keeper.hpp says what a crash after each leaves.

namespace oubliette::keys {
namespace {

constexpr std::size_t kCopyBatch = 4'096;  // pages per transaction of a rebuild

[[noreturn]] void refuse(const char* what) {
    throw Fault{FaultKind::conflict, std::string{"the keeper refuses the change: "} + what};
}

std::vector<RequestLeaf> leaves_of(const std::vector<EpochStep>& steps, std::uint64_t after) {
    std::vector<RequestLeaf> leaves;
    for (const EpochStep& step : steps) {
        if (step.row.epoch <= after) continue;
        leaves.insert(leaves.end(), step.leaves.begin(), step.leaves.end());
    }
    std::sort(leaves.begin(), leaves.end());
    leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
    return leaves;
}

// True if the step's leaves are those of its requests and of its row.
bool is_complete(const EpochStep& step) {
    if (step.requests.size() != step.leaves.size()) return false;
    for (std::size_t i = 0; i < step.leaves.size(); ++i) {
        if (step.requests[i].id != step.leaves[i].id ||
            request_digest(step.requests[i]) != step.leaves[i].digest) {
            return false;
        }
    }
    return request_root(step.leaves) == step.row.request_root;
}

// check_diff wants one epoch in a diff; a catch-up spans several. The epoch in front of a page
// record is not authenticated, so a copy for the check may carry the last one.
TreeDiff with_one_epoch(const TreeDiff& diff, std::uint64_t epoch) {
    TreeDiff out;
    out.root = diff.root.duplicate();
    out.deletes = diff.deletes;
    Bytes front;
    ByteWriter{front}.le64(epoch);
    for (const auto& [id, record] : diff.pages) {
        Bytes copy = record;
        if (copy.size() >= front.size()) std::copy(front.begin(), front.end(), copy.begin());
        out.pages.emplace(id, std::move(copy));
    }
    return out;
}

}  // namespace

// What k2 writes besides the pages, and what k4 signs.
struct Keeper::Commit {
    StoredRow row;
    FunctionRef<void(store::WriteView&)> rows;
};

// ---- k0 ----

void Keeper::check_advance(const Advance& change) const {
    if (change.steps.empty()) refuse("no step");
    crypto::Hash previous = head_.hash;
    std::uint64_t epoch = head_.epoch;
    std::uint64_t term = head_.term;
    TreeChange tree;
    for (const EpochStep& step : change.steps) {
        const ChainRow& row = step.row;
        if (row.previous_hash != previous || row.epoch <= epoch) refuse("it is not the next one");
        if (row.term < term) refuse("its term is over");
        if (!is_consistent(name_.vault, row)) refuse("its hash is not that of its parts");
        if (!is_complete(step)) refuse("its requests are not those of its root");
        previous = row.hash;
        epoch = row.epoch;
        term = row.term;
        for (const Revocation& request : step.requests) {
            tree.punctures.insert(tree.punctures.end(), request.addresses.begin(),
                                  request.addresses.end());
        }
        tree.opens.insert(tree.opens.end(), step.opens.begin(), step.opens.end());
    }
    const ChainRow& last = change.steps.back().row;
    if (last.members != members_hash(change.members)) refuse("its members are others");
    if (last.root_hash != root_hash(change.diff.root)) refuse("its root is another");

    tree.punctures = normalise(std::move(tree.punctures));
    std::sort(tree.opens.begin(), tree.opens.end());
    const RootSlot old_root = open_root_of(plane_, *live_slot_);
    const auto view = plane_.store->read();
    const Steps steps = change.steps.size() == 1 ? Steps::one : Steps::several;
    if (!permits_change(KeeperRows::members(*view), change.members, steps)) {
        refuse("its members do not follow from those before");
    }
    if (!is_registered(change.members, name_.keeper)) refuse("it does not list this keeper");
    check_opens(*view, tree.opens);
    const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
    const bool good =
        change.steps.size() == 1
            ? check_diff(old_root, tree, change.diff, pages)
            : check_diff(old_root, tree, with_one_epoch(change.diff, last.epoch), pages);
    if (!good) refuse("its pages do something else than what was asked");
}

// A bank that is in use must never get another seed. The register rises when all keepers have the
// bank, so one that was opened by a group that failed may be opened again.
void Keeper::check_opens(const store::ReadView& view, const std::vector<Path>& opens) const {
    if (opens.empty()) return;
    const RegisterMap registers = rows().registers(view);
    for (const Path& path : opens) {
        const std::optional<BankAddress> address = bank_address(path);
        if (!address) refuse("it opens something else than a bank");
        const auto found =
            registers.find({RegisterKind::next_bank, address->tenant,
                            static_cast<std::uint16_t>(address->people_or_handles), 0});
        if (found != registers.end() && address->bank < found->second) {
            refuse("it opens a bank that is in use");
        }
    }
}

Acknowledgement Keeper::advance(const Advance& change) {
    const std::lock_guard lock{mutex_};
    require_usable();
    OBL_ASSERT(live_slot_.has_value());
    check_advance(change);

    const ChainRow& last = change.steps.back().row;
    const auto write = [&](store::WriteView& view) {
        for (const PageId& id : change.diff.deletes) (void)view.remove(table::kPages, id);
        for (const auto& [id, record] : change.diff.pages) view.put(table::kPages, id, record);
        for (const EpochStep& step : change.steps) {
            KeeperRows::put_row(view, {step.row, false, {}});
            rows().put_step(view, step);
        }
        KeeperRows::put_members(view, change.members);
        KeeperRows::prune_rows(view, std::min(change.chain_floor, last.epoch));
    };
    const StoredRow row{last, true, request_root(leaves_of(change.steps, 0))};
    return commit(plane_, change.diff.root, Commit{row, write});
}

// ---- k1 to k4 ----

void Keeper::write_anchor(unsigned slot, const crypto::Anchor& anchor, std::uint64_t epoch) {
    const Cell::Header header{name_.vault, name_.keeper, cell_->cell_class()};
    cell_->write(slot, header, kek_, {anchor.duplicate(), sequence_ + 1, epoch});
    // The root is about to depend on this anchor alone: it must be in the cell, not only in RAM.
    const std::optional<CellContent> written = open_slot(slot);
    if (!written || !crypto::equal_constant_time(written->anchor.expose(), anchor.expose())) {
        throw Fault{FaultKind::storage, "the cell does not hold what was written to it"};
    }
}

Acknowledgement Keeper::commit(Plane& target, const RootSlot& root, const Commit& next) {
    const ExclusiveHold hold{io_};
    const unsigned slot = live_slot_ ? 1 - *live_slot_ : 0;
    const PlaneHead head{next.row.row.epoch, next.row.row.term, next.row.row.previous_hash,
                         next.row.row.hash, next.row.row.members};
    is_broken_ = true;  // until all of it is done
    {
        const crypto::Anchor anchor = crypto::Anchor::generate();
        write_anchor(slot, anchor, head.epoch);  // k1
        const Bytes record = seal_root(anchor, name_, head, root);
        target.store->write([&](store::WriteView& view) {  // k2
            view.use_reserve();  // erasing must work when the disk is full for everything else
            next.rows(view);
            KeeperRows::put_row(view, next.row);
            KeeperRows::put_root_record(view, record);
        });
    }
    // Both from the disk: if this does not open, the old anchor must not go either.
    if (root_hash(open_root_of(target, slot)) != next.row.row.root_hash) {
        throw Fault{FaultKind::corrupt, "the new root is not the one that was written"};
    }
    cell_->erase(1 - slot);  // k3
    if (!cell_->in_place()) {
        throw Fault{FaultKind::storage,
                    "the cell of " + directory_.string() +
                        " was moved by its file system: its overwrites erase nothing any more"};
    }
    ++sequence_;
    live_slot_ = slot;
    head_ = head;
    is_broken_ = false;
    return sign(next.row);  // k4
}

// ---- Rebuild and founding ----

namespace {

// Copies every page that `root` reaches. The source's snapshot is held for the whole walk: its
// writer is the caller, who waits.
void copy_pages(const RootSlot& root, const store::Store& source, store::Store& target,
                FileLock& io) {
    std::vector<std::pair<PageId, Bytes>> batch;
    const auto flush = [&] {
        const ExclusiveHold hold{io};
        target.write([&](store::WriteView& view) {
            for (const auto& [id, record] : batch) view.put(table::kPages, id, record);
        });
        batch.clear();
    };
    const auto view = source.read();
    const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
    const bool good = walk(root, pages, [&](const PageId& id, ByteView record, const Page&) {
        batch.emplace_back(id, Bytes{record.begin(), record.end()});
        if (batch.size() == kCopyBatch) flush();
        return true;
    });
    if (!good) throw Fault{FaultKind::corrupt, "the keeper to copy from has a damaged page"};
    flush();
}

}  // namespace

Acknowledgement Keeper::rebuild(const RootSlot& root, const store::Store& source,
                                const std::vector<EpochStep>& steps, const Members& members,
                                const Memory& memory, std::uint64_t own_epoch) {
    const std::lock_guard lock{mutex_};
    require_usable();
    if (steps.empty()) refuse("its chain has no step to copy up to");
    const ChainRow& last = steps.back().row;
    if (!is_consistent(name_.vault, last) || last.root_hash != root_hash(root) ||
        last.members != members_hash(members)) {
        refuse("the plane to copy is not the one of its chain");
    }
    if (!is_registered(members, name_.keeper)) refuse("it does not list this keeper");
    unsigned number = 0;
    for (const unsigned n : plane_numbers(directory_)) {
        number = std::max(number, n);
        // What a rebuild left that was cut off before its k2.
        if (live_slot_ && n != plane_.number) remove_durably(plane_path(directory_, n));
    }
    Plane plane;
    {
        const ExclusiveHold hold{io_};
        plane = open_plane(number + 1);
    }
    copy_pages(root, source, *plane.store, io_);
    const auto write = [&](store::WriteView& view) {
        for (const EpochStep& step : steps) {
            KeeperRows::put_row(view, {step.row, false, {}});
            rows().put_step(view, step);
        }
        KeeperRows::put_members(view, members);
        rows().put_memory(view, memory);
    };
    // Without a live pair nothing of the cell is needed: no old anchor may outlive the rebuild.
    if (!live_slot_) {
        const ExclusiveHold hold{io_};
        cell_->erase(0);
        cell_->erase(1);
    }
    const StoredRow row{last, true, request_root(leaves_of(steps, own_epoch))};
    const Acknowledgement ack = commit(plane, root, Commit{row, write});
    adopt(std::move(plane), *live_slot_, sequence_);
    return ack;
}

void Keeper::found(std::uint64_t term) {
    const std::lock_guard lock{mutex_};
    require_usable();
    OBL_ASSERT(!live_slot_);
    const RootSlot root{NodeTag::seed, crypto::PageKey::generate()};
    const Members members{
        {name_.keeper, signing_->public_key(), cell_->cell_class(), MemberStatus::active, 0}};
    ChainRow row;
    row.epoch = 1;
    row.term = term;
    row.root_hash = root_hash(root);
    row.members = members_hash(members);
    row.request_root = request_root({});
    row.hash = plane_hash(name_.vault, row.epoch, row.previous_hash, row.root_hash, row.members);
    Plane plane = open_plane(1);
    (void)commit(plane, root, Commit{{row, true, row.request_root}, [&](store::WriteView& view) {
                                         KeeperRows::put_members(view, members);
                                     }});
    adopt(std::move(plane), *live_slot_, sequence_);
}

}  // namespace oubliette::keys
