#include "vault/keys/reconcile.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace oubliette::keys {
namespace {

constexpr unsigned kLeafFirst = 64;       // heap number of a page's first child
constexpr std::size_t kMergeBatch = 256;  // dead prefixes of a fork that go into one group

using Keepers = std::vector<std::shared_ptr<Keeper>>;

// ---- What is dead in a plane ----

void collect_dead(const Page& page, const Path& prefix, unsigned node, unsigned depth,
                  std::vector<Path>* out) {
    const std::optional<NodeTag> tag = page.tag(node);
    if (tag == NodeTag::dead) out->push_back(prefix.child(node - (1U << depth), depth));
    if (tag != NodeTag::split) return;
    collect_dead(page, prefix, 2 * node, depth + 1, out);
    collect_dead(page, prefix, 2 * node + 1, depth + 1, out);
}

// Every maximal dead prefix.
std::vector<Path> dead_paths(const Keeper& keeper) {
    const RootSlot root = keeper.read_root();
    std::vector<Path> dead;
    if (root.tag == NodeTag::dead) dead.emplace_back();
    const auto source = keeper.store();
    const auto view = source->read();
    const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
    const bool good = walk(root, pages, [&](const PageId& id, ByteView, const Page& page) {
        collect_dead(page, prefix_of(id), 1, 0, &dead);
        return true;
    });
    if (!good) throw Fault{FaultKind::corrupt, "a page of a keeper that forked is damaged"};
    return dead;
}

// ---- The difference between a laggard and the newest ----

// Collects the pages that are newer than the laggard, and the laggard's pages that the newest does
// not have any more. A page cannot change without the pages above it.
class Difference {
public:
    Difference(const store::ReadView& newer, const store::ReadView& older, std::uint64_t epoch)
        : newer_(newer), older_(older), epoch_(epoch) {}

    // False if there are too many pages or one does not open.
    [[nodiscard]] bool collect(const crypto::PageKey& key, const Path& prefix) {
        const PageId id = page_id(prefix);
        std::optional<Bytes> record = KeeperRows::page(newer_, id);
        if (!record) return false;
        const std::optional<std::uint64_t> written = page_epoch(*record);
        if (!written) return false;
        if (*written <= epoch_) return true;
        const std::optional<Page> page = open_page(key, id, *record);
        if (!page || diff_.pages.size() >= kDiffPagesMax) return false;
        diff_.pages.emplace(id, std::move(*record));
        if (prefix.bits() + kLevelBits > kPathBitsMax - kLevelBits) return true;
        for (unsigned child = 0; child < kLeafFirst; ++child) {
            const Path below = prefix.child(child, kLevelBits);
            if (page->tag(kLeafFirst + child) != NodeTag::child) {
                drop_below(below);
            } else if (!collect(crypto::PageKey{page->key(kLeafFirst + child)}, below)) {
                return false;
            }
        }
        return true;
    }

    [[nodiscard]] TreeDiff take(const RootSlot& root) {
        diff_.root = root.duplicate();
        return std::move(diff_);
    }

private:
    // The rest of them are orphans: nothing reaches or opens them.
    void drop_below(const Path& prefix) {
        if (diff_.deletes.size() >= kDiffPagesMax) return;
        const PageId id = page_id(prefix);
        if (!older_.get(table::kPages, id)) return;
        diff_.deletes.insert(id);
        if (prefix.bits() + kLevelBits > kPathBitsMax - kLevelBits) return;
        for (unsigned child = 0; child < kLeafFirst; ++child) {
            drop_below(prefix.child(child, kLevelBits));
        }
    }

    const store::ReadView& newer_;
    const store::ReadView& older_;
    const std::uint64_t epoch_;
    TreeDiff diff_;
};

std::optional<Advance> prepare_catch_up(const Keeper& laggard, const Keeper& newest) {
    Advance change;
    change.steps = newest.steps_after(laggard.head().epoch);
    change.members = newest.members();
    const RootSlot root = newest.read_root();
    const auto newer_store = newest.store();
    const auto older_store = laggard.store();
    const auto newer = newer_store->read();
    const auto older = older_store->read();
    Difference difference{*newer, *older, laggard.head().epoch};
    if (root.tag == NodeTag::child && !difference.collect(root.key, Path{})) return std::nullopt;
    change.diff = difference.take(root);
    return change;
}

// ---- Bringing one keeper up ----

// Everything the newest stores, and a full copy of its tree.
void copy_whole(Keeper& target, const Keeper& newest, const Memory& memory,
                std::uint64_t own_epoch) {
    (void)target.rebuild(newest.read_root(), *newest.store(), newest.steps_after(0),
                         newest.members(), memory, own_epoch);
}

void catch_up(Keeper& laggard, const Keeper& newest, const Memory& memory) {
    const std::uint64_t own_epoch = laggard.head().epoch;
    std::optional<Advance> change = prepare_catch_up(laggard, newest);
    if (change) {
        try {
            (void)laggard.advance(*change);
            return;
        } catch (const Fault& fault) {
            // It refused and nothing has changed: what it has may be damaged, so copy it all.
            if (fault.kind() != FaultKind::conflict) throw;
        }
    }
    copy_whole(laggard, newest, memory, own_epoch);
}

bool is_on_chain(const Keeper& newest, const PlaneHead& head) {
    const auto source = newest.store();
    const std::optional<StoredRow> row = KeeperRows::row(*source->read(), head.epoch);
    return row && row->row.hash == head.hash;
}

// ---- Forks ----

// What a fork leaves to do: its requests that the newest does not know, and dead prefixes that
// none of them names.
std::vector<Revocation> requests_of_fork(const Keeper& fork, const Keeper& newest) {
    std::vector<Revocation> requests;
    const auto fork_store = fork.store();
    const auto newest_store = newest.store();
    const auto view = fork_store->read();
    const auto newest_view = newest_store->read();
    std::vector<Path> named;
    for (const auto& [id, epoch] : KeeperRows::request_ids(*view)) {
        if (newest.rows().request(*newest_view, id)) continue;
        std::optional<Revocation> request = fork.rows().request(*view, id);
        if (!request) continue;
        named.insert(named.end(), request->addresses.begin(), request->addresses.end());
        requests.push_back(std::move(*request));
    }
    named = normalise(std::move(named));
    const RootSlot root = newest.read_root();
    const auto pages = [&](const PageId& id) { return KeeperRows::page(*newest_view, id); };
    std::vector<Path> rest;
    for (const Path& path : dead_paths(fork)) {
        const bool is_named = std::any_of(named.begin(), named.end(), [&](const Path& other) {
            return other.is_prefix_of(path);
        });
        if (!is_named && derive(root, path, pages).state != NodeState::dead) rest.push_back(path);
    }
    std::sort(rest.begin(), rest.end());
    for (std::size_t at = 0; at < rest.size(); at += kMergeBatch) {
        Revocation request;
        crypto::random_bytes(request.id);
        crypto::random_bytes(request.blind);
        request.scope = RevocationScope::superseded;
        const std::size_t end = std::min(at + kMergeBatch, rest.size());
        request.addresses.assign(rest.begin() + static_cast<std::ptrdiff_t>(at),
                                 rest.begin() + static_cast<std::ptrdiff_t>(end));
        requests.push_back(std::move(request));
    }
    return requests;
}

// ---- All of them ----

bool has_readable_rows(const Keeper& keeper) {
    try {
        (void)keeper.memory();
        return true;
    } catch (const Fault& fault) {
        if (fault.kind() != FaultKind::corrupt) throw;
        return false;
    }
}

// Of two that are equally far, the one whose rows beside the tree can be read: it mends the other.
std::size_t find_newest(const Keepers& keepers) {
    std::optional<std::size_t> newest;
    std::tuple<std::uint64_t, std::uint64_t, bool> best;
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        if (!keepers[i]->is_whole()) continue;
        const PlaneHead head = keepers[i]->head();
        const std::tuple rank{head.term, head.epoch, has_readable_rows(*keepers[i])};
        if (newest && rank <= best) continue;
        newest = i;
        best = rank;
    }
    OBL_ASSERT(newest.has_value());
    return *newest;
}

class Reconciler {
public:
    explicit Reconciler(const Keepers& keepers)
        : keepers_(keepers),
          newest_(find_newest(keepers)),
          states_(keepers.size()),
          must_copy_(keepers.size()) {}

    std::vector<Reconciled> run() {
        merge_memories();
        // First those that are on the chain, so that a merge of forks finds them in sync.
        for (std::size_t i = 0; i < keepers_.size(); ++i) sort_out(i);
        for (const std::size_t fork : forks_) merge_fork(fork);
        for (std::size_t i = 0; i < keepers_.size(); ++i) {
            if (must_copy_[i]) copy(i);
        }
        for (std::size_t i = 0; i < keepers_.size(); ++i) {
            if (states_[i].is_in_sync) write_memory(i);
        }
        return std::move(states_);
    }
    [[nodiscard]] std::size_t newest() const noexcept { return newest_; }

private:
    [[nodiscard]] Keeper& first() const { return *keepers_[newest_]; }

    void leave_out(std::size_t i, const std::string& why) {
        must_copy_[i] = false;
        states_[i] = {false, why};
    }

    void merge_memories() {
        memory_ = first().memory();
        for (std::size_t i = 0; i < keepers_.size(); ++i) {
            if (i == newest_ || !keepers_[i]->is_whole()) continue;
            try {
                merge_memory(memory_, keepers_[i]->memory());
            } catch (const Fault& fault) {
                if (fault.kind() != FaultKind::corrupt) throw;
                must_copy_[i] = true;
                states_[i].note = "a row beside its tree was damaged: rebuilt from its peer";
            }
        }
        const auto source = first().store();
        const auto view = source->read();
        std::erase_if(memory_.pending, [&](const Revocation& request) {
            return first().rows().request(*view, request.id).has_value();
        });
    }

    // In sync, on the chain, on a fork, or not whole.
    void sort_out(std::size_t i) {
        Keeper& keeper = *keepers_[i];
        if (!keeper.is_whole()) {
            must_copy_[i] = true;
            states_[i].note = "no pair of cell and plane opened: rebuilt from its peer";
            return;
        }
        const PlaneHead own = keeper.head();
        epoch_ = std::max(epoch_, own.epoch);
        term_ = std::max(term_, own.term);
        try {
            const bool is_same = own.hash == first().head().hash;
            if (!is_same && !is_on_chain(first(), own)) {
                forks_.push_back(i);
                return;
            }
            if (must_copy_[i]) return;
            if (!is_same) catch_up(keeper, first(), memory_);
            states_[i].is_in_sync = true;
        } catch (const Fault& fault) {
            if (i == newest_) throw;
            leave_out(i, fault.what());
        }
    }

    void merge_fork(std::size_t i) {
        const std::string epoch = std::to_string(keepers_[i]->head().epoch);
        std::vector<Revocation> requests;
        try {
            requests = requests_of_fork(*keepers_[i], first());
        } catch (const Fault& fault) {
            // What is dead in it cannot be told, so it must not be given up: a person looks at it.
            leave_out(i, "it went another way than its peer at epoch " + epoch +
                             " and cannot be merged: " + fault.what());
            return;
        }
        for (Revocation& request : requests) run_request(std::move(request));
        must_copy_[i] = true;
        states_[i].note = "its state of epoch " + epoch +
                          " was not on its peer's chain (a copy put back, or a fork): it was "
                          "merged and rebuilt; if you restored a copy, erased keys were in it";
    }

    // One group on the newest and all that are in sync with it, above every epoch there was: if
    // the copy to a fork is cut off between its k2 and k3, the new pair must win.
    void run_request(Revocation request) {
        const RootSlot root = first().read_root();
        const Members members = first().members();
        const PlaneHead head = first().head();
        epoch_ = std::max(epoch_, head.epoch) + 1;
        const GroupOrder order{first().name().vault, head, epoch_, term_, members, root};
        std::optional<Advance> change;
        {
            const auto source = first().store();
            const auto view = source->read();
            const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
            std::vector<Revocation> one;
            one.push_back(std::move(request));
            change = prepare_group(order, std::move(one), {}, pages);
        }
        if (!change) {
            throw Fault{FaultKind::storage, "a request of a fork needs too many pages at once"};
        }
        (void)first().advance(*change);
        for (std::size_t i = 0; i < keepers_.size(); ++i) {
            if (i == newest_ || !states_[i].is_in_sync) continue;
            try {
                (void)keepers_[i]->advance(*change);
            } catch (const Fault& fault) {
                leave_out(i, fault.what());
            }
        }
    }

    void copy(std::size_t i) {
        try {
            copy_whole(*keepers_[i], first(), memory_, 0);
            states_[i].is_in_sync = true;
        } catch (const Fault& fault) {
            leave_out(i, fault.what());
        }
    }

    void write_memory(std::size_t i) {
        try {
            const Memory mine = keepers_[i]->memory();
            const bool holds_all = mine.registers == memory_.registers &&
                                   mine.state == memory_.state &&
                                   mine.pending.size() == memory_.pending.size();
            if (!holds_all) keepers_[i]->write_memory(memory_);
        } catch (const Fault& fault) {
            if (i == newest_) throw;
            leave_out(i, fault.what());
        }
    }

    const Keepers& keepers_;
    const std::size_t newest_;
    std::vector<Reconciled> states_;
    std::vector<bool> must_copy_;
    std::vector<std::size_t> forks_;
    Memory memory_;
    std::uint64_t epoch_ = 0;  // the highest of any keeper
    std::uint64_t term_ = 0;
};

}  // namespace

std::optional<Advance> prepare_group(const GroupOrder& order, std::vector<Revocation> requests,
                                     std::vector<Path> opens, PageSource pages) {
    std::sort(requests.begin(), requests.end(),
              [](const Revocation& a, const Revocation& b) { return a.id < b.id; });
    EpochStep step;
    TreeChange change;
    for (const Revocation& request : requests) {
        step.leaves.push_back({request.id, request_digest(request)});
        change.punctures.insert(change.punctures.end(), request.addresses.begin(),
                                request.addresses.end());
    }
    change.punctures = normalise(std::move(change.punctures));
    std::sort(opens.begin(), opens.end());
    change.opens = opens;
    std::optional<TreeDiff> diff = apply_change(order.root, change, order.epoch, pages);
    if (!diff) return std::nullopt;

    step.row.epoch = order.epoch;
    step.row.term = order.term;
    step.row.previous_hash = order.head.hash;
    step.row.root_hash = root_hash(diff->root);
    step.row.members = members_hash(order.members);
    step.row.request_root = request_root(step.leaves);
    step.row.hash =
        plane_hash(order.vault, order.epoch, order.head.hash, step.row.root_hash, step.row.members);
    step.requests = std::move(requests);
    step.opens = std::move(opens);
    Advance advance;
    advance.steps.push_back(std::move(step));
    advance.members = order.members;
    advance.diff = std::move(*diff);
    return advance;
}

std::vector<Reconciled> reconcile(const Keepers& keepers, std::size_t* newest) {
    Reconciler reconciler{keepers};
    *newest = reconciler.newest();
    return reconciler.run();
}

}  // namespace oubliette::keys
