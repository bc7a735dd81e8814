#include <algorithm>
#include <future>

#include "vault/core.hpp"
#include "vault/receipt.hpp"
#include "vault/tables.hpp"

// The way of every revocation after its queue row is committed (KEYS 4.6, 6.1): the key plane
// destroys, then the data plane records that it is final, then the rows go.

namespace oubliette {
namespace {

using keys::NodeState;

constexpr std::size_t kRowsRemovedAtOnce = 1'000;
constexpr auto kPeopleClass = static_cast<std::uint64_t>(keys::AddressClass::people);

// True if a leaf that is not below a person dies: such leaves are cached.
bool touches_shared_leaves(const keys::Revocation& revocation) noexcept {
    return std::ranges::any_of(revocation.addresses, [](const keys::Path& path) {
        constexpr unsigned kClassEnd = 18;  // bits of tenant and class
        return path.bits() < kClassEnd || path.slice(12, 6) != kPeopleClass;
    });
}

}  // namespace

// ---- The queue: what is to die and is not final yet -------------------------------------------

void Core::derive_queue_key() {
    constexpr auto kKind = static_cast<std::uint8_t>(keys::SystemKind::request);
    const auto leaf = leaves->get(keys::system_path(tenant, kKind, 0, 0));
    if (leaf.state == NodeState::dead) return;
    if (leaf.state != NodeState::whole) {
        throw Fault{FaultKind::corrupt, "the key of the queue cannot be derived"};
    }
    queue_key_ = crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system,
                                       keys::subkey::kQueueTag);
}

void Core::enqueue(store::WriteView& view, QueueRow row) const {
    if (queue_key_) row.tag = queue_tag(row, queue_key_->expose());
    write_queued(view, row);
}

bool Core::is_ours(const QueueRow& row) const {
    return queue_key_ && is_authentic(row, queue_key_->expose());
}

// Only rows that are ours: whatever was acknowledged and is not, a keeper remembers.
void Core::resume_revocations() {
    std::vector<QueueRow> rows = read_queue(*store->read());
    damaged_rows_ += std::erase_if(rows, [this](const QueueRow& row) { return !is_ours(row); });
    // What a keeper remembers and this copy of the data does not: it happened, so it is recorded.
    for (const keys::Revocation& revocation : plane->remembered()) {
        const auto same = [&](const QueueRow& row) { return row.revocation.id == revocation.id; };
        if (std::ranges::any_of(rows, same)) continue;
        rows.push_back({revocation, now()});
        committer_->run([&](store::WriteView& view) {
            view.use_reserve();
            enqueue(view, rows.back());
            if (!gets_receipt(revocation.scope) || read_erasure(view, revocation.id)) return;
            ErasureRow erasure;
            erasure.id = revocation.id;
            erasure.scope = revocation.scope;
            erasure.ground = static_cast<Ground>(revocation.ground);
            erasure.accepted = now();
            erasure.commitment = revocation.opening_commitment;
            erasure.blind = revocation.blind;
            erasure.addresses = sorted_addresses(revocation);
            write_erasure(view, erasure);
        });
    }
    for (QueueRow& row : rows) {
        Revoking revoking;
        revoking.row = std::move(row);
        revoke(std::move(revoking), {});
    }
}

// ---- Revoking -------------------------------------------------------------------------------

void Core::revoke(Revoking revoking, std::function<void(const Fault*)> recorded) {
    if (revoking.before) revoke(std::move(*revoking.before), {});
    const auto shared = std::make_shared<Revoking>(std::move(revoking));
    const keys::Revocation& revocation = shared->row.revocation;
    if (gets_receipt(revocation.scope)) ++erasures_waiting_;
    // A person's hot row still says "granted" in every older copy of the data, and only a rollback
    // that is noticed makes it be rebuilt: so the keepers learn of this commit before the answer.
    const bool needs_state = revocation.scope == keys::RevocationScope::consent;
    plane->submit(
        revocation,
        [this, needs_state, recorded = std::move(recorded)](const Fault* fault) {
            if (!recorded) return;
            if (fault != nullptr || !needs_state) return recorded(fault);
            try {
                write_state_record();
            } catch (const Fault& failed) {
                return recorded(&failed);
            }
            recorded(nullptr);
        },
        [this, shared](const keys::Finality& finality) { finish_revocation(shared, finality); });
    if (touches_shared_leaves(revocation)) leaves->clear();
}

void Core::revoke_and_wait(Committer::Work work, Revoking& revoking) {
    const auto promise = std::make_shared<std::promise<void>>();
    auto future = promise->get_future();
    const auto tell = [promise](const Fault* fault) {
        if (fault != nullptr) return promise->set_exception(std::make_exception_ptr(Fault{*fault}));
        promise->set_value();
    };
    committer_->submit(std::move(work), [this, tell, &revoking](const Fault* fault) {
        const bool is_empty = revoking.row.revocation.addresses.empty();
        if (fault != nullptr || is_empty) return tell(fault);
        revoke(std::move(revoking), tell);
    });
    future.get();
}

void Core::finish_revocation(const std::shared_ptr<Revoking>& revoking,
                             const keys::Finality& finality) {
    for (const IndexEntry& entry : revoking->index_entries) {
        index.remove(entry.field, entry.fingerprint, entry.number);
    }
    const bool is_erasure = gets_receipt(revoking->row.revocation.scope);
    const auto work = [this, revoking, finality, is_erasure](store::WriteView& view) {
        view.use_reserve();
        if (is_erasure) return record_final(view, revoking->row.revocation.id, finality);
        remove_queued(view, revoking->row.revocation.id);
    };
    committer_->submit(work, [this, revoking, is_erasure](const Fault* fault) {
        // Not durable: keepers go on remembering, and the next start runs this again.
        if (fault != nullptr) return;
        if (revoking->subject) remove_rows_later(*revoking->subject);
        if (revoking->remove_rows) remove_in_parts(revoking->remove_rows);
        const keys::RequestId id = revoking->row.revocation.id;
        if (!is_erasure) return forget_later(id);
        receipts_->add(id, [this, revoking](const ErasureRow& row) {
            --erasures_waiting_;
            forget_later(row.id);
            if (revoking->on_final) revoking->on_final(row);
        });
    });
}

// L5 of KEYS 6.1: hashes, acknowledgements, final and the receipt's leaf in one transaction. The
// queue row stays until the receipt is signed.
void Core::record_final(store::WriteView& view, const keys::RequestId& id,
                        const keys::Finality& finality) {
    const auto term = view.get(Tables::kMeta, bytes_of(MetaRow::kTerm));
    if (!term || ByteReader{*term}.le64() != term_) {
        throw Fault{FaultKind::conflict, "another process leads this vault; stop one of them"};
    }
    auto erasure = read_erasure(view, id);
    if (!erasure) throw Fault{FaultKind::corrupt, "an erasure's row is missing"};
    if (erasure->state == ErasureState::final) return;  // told again after a start
    erasure->state = ErasureState::final;
    erasure->finality = finality;
    const audit::Entry entry = receipt_entry(plane->vault_id(), *erasure, now());
    Bytes encoded;
    audit::encode(entry, encoded);
    erasure->log.emplace().index = log_->next_index();
    erasure->log->entry = ByteReader{encoded}.array<audit::kEntrySize>();
    log_->append(entry);
    write_erasure(view, *erasure);
}

// Together once a second: each time costs a flush on every keeper.
void Core::forget_later(const keys::RequestId& id) {
    const std::scoped_lock lock{forget_mutex_};
    to_forget_.push_back(id);
}

// What the keepers know by now is signed: a head that they do not know could be followed by
// another history (log_publisher.hpp).
ReceiptIssuer::Head Core::sign_log_head() {
    write_state_record();
    const auto head = publisher->head();
    OBL_ASSERT(head != nullptr);
    ReceiptIssuer::Head signed_head{{}, head->note};
    for (const audit::VerifierKey& key : publisher->verifier_keys()) {
        const auto opened = audit::open_checkpoint(head->note, {&key, 1});
        // A rotation between the two: a receipt must name exactly the keys that signed it.
        if (!std::holds_alternative<audit::Checkpoint>(opened)) {
            throw Fault{FaultKind::conflict, "the log's key is being rotated"};
        }
        signed_head.keys.push_back(key.key);
    }
    return signed_head;
}

// The rows of an erased person are unreadable already; removing them only frees room.
void Core::remove_rows_later(keys::SubjectNumber number) {
    remove_in_parts([this, number](store::WriteView& view, std::size_t count_max) {
        return people->remove_rows(view, number, count_max);
    });
}

void Core::remove_in_parts(RemoveRows remove_rows) {
    const auto is_done = std::make_shared<bool>(false);
    const auto shared = std::make_shared<RemoveRows>(std::move(remove_rows));
    committer_->submit(
        [shared, is_done](store::WriteView& view) {
            view.use_reserve();
            *is_done = (*shared)(view, kRowsRemovedAtOnce);
        },
        [this, shared, is_done](const Fault* fault) {
            if (fault == nullptr && !*is_done) remove_in_parts(std::move(*shared));
        });
}

}  // namespace oubliette
