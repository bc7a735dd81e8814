#include "vault/keys/reconcile.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace oubliette::keys {
namespace {

constexpr unsigned kLeafFirst = 64;       // heap number of a page's first child
constexpr std::size_t kMergeBatch = 256;  // dead prefixes of a fork that go into one group

using Keepers = std::vector<std::shared_ptr<Keeper>>;

// ---- What is dead in a plane -----------------------------------------------------------------

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

// ---- The difference between a laggard and the newest -------------------------------------------

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

// ---- Bringing one keeper up
// ----------------------------------------------------------------------

std::string number_text(std::uint64_t number) {
    return std::to_string(number);
}

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

// ---- Forks -------------------------------------------------------------------------------------

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

// Runs `requests` as groups on the newest and all that are in sync with it.
void run_requests(const Keepers& keepers, std::vector<Reconciled>& states, std::size_t newest,
                  std::vector<Revocation> requests, std::uint64_t epoch, std::uint64_t term) {
    for (Revocation& request : requests) {
        const Keeper& first = *keepers[newest];
        const RootSlot root = first.read_root();
        const Members members = first.members();
        const PlaneHead head = first.head();
        const GroupOrder order{first.name().vault,        head,    std::max(epoch, head.epoch) + 1,
                               std::max(term, head.term), members, root};
        std::optional<Advance> change;
        {
            const auto source = first.store();
            const auto view = source->read();
            const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
            std::vector<Revocation> one;
            one.push_back(std::move(request));
            change = prepare_group(order, std::move(one), {}, pages);
        }
        if (!change) {
            throw Fault{FaultKind::storage, "a request of a fork needs too many pages at once"};
        }
        (void)keepers[newest]->advance(*change);
        for (std::size_t i = 0; i < keepers.size(); ++i) {
            if (i == newest || !states[i].is_in_sync) continue;
            try {
                (void)keepers[i]->advance(*change);
            } catch (const Fault& fault) {
                states[i] = {false, fault.what()};
            }
        }
    }
}

// ---- All of them
// ---------------------------------------------------------------------------------

std::size_t find_newest(const Keepers& keepers) {
    std::optional<std::size_t> newest;
    std::pair<std::uint64_t, std::uint64_t> best;
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        if (!keepers[i]->is_whole()) continue;
        const PlaneHead head = keepers[i]->head();
        const std::pair rank{head.term, head.epoch};
        if (newest && rank <= best) continue;
        newest = i;
        best = rank;
    }
    OBL_ASSERT(newest.has_value());
    return *newest;
}

Memory merged_memory(const Keepers& keepers, std::size_t newest, std::vector<Reconciled>& states) {
    Memory memory = keepers[newest]->memory();
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        if (i == newest || !keepers[i]->is_whole()) continue;
        try {
            merge_memory(memory, keepers[i]->memory());
        } catch (const Fault& fault) {
            if (fault.kind() != FaultKind::corrupt) throw;
            states[i].note = "a row beside its tree was damaged: it was rebuilt from its peer";
        }
    }
    const auto source = keepers[newest]->store();
    const auto view = source->read();
    std::erase_if(memory.pending, [&](const Revocation& request) {
        return keepers[newest]->rows().request(*view, request.id).has_value();
    });
    return memory;
}

bool holds(const Keeper& keeper, const Memory& memory) {
    Memory mine = keeper.memory();
    return mine.registers == memory.registers && mine.state == memory.state &&
           mine.pending.size() == memory.pending.size();
}

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

std::vector<Reconciled> reconcile(const Keepers& keepers, std::size_t* newest_out) {
    const std::size_t newest = find_newest(keepers);
    *newest_out = newest;
    const PlaneHead head = keepers[newest]->head();
    std::vector<Reconciled> states(keepers.size());
    const Memory memory = merged_memory(keepers, newest, states);
    std::uint64_t epoch = head.epoch;
    std::uint64_t term = head.term;
    std::vector<std::size_t> forks;
    std::vector<std::size_t> to_copy;

    // First those that are on the chain, so that a merge finds them in sync.
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        Keeper& keeper = *keepers[i];
        if (!keeper.is_whole()) {
            states[i].note = "no pair of cell and plane opened: rebuilt from its peer";
        }
        if (!states[i].note.empty()) {
            to_copy.push_back(i);
            continue;
        }
        const PlaneHead own = keeper.head();
        epoch = std::max(epoch, own.epoch);
        term = std::max(term, own.term);
        try {
            if (own.hash == head.hash) {
                states[i].is_in_sync = true;
            } else if (is_on_chain(*keepers[newest], own)) {
                catch_up(keeper, *keepers[newest], memory);
                states[i].is_in_sync = true;
            } else {
                forks.push_back(i);
            }
        } catch (const Fault& fault) {
            if (i == newest) throw;
            states[i] = {false, fault.what()};
        }
    }
    for (const std::size_t i : forks) {
        const PlaneHead own = keepers[i]->head();
        std::vector<Revocation> requests;
        try {
            requests = requests_of_fork(*keepers[i], *keepers[newest]);
        } catch (const Fault& fault) {
            // What is dead in it cannot be told, so it must not be given up: a person looks at it.
            states[i] = {false, "it went another way than its peer at epoch " +
                                    number_text(own.epoch) +
                                    " and cannot be merged: " + fault.what()};
            continue;
        }
        run_requests(keepers, states, newest, std::move(requests), epoch, term);
        to_copy.push_back(i);
        states[i].note = "its state of epoch " + number_text(own.epoch) +
                         " was not on its peer's chain (a copy put back, or a fork): it was "
                         "merged and rebuilt; if you restored a copy, erased keys were in it";
    }
    for (const std::size_t i : to_copy) {
        try {
            copy_whole(*keepers[i], *keepers[newest], memory, 0);
            states[i].is_in_sync = true;
        } catch (const Fault& fault) {
            states[i].note = fault.what();
        }
    }
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        if (!states[i].is_in_sync) continue;
        try {
            if (!holds(*keepers[i], memory)) keepers[i]->write_memory(memory);
        } catch (const Fault& fault) {
            if (i == newest) throw;
            states[i] = {false, fault.what()};
        }
    }
    return states;
}

}  // namespace oubliette::keys
