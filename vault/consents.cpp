#include "vault/disclosing.hpp"
#include "vault/recalls.hpp"
#include "vault/storing.hpp"
#include "vault/suppressions.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

ConsentRecord record_of(const policy::Gate& gate, const people::Marker& marker, Timestamp now) {
    const auto slot = static_cast<policy::SlotId>(marker.slot);
    const policy::SlotRule* const rule = gate.slot_rule(slot);
    ConsentRecord record;
    record.slot = gate.name_of(slot);
    record.granted = true;
    record.policy_version = marker.version;
    record.kind = marker.kind;
    const bool is_over = marker.expires.seconds != 0 && now >= marker.expires;
    const bool is_current = rule != nullptr && marker.version >= rule->since;
    record.state = is_over      ? ConsentState::expired
                   : is_current ? ConsentState::live
                                : ConsentState::stale;
    record.expires = marker.expires;
    record.given = marker.granted;
    record.told = marker.told;
    record.evidence = marker.evidence;
    return record;
}

// What a withdrawal must destroy: every living marker of the slot, and the implicit one of a slot
// that starts granted.
std::vector<keys::Path> marker_paths(Writing& writing, const people::Person& person,
                                     policy::SlotId slot) {
    std::vector<keys::Path> paths;
    const people::People& people = *writing.core.people;
    const keys::Path person_path = people.path_of(person.number);
    for (const auto& stored : people.markers(writing.view, person.number, slot)) {
        if (stored.alive) paths.push_back(keys::item_path(person_path, stored.item));
    }
    const auto marker = static_cast<unsigned>(slot);
    if (marker >= keys::kMarkerNotPaused || writing.gate->objection_slots().has(slot)) {
        const auto state =
            writing.core.plane->implicit_marker(people.tenant(), person.number, marker);
        if (state == keys::NodeState::whole) {
            paths.push_back(keys::implicit_marker_path(person_path, marker));
        }
    }
    return paths;
}

void remove_marker_rows(Writing& writing, keys::SubjectNumber number, policy::SlotId slot) {
    std::vector<Bytes> rows;
    const people::RowKey prefix = people::field_prefix(
        writing.core.tenant, number, people::RowKind::marker, static_cast<std::uint16_t>(slot));
    writing.view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView) {
        rows.emplace_back(key.begin(), key.end());
        return true;
    });
    for (const Bytes& key : rows) writing.view.remove(Tables::kPeople, key);
}

struct ConsentWork {
    Result<ConsentRecord> record = Refusal::not_found;
    std::optional<QueueRow> revocation;
};

void note(Writing& writing, const Caller& caller, audit::Action action, std::string_view slot,
          std::optional<keys::SubjectNumber> subject, std::optional<Refusal> refusal) {
    PendingEntry pending;
    const auto number = writing.gate->find_slot(slot);
    if (number)
        pending.entry.field = static_cast<std::uint16_t>(static_cast<unsigned>(*number) + 1);
    pending.entry.recipient = static_cast<std::uint16_t>(caller.recipient);
    pending.subject = subject;
    pending.entry.action = action;
    pending.entry.refusal = refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.policy_version = writing.gate->version();
    writing.audit(pending);
}

Result<ConsentRecord> grant(Writing& writing, const Caller& caller, std::string_view subject,
                            const ConsentInput& consent) {
    const auto marker = check_grant(*writing.gate, consent, writing.now);
    if (!marker) return marker.error();
    auto found = writing.find_person(subject);
    if (!found && found.error() != Refusal::not_found) return found.error();
    people::Person person = found ? std::move(*found) : writing.create_person(subject);
    if (!person.has_room()) return Refusal::storage_full;
    record_grant(writing, person, *marker);
    writing.core.people->save(writing.view, person);
    note(writing, caller, audit::Action::consent_grant, consent.slot, person.number, std::nullopt);
    return record_of(*writing.gate, *marker, writing.now);
}

Result<ConsentRecord> withdraw(Writing& writing, const Caller& caller, std::string_view subject,
                               const ConsentInput& consent, std::optional<QueueRow>& revocation) {
    const auto slot = writing.gate->find_slot(consent.slot);
    if (!slot) return Refusal::slot_unknown;
    auto person = writing.find_person(subject);
    if (!person) return person.error();
    revocation = withdraw_slot(writing, *person, *slot, {});
    writing.core.people->save(writing.view, *person);
    note(writing, caller, audit::Action::consent_withdraw, consent.slot, person->number,
         std::nullopt);
    ConsentRecord record;
    record.slot = writing.gate->name_of(*slot);
    record.policy_version = writing.gate->version();
    return record;
}

}  // namespace

std::optional<QueueRow> destroy_markers(Writing& writing, const people::Person& person,
                                        policy::SlotId slot) {
    QueueRow row;
    row.revocation.addresses = marker_paths(writing, person, slot);
    remove_marker_rows(writing, person.number, slot);
    if (row.revocation.addresses.empty()) return std::nullopt;
    crypto::random_bytes(row.revocation.id);
    crypto::random_bytes(row.revocation.blind);
    row.revocation.scope = keys::RevocationScope::consent;
    row.due = writing.now;
    writing.enqueue(row);
    return row;
}

std::optional<QueueRow> withdraw_slot(Writing& writing, people::Person& person, policy::SlotId slot,
                                      const keys::RequestId& cause) {
    auto revocation = destroy_markers(writing, person, slot);
    person.state.granted = writing.gate->live_grants(person.state);
    person.state.granted.clear(slot);
    person.state.seen_version = writing.gate->version();
    person.changed = true;
    recall_withdrawn(writing, person, slot, cause);
    suppress_contacts(writing, person.number, slot);
    return revocation;
}

std::vector<ConsentRecord> consent_records(const Core& core, const policy::Gate& gate,
                                           const store::ReadView& view, keys::SubjectNumber number,
                                           Timestamp now) {
    std::vector<ConsentRecord> records;
    for (const auto& stored : core.people->markers(view, number, std::nullopt)) {
        const bool is_consent = stored.marker.slot < keys::kMarkerNotPaused;
        if (stored.alive && is_consent) records.push_back(record_of(gate, stored.marker, now));
    }
    return records;
}

std::string_view name_of(ConsentState state) noexcept {
    switch (state) {
    case ConsentState::live: return "live";
    case ConsentState::stale: return "stale";
    case ConsentState::expired: return "expired";
    case ConsentState::withdrawn: return "withdrawn";
    }
    return "withdrawn";
}

void Vault::put_consent(const Caller& caller, std::string_view subject, const ConsentInput& consent,
                        Done<ConsentRecord> done) {
    const auto outcome = std::make_shared<ConsentWork>();
    const auto work = [=](Writing& writing) {
        *outcome = {};
        const bool is_id_valid = !subject.empty() && subject.size() <= people::kExternalIdSizeMax;
        if (!is_id_valid) {
            outcome->record = Refusal::value_invalid;
        } else if (!may_write_consents(*writing.gate, caller)) {
            outcome->record = Refusal::role_denied;
        } else if (consent.granted) {
            outcome->record = grant(writing, caller, subject, consent);
        } else {
            outcome->record = withdraw(writing, caller, subject, consent, outcome->revocation);
        }
        if (!outcome->record) {
            const auto action =
                consent.granted ? audit::Action::consent_grant : audit::Action::consent_withdraw;
            note(writing, caller, action, consent.slot, std::nullopt, outcome->record.error());
        }
    };
    core_->submit(work, [this, outcome, done = std::move(done)](const Fault* fault) {
        if (fault != nullptr || !outcome->revocation) return done(outcome->record, fault);
        // Answered only when a keeper durably knows: a restore must not revive the consent.
        Core::Revoking revoking;
        revoking.row = *outcome->revocation;
        core_->revoke(std::move(revoking),
                      [outcome, done](const Fault* failed) { done(outcome->record, failed); });
    });
}

void Vault::list_consents(const Caller& caller, std::string_view subject,
                          Done<std::vector<ConsentRecord>> done) {
    // A group is not final before this ends: the markers' keys are on this thread meanwhile.
    auto ticket = std::make_shared<keys::KeyPlane::Gate>(*core_->plane);
    const auto gate = core_->policies->current();
    if (!gate) return done(Refusal::role_denied, nullptr);
    const Timestamp now = core_->now();
    PendingEntry entry;
    entry.entry.action = audit::Action::consent_list;
    entry.entry.time = now;
    entry.entry.actor = caller.client;
    entry.entry.policy_version = gate->version();
    Result<std::vector<ConsentRecord>> answer = Refusal::role_denied;
    if (may_write_consents(*gate, caller) || caller.has(Role::privacy_officer)) {
        const auto view = core_->read_for_disclosure();
        const auto number = core_->find_number(*view, subject);
        if (number) {
            entry.subject = *number;
            answer = consent_records(*core_, *gate, *view, *number, now);
        } else {
            answer = number.error();
        }
    }
    if (!answer) {
        entry.entry.refusal = answer.error();
        entry.entry.failed_steps = failed_step_bit(answer.error());
    }
    std::vector<DisclosureEntry> entries(1);
    entries.front().pending = entry;
    core_->audit_then(std::move(entries), [ticket = std::move(ticket), answer = std::move(answer),
                                           done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
        done(answer, nullptr);
    });
}

}  // namespace oubliette
