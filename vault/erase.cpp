#include <algorithm>
#include <set>

#include "vault/audit/proofs.hpp"
#include "vault/erasing.hpp"
#include "vault/people/links.hpp"
#include "vault/recalls.hpp"
#include "vault/receipt.hpp"
#include "vault/requests/request_acts.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

void note(Writing& writing, const Caller& caller, audit::Action action,
          std::optional<keys::SubjectNumber> subject, std::optional<Refusal> refusal,
          const keys::RequestId& id) {
    PendingEntry pending;
    pending.subject = subject;
    pending.entry.action = action;
    pending.entry.refusal = refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object = id;
    writing.audit(pending);
}

// Items that have a row. After a second rollback some lie between skipped ones.
std::set<std::uint32_t> items_in_use(Writing& writing, keys::SubjectNumber number) {
    std::set<std::uint32_t> items;
    for (const auto kind : {people::RowKind::value, people::RowKind::marker}) {
        const people::RowKey prefix = people::row_key(writing.core.tenant, number, kind);
        writing.view.scan(Tables::kPeople, prefix, {}, [&items](ByteView key, ByteView) {
            items.insert(people::field_item_of(key).item);
            return true;
        });
    }
    return items;
}

// Numbers a rollback skipped die with the person's next puncture; whole blocks of 64 by one prefix.
void add_skipped(std::vector<keys::Path>& paths, const keys::Path& person,
                 const people::PersonRow& row, const std::set<std::uint32_t>& in_use) {
    for (std::uint32_t item = row.skipped_from; item < row.skipped_to;) {
        if (in_use.contains(item)) {
            ++item;
            continue;
        }
        const keys::Path leaf = keys::item_path(person, item);
        const auto next_in_use = in_use.lower_bound(item);
        const bool is_block = leaf.bits() > 60 && leaf.slice(leaf.bits() - 6, 6) == 0 &&
                              item + 64 <= row.skipped_to &&
                              (next_in_use == in_use.end() || *next_in_use >= item + 64);
        paths.push_back(is_block ? leaf.prefix(leaf.bits() - 6) : leaf);
        item += is_block ? 64 : 1;
    }
}

// Keys of values that were replaced and wait for their group: an older copy of the data still has
// their rows, so a receipt must not be given while they live.
void add_superseded(Writing& writing, std::vector<keys::Path>& paths, keys::SubjectNumber number) {
    const keys::Path person = writing.core.people->path_of(number);
    for (const QueueRow& row : read_superseded(writing.view, number)) {
        for (const keys::Path& path : row.revocation.addresses) {
            const auto covers = [&path](const keys::Path& named) {
                return named.is_prefix_of(path);
            };
            if (person.is_prefix_of(path) && std::ranges::none_of(paths, covers)) {
                paths.push_back(path);
            }
        }
    }
}

// The rows and the entry of an erasure, all in this transaction.
void accept(Writing& writing, const Caller& caller, std::string_view subject, Ground ground,
            ErasureWork& outcome) {
    keys::Revocation& revocation = outcome.revoking.row.revocation;
    if (revocation.id == keys::RequestId{}) crypto::random_bytes(revocation.id);
    crypto::random_bytes(revocation.blind);
    crypto::random_bytes(outcome.answer.opening);
    revocation.ground = static_cast<std::uint16_t>(ground);
    revocation.opening_commitment =
        outcome.commitment.value_or(commitment_of(outcome.answer.opening, subject));
    outcome.revoking.row.due = writing.now;
    writing.enqueue(outcome.revoking.row);

    ErasureRow& row = outcome.answer.erasure;
    row = erasure_row_of(revocation, writing.now);
    row.kept = std::move(outcome.kept.categories);
    row.is_all_kept = !row.kept.empty() && outcome.kept.are_all;
    write_erasure(writing.view, row);
    // The entry of an erasure names nobody: its request id leads to the receipt.
    const bool is_field = revocation.scope == keys::RevocationScope::field;
    note(writing, caller, is_field ? audit::Action::delete_field : audit::Action::erase_accepted,
         is_field ? outcome.number : std::nullopt, std::nullopt, row.id);
    outcome.answer.first = !outcome.commitment;
}

// The leaves of the person's handle tokens die too, in a request of their own and first: the
// receipt names one person, and nothing that stays says which handles were theirs.
void queue_handles(Writing& writing, keys::SubjectNumber number, Core::Revoking& revoking) {
    Core::Revoking handles;
    auto& revocation = handles.row.revocation;
    for (const keys::SubjectNumber handle : writing.core.people->handles(writing.view, number)) {
        revocation.addresses.push_back(keys::handle_path(writing.core.tenant, handle));
    }
    if (revocation.addresses.empty()) return;
    crypto::random_bytes(revocation.id);
    revocation.scope = keys::RevocationScope::token_key;
    handles.row.due = writing.now;
    writing.enqueue(handles.row);
    revoking.before = std::make_shared<Core::Revoking>(std::move(handles));
}

void erase_whole(Writing& writing, keys::SubjectNumber number, std::string_view subject,
                 ErasureWork& outcome) {
    drop_holds(writing, number);
    outcome.revoking.subject = number;
    outcome.revoking.row.revocation.addresses = {writing.core.people->path_of(number)};
    outcome.revoking.index_entries = index_entries_of(writing, number, subject, std::nullopt);
}

// KEYS 4.2: S_fix, markers and every item but the held ones die now; item 0 still finds the person.
void erase_around_holds(Writing& writing, keys::SubjectNumber number, ErasureWork& outcome) {
    keys::Revocation& revocation = outcome.revoking.row.revocation;
    crypto::random_bytes(revocation.id);
    const people::Links links{*writing.core.plane, writing.core.tenant};
    links.remember_erasure(writing.view, number, revocation.id);
    revocation.addresses = keys_but(writing.core.people->path_of(number), outcome.kept.items);
    outcome.revoking.index_entries = index_entries_but_held(writing, number);
    outcome.revoking.remove_rows = rows_but_held(writing.core, number);
}

void erase_in(Writing& writing, const Caller& caller, std::string_view subject, Ground ground,
              ErasureWork& outcome) {
    if (!may_erase(*writing.gate, caller)) {
        outcome.refusal = Refusal::role_denied;
        return;
    }
    // Only the number: damaged rows must not keep anybody from being erased.
    const auto number = writing.find_number(subject);
    if (!number) {
        outcome.refusal = number.error();
        return;
    }
    erase_person(writing, caller, *number, subject, ground, outcome);
}

struct FieldDeletion {
    std::string_view subject;
    std::string_view field;
    std::string_view purpose;
};

std::optional<Refusal> check_deletion(Writing& writing, const Caller& caller,
                                      const FieldDeletion& deletion) {
    if (!may_erase(*writing.gate, caller)) return Refusal::role_denied;
    const auto cell = writing.gate->resolve(caller.recipient, deletion.purpose, writing.now);
    if (!cell) return cell.error();
    const auto field = writing.gate->find_field(deletion.field);
    if (!field) return Refusal::field_unknown;
    const auto transform = writing.gate->field(*cell, *field, std::nullopt);
    if (!transform) return transform.error();
    return std::nullopt;
}

void delete_field_in(Writing& writing, const Caller& caller, const FieldDeletion& deletion,
                     ErasureWork& outcome) {
    outcome.refusal = check_deletion(writing, caller, deletion);
    if (outcome.refusal) return;
    auto person = writing.find_person(deletion.subject);
    if (!person) {
        outcome.refusal = person.error();
        return;
    }
    outcome.number = person->number;
    const policy::FieldId field = *writing.gate->find_field(deletion.field);
    const people::People& people = *writing.core.people;
    const keys::Path path = people.path_of(person->number);
    auto& addresses = outcome.revoking.row.revocation.addresses;
    std::vector<Bytes> rows;
    const people::RowKey prefix = people::field_prefix(
        people.tenant(), person->number, people::RowKind::value, static_cast<std::uint16_t>(field));
    const HoldsOnPerson holds{writing.core, writing.view, person->number};
    bool is_held = false;
    writing.view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        const auto header = people::Header::decode(row);
        is_held = is_held || (header && holds.covering(header->schema, header->retention_class));
        addresses.push_back(keys::item_path(path, people::field_item_of(key).item));
        rows.emplace_back(key.begin(), key.end());
        return true;
    });
    if (rows.empty() || is_held) {
        outcome.refusal = rows.empty() ? Refusal::not_found : Refusal::held;
        return;
    }
    for (const IndexEntry& entry :
         index_entries_of(writing, person->number, deletion.subject, field)) {
        writing.unindex(entry);
    }
    add_skipped(addresses, path, person->row, items_in_use(writing, person->number));
    add_superseded(writing, addresses, person->number);
    if (person->row.skipped_to != 0) {
        person->row.skipped_from = person->row.skipped_to = 0;
        person->changed = true;
        people.save(writing.view, *person);
    }
    outcome.revoking.row.revocation.scope = keys::RevocationScope::field;
    accept(writing, caller, deletion.subject, Ground::other, outcome);
    for (const Bytes& key : rows) writing.view.remove(Tables::kPeople, key);
}

// After the commit: the person is unreadable from here on (410), and the caller is answered when a
// keeper durably knows.
void revoke_and_answer(Core& core, const std::shared_ptr<ErasureWork>& outcome,
                       const Done<ErasureAnswer>& done,
                       std::function<void(const ErasureRow&)> on_final) {
    const ErasureRow& row = outcome->answer.erasure;
    if (outcome->revoking.row.revocation.addresses.empty()) {
        // Nothing new: it was accepted before, and is as final as it can be, or soon.
        done(outcome->answer, nullptr);
        if (on_final && has_receipt(row)) on_final(row);
        return;
    }
    outcome->revoking.on_final = std::move(on_final);
    core.revoke(std::move(outcome->revoking),
                [outcome, done](const Fault* fault) { done(outcome->answer, fault); });
}

}  // namespace

bool may_erase(const policy::Gate& gate, const Caller& caller) {
    if (caller.has(Role::privacy_officer)) return true;
    const policy::RecipientRule* const rule = gate.recipient_rule(caller.recipient);
    return caller.has(Role::app) && rule != nullptr && rule->erase;
}

void erase_person(Writing& writing, const Caller& caller, keys::SubjectNumber number,
                  std::string_view external_id, Ground ground, ErasureWork& outcome) {
    outcome.number = number;
    const people::Links links{*writing.core.plane, writing.core.tenant};
    if (const auto waiting = links.waiting_erasure(writing.view, number)) {
        // Asked for twice: the one that waits is the answer.
        const auto row = read_erasure(writing.view, *waiting);
        if (!row) throw Fault{FaultKind::corrupt, "an erasure's row is missing"};
        outcome.answer.erasure = *row;
        return;
    }
    outcome.revoking.row.revocation.scope = keys::RevocationScope::subject;
    outcome.kept = find_kept(writing, number);
    if (outcome.kept.items.empty()) {
        erase_whole(writing, number, external_id, outcome);
    } else {
        erase_around_holds(writing, number, outcome);
    }
    queue_handles(writing, number, outcome.revoking);
    accept(writing, caller, external_id, ground, outcome);
    // While the keys still say who was told.
    recall_erased(writing, number, outcome.answer.erasure.id);
    end_requests_of(writing, number, outcome.answer.erasure.id);
    writing.mark_erased(number);
}

void Vault::erase(const Caller& caller, std::string_view subject, std::string_view ground,
                  Done<ErasureAnswer> done, std::function<void(const ErasureRow&)> on_final) {
    const auto outcome = std::make_shared<ErasureWork>();
    const Ground why = parse_ground(ground);
    const auto work = [=](Writing& writing) {
        *outcome = {};
        erase_in(writing, caller, subject, why, *outcome);
        if (!outcome->refusal) return;
        note(writing, caller, audit::Action::erase_accepted, std::nullopt, outcome->refusal, {});
    };
    core_->submit(work, [this, outcome, done = std::move(done),
                         on_final = std::move(on_final)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::not_found, fault);
        if (outcome->refusal) return done(*outcome->refusal, nullptr);
        revoke_and_answer(*core_, outcome, done, on_final);
    });
}

void Vault::delete_field(const Caller& caller, std::string_view subject, std::string_view field,
                         std::string_view purpose, Done<ErasureAnswer> done,
                         std::function<void(const ErasureRow&)> on_final) {
    const auto outcome = std::make_shared<ErasureWork>();
    const auto work = [=](Writing& writing) {
        *outcome = {};
        delete_field_in(writing, caller, {subject, field, purpose}, *outcome);
        if (!outcome->refusal) return;
        note(writing, caller, audit::Action::delete_field, outcome->number, outcome->refusal, {});
    };
    core_->submit(work, [this, outcome, done = std::move(done),
                         on_final = std::move(on_final)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::not_found, fault);
        if (outcome->refusal) return done(*outcome->refusal, nullptr);
        revoke_and_answer(*core_, outcome, done, on_final);
    });
}

Receipt Vault::receipt_of(const ErasureRow& row) const {
    OBL_ASSERT(has_receipt(row));
    Receipt receipt{core_->plane->vault_id(), row, {}};
    const auto head = log_head_of(receipt.vault, *row.log);
    const auto view = core_->store->read();
    if (!head || row.log->index >= head->size || head->size > core_->log_size()) {
        throw Fault{FaultKind::corrupt, "the receipt of an erasure is damaged"};
    }
    receipt.log_proof =
        audit::inclusion_proof(*view, row.log->index, head->size, &core_->log_nodes);
    return receipt;
}

ReceiptKeys Vault::receipt_keys() const {
    return receipt_keys_of(*core_->plane, *core_->publisher);
}

std::vector<keys::KeeperId> Vault::missing_keepers() const {
    std::vector<keys::KeeperId> missing;
    for (const keys::KeeperStatus& keeper : core_->plane->status().keepers) {
        const bool counts =
            keeper.state == keys::KeeperState::joining || keeper.state == keys::KeeperState::active;
        if (counts && !keeper.online) missing.push_back(keeper.id);
    }
    return missing;
}

std::optional<ErasureRow> Vault::find_rest(const ErasureRow& row) const {
    return core_->find_erasure(rest_of(row.id));
}

Result<ErasureRow> Vault::find_erasure(const Caller& caller, const keys::RequestId& id) {
    const auto gate = core_->policies->current();
    // A receipt names nobody: auditors may read every one.
    const bool may_read = caller.has(Role::auditor) || (gate && may_erase(*gate, caller));
    if (!may_read) return Refusal::role_denied;
    auto row = core_->find_erasure(id);
    if (!row) return Refusal::not_found;
    return std::move(*row);
}

}  // namespace oubliette
