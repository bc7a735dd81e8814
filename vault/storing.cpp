#include "vault/storing.hpp"

#include <algorithm>

#include "vault/disclosing.hpp"
#include "vault/held_values.hpp"
#include "vault/people/links.hpp"
#include "vault/suppressions.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

// Values replaced within one window lose their keys in one group at its end, so that a field that
// is rewritten all day costs two punctures an hour. KEYS 4.2 allows an hour.
constexpr std::uint32_t kSupersededWindow = 1'800;  // s

}  // namespace

// ---- Storing -------------------------------------------------------------------------------

Storing::Storing(Writing& writing, const Caller& caller, std::string_view purpose)
    : writing_(writing),
      caller_(caller),
      purpose_(writing.gate->find_purpose(purpose)),
      purpose_name_(purpose),
      cell_(writing.gate->resolve(caller.recipient, purpose, writing.now)) {
    // Step 4, by an operator: before the end of an agreement, after steps 2 and 3.
    const bool has_cell = cell_ || cell_.error() == Refusal::agreement_expired;
    if (has_cell && writing.core.standing.is_suspended(caller.recipient)) {
        cell_ = Refusal::recipient_suspended;
    }
    const policy::PurposeRule* const rule = writing.gate->document().find_purpose(purpose);
    may_be_objected_ = rule != nullptr && rule->objection;
}

Result<policy::FieldId> Storing::check(std::string_view name, const ValueInput* value) const {
    if (!cell_) return cell_.error();
    const auto field = writing_.gate->find_field(name);
    if (!field) return Refusal::field_unknown;
    const auto transform = writing_.gate->field(*cell_, *field, std::nullopt);
    if (!transform) return transform.error();
    if (writing_.core.standing.is_blocked(*purpose_)) return Refusal::assessment_blocked;
    if (value != nullptr) {
        const auto type = writing_.gate->field_rule(*field)->type;
        const auto valid = policy::check_value(type, value->kind, value->text);
        if (!valid) return valid.error();
        const auto end_day = writing_.gate->known_end_day(*field, writing_.now);
        const auto category = writing_.gate->retention_class(*field);
        // Only a clock that was set back writes into a day that is over.
        if (end_day && !writing_.core.people->has_day(category, *end_day)) {
            return Refusal::retention_ended;
        }
        if (may_be_objected_ &&
            is_suppressed(writing_.core, writing_.view, purpose_name_, {type, value->text})) {
            return Refusal::suppressed;
        }
    }
    return *field;
}

std::optional<Refusal> Storing::permit(const people::Person& person) const {
    if (!person.has_room()) return Refusal::storage_full;
    if (!writing_.core.people->has_region(person.state.home_region)) return Refusal::wrong_state;
    const auto expired = [&] {
        return writing_.core.people->expired_slots(writing_.view, person.number, writing_.now);
    };
    return writing_.gate->write(*cell_, person.state, writing_.now, expired);
}

std::optional<Refusal> Storing::permit_new() const {
    policy::SubjectState nobody;
    nobody.home_region = static_cast<std::uint16_t>(writing_.gate->home_region());
    nobody.seen_version = writing_.gate->version();
    nobody.granted = writing_.gate->objection_slots();
    if (!writing_.core.people->has_region(nobody.home_region)) return Refusal::wrong_state;
    const auto none = [] { return policy::SlotMask{}; };
    return writing_.gate->write(*cell_, nobody, writing_.now, none);
}

std::uint32_t Storing::store_value(people::Person& person, policy::FieldId field,
                                   const ValueInput& input) {
    const policy::FieldRule& rule = *writing_.gate->field_rule(field);
    if (!rule.many_values()) {
        const auto present =
            writing_.core.people->open_value(writing_.view, person.number, field, 0);
        if (present) {
            const bool is_same =
                present->value.kind == input.kind &&
                crypto::equal_constant_time(bytes_of(present->value.text), bytes_of(input.text));
            if (is_same) return present->salt32;
            drop_present(person, field, *present);
        }
    }
    people::People::NewValue value;
    value.field = field;
    value.retention_class = writing_.gate->retention_class(field);
    value.is_held = is_held(person, field);
    value.end_day = writing_.gate->known_end_day(field, writing_.now);
    value.kind = input.kind;
    value.text = input.text;
    value.collected = writing_.now;
    if (rule.search == policy::SearchIndex::blind_index) {
        if (const auto normalised = policy::normalise(rule, input.text)) {
            const auto number = static_cast<std::uint16_t>(field);
            value.truth = {writing_.core.fingerprint(number, normalised->expose()),
                           policy::kNormaliserVersion, 0};
            writing_.index({number, index_fingerprint(value.truth->fingerprint), person.number});
        }
    }
    suppress_objected(writing_, person, {rule.type, input.text});
    person.state.last_activity = writing_.now.seconds;
    return writing_.core.people->write_value(writing_.view, person, value);
}

bool Storing::is_held(const people::Person& person, policy::FieldId field) const {
    if ((person.state.flags & policy::SubjectState::kHeld) == 0) return false;
    const HoldsOnPerson holds{writing_.core, writing_.view, person.number};
    return holds.covering(static_cast<std::uint16_t>(field),
                          static_cast<std::uint16_t>(writing_.gate->retention_class(field))) !=
           nullptr;
}

void Storing::drop_present(people::Person& person, policy::FieldId field,
                           const people::OpenedValue& present) {
    const auto number = static_cast<std::uint16_t>(field);
    const people::People& people = *writing_.core.people;
    const people::RowKey key = people::row_key(people.tenant(), person.number,
                                               people::RowKind::value, number, present.item);
    if (const auto row = writing_.view.get(Tables::kPeople, key)) {
        if (const auto truth = people.index_truth(person.number, key, *row)) {
            writing_.unindex({number, index_fingerprint(truth->fingerprint), person.number});
        }
    }
    if (is_held(person, field)) return;  // replaced or not, it is kept until the hold ends
    writing_.view.remove(Tables::kPeople, key);
    people.forget_tokens(writing_.view, person.number, {number, present.item});
    if (writing_.gate->field_rule(field)->supersede == policy::Supersede::keep) return;
    QueueRow row;
    row.revocation.id = superseded_id(person.number);
    row.revocation.scope = keys::RevocationScope::superseded;
    row.revocation.addresses = {keys::item_path(people.path_of(person.number), present.item)};
    row.due.seconds = (writing_.now.seconds / kSupersededWindow + 1) * kSupersededWindow;
    writing_.enqueue(row);
}

void Storing::mark_public(keys::SubjectNumber number, policy::FieldId field,
                          const PublicSourceInput& source) {
    const auto row = writing_.view.last(
        Tables::kPeople, people::field_prefix(writing_.core.tenant, number, people::RowKind::value,
                                              static_cast<std::uint16_t>(field)));
    OBL_ASSERT(row.has_value());  // it was stored just now
    const Bytes key(row->key.begin(), row->key.end());
    const people::Links links{*writing_.core.plane, writing_.core.tenant};
    links.mark_public(writing_.view, number, key, {source.source, source.found});
}

void Storing::note(audit::Action action, std::optional<keys::SubjectNumber> subject,
                   std::optional<policy::FieldId> field, std::optional<Refusal> refusal) {
    PendingEntry pending;
    pending.subject = subject;
    pending.entry.action = action;
    pending.entry.refusal = refusal;
    pending.entry.time = writing_.now;
    pending.entry.actor = caller_.client;
    pending.entry.recipient = static_cast<std::uint16_t>(caller_.recipient);
    if (purpose_) pending.entry.purpose = static_cast<std::uint16_t>(*purpose_);
    pending.entry.policy_version = writing_.gate->version();
    if (field) pending.entry.field = static_cast<std::uint16_t>(*field);
    if (refusal) pending.entry.failed_steps = failed_step_bit(*refusal);
    writing_.audit(pending);
}

// ---- Consents ------------------------------------------------------------------------------

bool may_write_consents(const policy::Gate& gate, const Caller& caller) {
    const policy::RecipientRule* const rule = gate.recipient_rule(caller.recipient);
    return rule != nullptr && rule->kind == policy::RecipientKind::internal;
}

Result<people::Marker> check_grant(const policy::Gate& gate, const ConsentInput& consent,
                                   Timestamp now) {
    const auto slot = gate.find_slot(consent.slot);
    if (!slot) return Refusal::slot_unknown;
    const policy::SlotRule& rule = *gate.slot_rule(*slot);
    if (consent.policy_version != gate.version()) return Refusal::version_not_current;
    if (!consent.kind || !policy::is_strong_enough(*consent.kind, rule.ask)) {
        return Refusal::consent_kind;
    }
    if (!consent.told.empty()) {
        const auto was_told = [&](const std::string& thing) {
            return std::ranges::find(consent.told, thing) != consent.told.end();
        };
        if (!std::ranges::all_of(rule.tells, was_told)) return Refusal::value_invalid;
    }
    people::Marker marker;
    marker.slot = static_cast<std::uint16_t>(*slot);
    marker.version = *consent.policy_version;
    marker.kind = *consent.kind;
    marker.told = static_cast<std::uint8_t>(consent.told.size());
    marker.granted = now;
    if (rule.expires) marker.expires = policy::plus(now, *rule.expires);
    marker.evidence = consent.evidence;
    return marker;
}

void record_grant(Writing& writing, people::Person& person, const people::Marker& marker) {
    const auto slot = static_cast<policy::SlotId>(marker.slot);
    const policy::SlotMask live = writing.gate->live_grants(person.state);
    if (live.has(slot)) {
        for (const auto& stored : writing.core.people->markers(writing.view, person.number, slot)) {
            const bool is_same = stored.alive && stored.marker.version == marker.version &&
                                 stored.marker.kind == marker.kind &&
                                 stored.marker.evidence == marker.evidence;
            const bool is_over =
                stored.marker.expires.seconds != 0 && writing.now >= stored.marker.expires;
            if (is_same && !is_over) return;
        }
    }
    (void)writing.core.people->write_marker(writing.view, person, marker);
    person.state.granted = live;  // stale grants are folded away
    person.state.granted.set(slot);
    person.state.seen_version = writing.gate->version();
    person.state.last_activity = writing.now.seconds;
    lift_contacts(writing, person, slot);
    const std::uint32_t expires = marker.expires.seconds;
    std::uint32_t& earliest = person.state.earliest_expiry;
    if (expires != 0) earliest = earliest == 0 ? expires : std::min(earliest, expires);
}

}  // namespace oubliette
