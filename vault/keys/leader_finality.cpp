#include <algorithm>
#include <bit>
#include <utility>

#include "crypto/merkle.hpp"
#include "vault/keys/leader.hpp"

// When an applied group is final: all registered keepers acknowledged that very hash or a later
// one of the chain (KEYS 6.1 L5), and the requests that began before the group have ended (L4).

namespace oubliette::keys {
namespace {

std::string key_of(const RequestId& id) {
    return std::string{text_of(id)};
}

// The inclusion proofs of all leaves at once (RFC 6962 2.1.1): one by one they would cost a hash of
// the whole tree each. Returns the root of `leaves`.
crypto::Hash prove_all(std::span<const crypto::Hash> leaves,
                       std::span<std::vector<crypto::Hash>> proofs) {
    if (leaves.size() == 1) return leaves.front();
    const std::size_t left_size = std::bit_floor(leaves.size() - 1);
    const crypto::Hash left = prove_all(leaves.first(left_size), proofs.first(left_size));
    const crypto::Hash right = prove_all(leaves.subspan(left_size), proofs.subspan(left_size));
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        proofs[i].push_back(i < left_size ? right : left);
    }
    return crypto::merkle_node(left, right);
}

}  // namespace

// A request that an earlier group applied: its group waits again, with what the keepers store.
void Leader::wait_for_final(std::uint64_t epoch, Task& task) {
    if (!task.final) return;
    const auto found = waiting_.find(epoch);
    if (found != waiting_.end()) {
        found->second.requests.push_back(task.revocation);
        found->second.finals.emplace_back(task.revocation.id, std::move(task.final));
        return;
    }
    Waiting waiting;
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        try {
            if (auto ack = keeper->acknowledge(epoch)) waiting.acks.emplace(ack->keeper, *ack);
            const auto source = keeper->store();
            const auto view = source->read();
            const std::optional<StoredRow> row = KeeperRows::row(*view, epoch);
            if (!row || !waiting.leaves.empty()) continue;
            waiting.row = row->row;
            waiting.leaves = KeeperRows::leaves(*view, epoch);
        } catch (const Fault& fault) {
            take_out(*keeper, fault.what());
        }
    }
    waiting.requests.push_back(task.revocation);
    waiting.finals.emplace_back(task.revocation.id, std::move(task.final));
    waiting.turn = gate_.turn();
    {
        const std::lock_guard lock{mutex_};
        waiting.count = 1;
        waiting_count_ += waiting.count;
    }
    waiting_.emplace(epoch, std::move(waiting));
}

void Leader::add_ack(const Acknowledgement& ack) {
    std::uint64_t& latest = acknowledged_[ack.keeper];
    latest = std::max(latest, ack.epoch);
    for (auto& [epoch, waiting] : waiting_) {
        if (epoch <= ack.epoch) waiting.acks.emplace(ack.keeper, ack);
    }
}

bool Leader::is_acknowledged(const Waiting& waiting) const {
    const bool lost = lost_a_keeper(waiting);
    return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
        if (member.status == MemberStatus::expelled) return true;
        if (!waiting.acks.contains(member.id)) return false;
        // Whoever is left must have signed that somebody is not waited for any more.
        const auto latest = acknowledged_.find(member.id);
        return !lost || (latest != acknowledged_.end() && latest->second >= members_epoch_);
    });
}

// True if a keeper that had not acknowledged the group was expelled after it.
bool Leader::lost_a_keeper(const Waiting& waiting) const {
    if (waiting.row.members == head_.members) return false;
    return std::any_of(members_.begin(), members_.end(), [&](const Member& member) {
        return member.status == MemberStatus::expelled && !waiting.acks.contains(member.id);
    });
}

// Every registered keeper is past it.
std::uint64_t Leader::chain_floor() const {
    std::uint64_t floor = head_.epoch;
    for (const Member& member : members_) {
        if (member.status == MemberStatus::expelled) continue;
        const auto found = acknowledged_.find(member.id);
        floor = std::min(floor, found == acknowledged_.end() ? 0 : found->second);
    }
    return floor;
}

void Leader::settle() {
    for (auto next = waiting_.begin(); next != waiting_.end();) {
        if (!is_acknowledged(next->second) || !gate_.done(next->second.turn)) {
            ++next;
            continue;
        }
        Finality finality;
        try {
            finality = finality_of(next->second);
        } catch (const Fault&) {
            ++next;  // its chain cannot be read now; a keeper is opened again before the next try
            continue;
        }
        const Waiting waiting = std::move(next->second);
        next = waiting_.erase(next);
        {
            const std::lock_guard lock{mutex_};
            waiting_count_ -= waiting.count;
        }
        report(waiting, std::move(finality));
    }
}

// The keepers that took a group may all have gone, and an older one have come back: then the group
// is not on the chain any more. Its requests stay dead and run again; an acknowledgement of that
// epoch would be for another tree. REQUIRES: called before the tree of `newest` is published.
void Leader::run_again_what_is_lost(const Keeper& newest) {
    const std::uint64_t head_epoch = newest.head().epoch;
    const auto source = newest.store();
    const auto view = source->read();
    for (auto next = waiting_.begin(); next != waiting_.end();) {
        const std::optional<StoredRow> row = KeeperRows::row(*view, next->first);
        // Without a row, but before the head: every keeper has passed it, and it was pruned.
        const bool is_on_chain =
            row ? row->row.hash == next->second.row.hash : next->first <= head_epoch;
        if (is_on_chain) {
            ++next;
            continue;
        }
        run_again(std::move(next->second));
        next = waiting_.erase(next);
    }
}

// REQUIRES: the caller removes the group from waiting_.
void Leader::run_again(Waiting lost) {
    for (const auto& done : lost.done) {
        const Fault fault{FaultKind::storage, "the keepers that took the change are away"};
        done->set_exception(std::make_exception_ptr(fault));
    }
    Tasks tasks;
    for (Revocation& request : lost.requests) {
        Task task;
        for (auto& [id, final] : lost.finals) {
            if (id != request.id || !final) continue;
            if (task.final) tasks.push_back(task);
            task.final = std::move(final);
            task.revocation = request;
        }
        task.revocation = std::move(request);
        tasks.push_back(std::move(task));
    }
    for (const Task& task : tasks) tree_.mark_dead(task.revocation.addresses);
    const std::lock_guard lock{mutex_};
    for (Task& task : tasks) {
        applied_.erase(key_of(task.revocation.id));
        queue_.push_back(std::move(task));
    }
    waiting_count_ -= lost.count;
}

// The rows from the group to the latest acknowledgement.
std::vector<ChainRow> Leader::chain_of(const Waiting& waiting, std::uint64_t last) const {
    std::vector<ChainRow> chain;
    if (last > waiting.row.epoch) {
        for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
            const auto source = keeper->store();
            for (const StoredRow& row : KeeperRows::rows_from(*source->read(), waiting.row.epoch)) {
                if (row.row.epoch <= last) chain.push_back(row.row);
            }
            if (!chain.empty() && chain.front().hash == waiting.row.hash) return chain;
            chain.clear();
        }
    }
    chain.push_back(waiting.row);
    return chain;
}

Finality Leader::finality_of(const Waiting& waiting) const {
    Finality finality;
    finality.epoch = waiting.row.epoch;
    finality.hash_before = waiting.row.previous_hash;
    finality.hash_after = waiting.row.hash;
    std::vector<Acknowledgement>& acks = finality.acknowledgements;
    for (const auto& [id, ack] : waiting.acks) acks.push_back(ack);
    // A receipt shows the members as of its last row, and that is where they changed.
    if (waiting.row.members != head_.members) {
        for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
            if (auto ack = keeper->acknowledge(members_epoch_)) acks.push_back(*ack);
        }
    }
    std::uint64_t last = waiting.row.epoch;
    for (const Acknowledgement& ack : acks) last = std::max(last, ack.epoch);
    finality.chain = chain_of(waiting, last);
    finality.members = encode_members(members_);
    finality.request_count = waiting.leaves.size();
    finality.irrecoverable_after = clock_.now();
    return finality;
}

void Leader::report(const Waiting& waiting, Finality finality) {
    for (const auto& done : waiting.done) done->set_value();
    std::vector<crypto::Hash> hashes;
    for (const RequestLeaf& leaf : waiting.leaves) {
        hashes.push_back(crypto::merkle_leaf(leaf.digest));
    }
    std::vector<std::vector<crypto::Hash>> proofs(hashes.size());
    if (!hashes.empty()) (void)prove_all(hashes, proofs);
    for (const auto& [id, final] : waiting.finals) {
        const auto leaf =
            std::lower_bound(waiting.leaves.begin(), waiting.leaves.end(), id,
                             [](const RequestLeaf& a, const RequestId& b) { return a.id < b; });
        if (leaf == waiting.leaves.end() || leaf->id != id) continue;
        finality.request_index = static_cast<std::uint64_t>(leaf - waiting.leaves.begin());
        finality.request_proof = proofs[finality.request_index];
        final(finality);
    }
}

}  // namespace oubliette::keys
