#include <algorithm>

#include "vault/audit/proofs.hpp"
#include "vault/core.hpp"
#include "vault/keys/registry.hpp"

// What outsiders see of the audit log, its origins and its signing keys.

namespace oubliette {
namespace {

const keys::RegisterKey kKidRegister{keys::RegisterKind::kid, keys::kVaultTenant,
                                     static_cast<std::uint16_t>(keys::SystemKind::audit_sign), 0};

PendingEntry rotation_entry(Timestamp now, std::uint16_t actor,
                            const audit::LogKeyRotation& rotation) {
    PendingEntry pending;
    pending.entry.time = now;
    pending.entry.actor = actor;
    audit::cite(rotation, pending.entry);
    return pending;
}

keys::Revocation revocation_of_kid(std::uint16_t kid) {
    keys::Revocation revocation;
    crypto::random_bytes(revocation.id);
    crypto::random_bytes(revocation.blind);
    revocation.scope = keys::RevocationScope::token_key;
    revocation.addresses = {keys::system_path(
        keys::kVaultTenant, static_cast<std::uint8_t>(keys::SystemKind::audit_sign), 0, kid)};
    return revocation;
}

}  // namespace

void Core::append_start_entries(store::WriteView& view) {
    PendingEntry entry;
    entry.entry.time = now();
    if (rolled_back_) {
        audit::LogOrigin origin{generation_, lost_tail_.log_size, {}};
        std::copy_n(lost_tail_.log_root.begin(), origin.lost_root.size(), origin.lost_root.begin());
        PendingEntry first = entry;
        audit::cite(origin, first.entry);
        append(view, first);
    }
    entry.entry.action = rolled_back_ ? audit::Action::rollback_accepted : audit::Action::start;
    append(view, entry);
    // A key that the keepers gave out and this copy does not know: a crash in the middle of a
    // rotation, or an older copy.
    const auto newest = static_cast<std::uint16_t>(plane->read_register(kKidRegister));
    if (newest <= read_log_key(view)) return;
    auto rotation = rotation_entry(now(), 0, {newest, false, publisher->public_key(newest)});
    append(view, rotation);
    write_log_key(view, newest);
}

// ---- Reading -------------------------------------------------------------------------------

std::string Vault::log_checkpoint() const {
    const auto head = core_->publisher->head();
    return head ? head->note : std::string{};
}

std::vector<std::string> Vault::log_keys() const {
    std::vector<std::string> texts;
    for (const auto& key : core_->publisher->verifier_keys()) {
        texts.push_back(audit::encode_vkey(key));
    }
    return texts;
}

Result<Bytes> Vault::log_tile(const audit::TileName& name) const {
    const auto head = core_->publisher->head();
    if (!head || name.width > audit::tile_width(name.level, name.n, head->size)) {
        return Refusal::not_found;
    }
    // The tree in which this tile is the last of its level and has this width.
    const std::uint64_t hashes = name.n * audit::kTileWidth + name.width;
    const auto view = core_->store->read();
    audit::TreeReader tree{*view, hashes << (audit::kTileBits * name.level)};
    Bytes bytes;
    ByteWriter writer{bytes};
    for (const crypto::Hash& hash : tree.tile(name.level, name.n)) writer.bytes(hash);
    return bytes;
}

Result<Bytes> Vault::log_entry_bundle(const audit::TileName& name) const {
    const auto head = core_->publisher->head();
    if (!head || name.width > audit::tile_width(0, name.n, head->size)) return Refusal::not_found;
    return audit::entry_bundle(*core_->store->read(), name.n, name.width);
}

std::vector<audit::Entry> Vault::log_entries(std::uint64_t from, std::size_t count) const {
    std::vector<audit::Entry> entries;
    if (count == 0) return entries;
    audit::AuditLog::read(*core_->store->read(), from,
                          [&](std::uint64_t, const audit::Entry& entry) {
                              entries.push_back(entry);
                              return entries.size() < count;
                          });
    return entries;
}

Result<Vault::LogProof> Vault::prove_entry(std::uint64_t index,
                                           std::optional<std::uint64_t> size) const {
    const auto head = core_->publisher->head();
    LogProof proof;
    proof.size = size.value_or(head ? head->size : 0);
    if (index >= proof.size || proof.size > core_->log_size()) return Refusal::not_found;
    const auto view = core_->store->read();
    proof.root = audit::root_of(*view, proof.size);
    proof.hashes = audit::inclusion_proof(*view, index, proof.size, &core_->log_nodes);
    return proof;
}

Result<Vault::LogProof> Vault::prove_growth(std::uint64_t old_size,
                                            std::optional<std::uint64_t> size) const {
    const auto head = core_->publisher->head();
    LogProof proof;
    proof.size = size.value_or(head ? head->size : 0);
    const bool is_there = old_size > 0 && old_size <= proof.size && proof.size <= core_->log_size();
    if (!is_there) return Refusal::not_found;
    const auto view = core_->store->read();
    proof.root = audit::root_of(*view, proof.size);
    proof.hashes = audit::consistency_proof(*view, old_size, proof.size);
    return proof;
}

// ---- Rotating ------------------------------------------------------------------------------

void Vault::rotate_log_key(const Caller& caller, Done<std::string> done) {
    struct Outcome {
        std::optional<Refusal> refusal;
        std::uint16_t kid = 0;
        crypto::PublicKey key{};
    };
    const auto outcome = std::make_shared<Outcome>();
    const auto work = [this, outcome, caller](store::WriteView& view) {
        *outcome = {};
        const std::uint16_t announced = read_log_key(view);
        const bool is_rotating = core_->publisher->kids().size() > 1;
        if (is_rotating || announced == 0xFFFE) {  // the all-ones kid is reserved
            outcome->refusal = Refusal::wrong_state;
            return;
        }
        // A number that was given out and never announced is taken up again.
        outcome->kid = static_cast<std::uint16_t>(announced + 1);
        core_->plane->raise_registers({{kKidRegister, outcome->kid}});
        outcome->key = core_->publisher->public_key(outcome->kid);
        auto entry =
            rotation_entry(core_->now(), caller.client, {outcome->kid, false, outcome->key});
        core_->append_entry(view, entry);
        write_log_key(view, outcome->kid);
    };
    core_->submit_raw(work, [this, outcome, done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::wrong_state, fault);
        if (outcome->refusal) return done(*outcome->refusal, nullptr);
        try {
            core_->publisher->load_keys(outcome->kid);
        } catch (const Fault& failed) {
            return done(Refusal::wrong_state, &failed);
        }
        done(audit::encode_vkey({core_->publisher->name(), outcome->key}), nullptr);
    });
}

void Vault::retire_log_key(const Caller& caller, Done<bool> done) {
    struct Outcome {
        std::optional<Refusal> refusal;
        std::uint16_t newest = 0;
        Core::Revoking revoking;
    };
    const auto outcome = std::make_shared<Outcome>();
    const auto work = [this, outcome, caller](store::WriteView& view) {
        *outcome = {};
        const auto kids = core_->publisher->kids();
        if (kids.size() < 2) {
            outcome->refusal = Refusal::wrong_state;
            return;
        }
        outcome->newest = kids.front();
        outcome->revoking.row.revocation = revocation_of_kid(kids.back());
        outcome->revoking.row.due = core_->now();
        view.use_reserve();
        core_->enqueue(view, outcome->revoking.row);
        auto entry = rotation_entry(core_->now(), caller.client,
                                    {kids.back(), true, core_->publisher->public_key(kids.back())});
        core_->append_entry(view, entry);
    };
    core_->submit_raw(work, [this, outcome, done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::wrong_state, fault);
        if (outcome->refusal) return done(*outcome->refusal, nullptr);
        const std::uint16_t newest = outcome->newest;
        core_->revoke(std::move(outcome->revoking),
                      [done](const Fault* failed) { done(true, failed); });
        // Submitted: its leaf answers dead, and nothing is signed with it any more.
        try {
            core_->publisher->load_keys(newest);
        } catch (const Fault&) {
            // The newest key opened when it was announced; the next start tells what is wrong.
        }
    });
}

}  // namespace oubliette
