#include "vault/backup_signature.hpp"
#include "vault/campaigns.hpp"
#include "vault/core.hpp"
#include "vault/held_values.hpp"
#include "vault/tables.hpp"

// The verbs of policy admins, and what the system says of itself.

namespace oubliette {
namespace {

void note(Writing& writing, const Caller& caller, audit::Action action,
          std::optional<Refusal> refusal) {
    PendingEntry pending;
    pending.entry.action = action;
    pending.entry.refusal = refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.policy_version = writing.gate->version();
    writing.audit(pending);
}

}  // namespace

// ---- Policy --------------------------------------------------------------------------------

std::shared_ptr<const policy::Gate> Vault::gate() const {
    return core_->policies->current();
}

std::vector<PolicyVersion> Vault::policy_history() const {
    return core_->policies->history();
}

Standing& Vault::standing() noexcept {
    return core_->standing;
}

std::optional<std::string> Vault::policy_version(std::uint16_t version) const {
    return core_->policies->text_of(version);
}

Vault::PolicyDiff Vault::diff_policy(std::string_view json) const {
    auto draft = core_->policies->check(json, core_->tenant_name, core_->now(), false);
    PolicyDiff answer;
    answer.from = draft.newest;
    if (draft.document) answer.to = draft.document->head.version;
    answer.changes = std::move(draft.changes);
    answer.findings = std::move(draft.findings);
    return answer;
}

void Vault::publish_policy(const Caller& caller, std::string_view json, Done<PublishAnswer> done) {
    struct Outcome {
        PublishAnswer answer;
        std::shared_ptr<const policy::Gate> gate;
    };
    const auto outcome = std::make_shared<Outcome>();
    // Works on the raw transaction: it must succeed when no policy is in force.
    const auto work = [this, outcome, caller, json](store::WriteView& view) {
        *outcome = {};
        const Timestamp now = core_->now();
        auto draft = core_->policies->check(json, core_->tenant_name, now, false);
        outcome->answer.findings = std::move(draft.findings);
        const bool is_refused = policy::has_errors(outcome->answer.findings);
        PendingEntry entry;
        entry.entry.action =
            is_refused ? audit::Action::policy_refused : audit::Action::policy_publish;
        entry.entry.time = now;
        entry.entry.actor = caller.client;
        if (!is_refused) {
            outcome->gate = core_->policies->write(view, draft.document, now);
            outcome->answer.version = outcome->gate->version();
            entry.entry.policy_version = outcome->answer.version;
            const crypto::Hash link = core_->policies->link_of(*draft.document);
            std::copy_n(link.begin(), entry.entry.object.size(), entry.entry.object.begin());
        }
        core_->append_entry(view, entry);
    };
    core_->submit_raw(work, [this, outcome, done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(outcome->answer, fault);
        try {
            if (outcome->gate) {
                core_->policies->adopt(outcome->gate, core_->now());
                refresh_campaign_ends(*core_);
            }
        } catch (const Fault&) {
            // It is stored and in force; the housekeeping raises the keepers' floor later.
        }
        done(std::move(outcome->answer), nullptr);
    });
}

// ---- Clients -------------------------------------------------------------------------------

std::optional<Caller> Vault::authenticate(std::uint16_t client, std::uint16_t key,
                                          ByteView secret) const {
    return core_->clients->authenticate(client, key, secret);
}

std::optional<Caller> Vault::authenticate_san(std::string_view san) const {
    return core_->clients->authenticate_san(san);
}

void Vault::enrol_client(const Caller& caller, const NewClient& client, Done<ApiKey> done) {
    struct Outcome {
        std::optional<Refusal> refusal;
        ClientRow row;
        ApiKey key;
    };
    const auto outcome = std::make_shared<Outcome>();
    const auto work = [this, outcome, caller, client](Writing& writing) {
        outcome->refusal.reset();
        auto row = check_new_client(*writing.gate, client);
        const bool is_free =
            row && !core_->clients->is_taken(row->name) && writing.claim_client_name(row->name);
        if (row && !is_free) row = Refusal::wrong_state;
        if (!row) {
            outcome->refusal = row.error();
        } else {
            outcome->key =
                enrol_new_client(*core_->plane, *core_->clients, writing.view, *row, writing.now);
            outcome->row = std::move(*row);
        }
        note(writing, caller, audit::Action::client_enrol, outcome->refusal);
    };
    core_->submit(work, [this, outcome, done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::wrong_state, fault);
        if (outcome->refusal) return done(*outcome->refusal, nullptr);
        try {
            core_->clients->publish_enrolled(outcome->row);
        } catch (const Fault& failed) {
            return done(Refusal::wrong_state, &failed);
        }
        done(std::move(outcome->key), nullptr);
    });
}

void Vault::revoke_client(const Caller& caller, std::string_view name, Done<bool> done) {
    struct Outcome {
        std::optional<Refusal> refusal;
        Core::Revoking revoking;
    };
    const auto outcome = std::make_shared<Outcome>();
    const auto row = core_->clients->find_by_name(name);
    const std::uint16_t client = row ? row->number : std::uint16_t{0};  // 0 is nobody's number
    const auto work = [this, outcome, caller, client](Writing& writing) {
        *outcome = {};
        auto leaves = core_->clients->leaves_of(client);
        if (!leaves) {
            outcome->refusal = Refusal::not_found;
        } else {
            keys::Revocation& revocation = outcome->revoking.row.revocation;
            crypto::random_bytes(revocation.id);
            crypto::random_bytes(revocation.blind);
            revocation.scope = keys::RevocationScope::client;
            revocation.addresses = std::move(*leaves);
            outcome->revoking.row.due = writing.now;
            writing.enqueue(outcome->revoking.row);
            Bytes key;
            ByteWriter{key}.be16(client);
            writing.view.remove(Tables::kClients, key);
        }
        note(writing, caller, audit::Action::client_revoke, outcome->refusal);
    };
    core_->submit(work, [this, outcome, client, done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::not_found, fault);
        if (outcome->refusal) return done(*outcome->refusal, nullptr);
        core_->clients->publish_revoked(client);
        core_->revoke(std::move(outcome->revoking),
                      [done](const Fault* failed) { done(true, failed); });
    });
}

std::vector<ClientRow> Vault::list_clients() const {
    return core_->clients->list();
}

// ---- System --------------------------------------------------------------------------------

VaultStatus Vault::status() const {
    return core_->status();
}

Timestamp Vault::now() const noexcept {
    return core_->now();
}

bool Vault::ready() const {
    return core_->store->healthy() && core_->policies->current() != nullptr;
}

std::vector<people::MovedValue> Vault::backup_to(const std::filesystem::path& directory) {
    core_->run_raw([this](store::WriteView& view) {
        PendingEntry entry;
        entry.entry.action = audit::Action::backup;
        entry.entry.time = core_->now();
        core_->append_entry(view, entry);
    });
    core_->record_state();  // what the keepers know is then not older than the copy
    std::vector<people::MovedValue> moved = find_moved(*core_);
    core_->store->copy_to(directory);
    write_manifest(directory, describe_backup(directory, core_->now(), core_->backup_settings));
    const keys::Derived leaf = core_->plane->derive(backup_sign_path());
    if (leaf.state != keys::NodeState::whole) {
        throw Fault{FaultKind::corrupt, "the key that signs backups cannot be derived"};
    }
    sign_backup(directory, backup_signing_key(leaf));
    return moved;
}

void Vault::confirm_backup(const std::vector<people::MovedValue>& moved) {
    if (moved.empty()) return;
    core_->run_raw([&](store::WriteView& view) {
        for (const people::MovedValue& value : moved) {
            people::remove_expiry(view, core_->tenant, value);
        }
    });
}

}  // namespace oubliette
