#include "vault/suppressions.hpp"

#include <algorithm>

#include "crypto/kdf.hpp"
#include "vault/storing.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

using SuppressionKey = ByteArray<32>;

bool is_contact(policy::FieldType type) noexcept {
    return type == policy::FieldType::email || type == policy::FieldType::phone;
}

crypto::SubKey subkey_of(const Core& core) {
    constexpr auto kKind = static_cast<std::uint8_t>(keys::SystemKind::suppression);
    const auto leaf = core.leaves->get(keys::system_path(core.tenant, kKind, 0, 0));
    if (leaf.state != keys::NodeState::whole) {
        throw Fault{FaultKind::corrupt, "the key of suppressions cannot be derived"};
    }
    return crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system,
                                 keys::subkey::kSuppression);
}

Bytes row_of(const Core& core, const SuppressionKey& key, std::uint32_t since) {
    Bytes row;
    ByteWriter{row}.le32(since);
    const Bytes domain{0};
    ByteArray<16> tag{};
    crypto::blake2b_keyed(subkey_of(core).expose(), {domain, key, row}, tag);
    ByteWriter{row}.bytes(tag);
    return row;
}

// True if there is an entry. Throws Fault{corrupt} for one that is damaged.
bool has_entry(const Core& core, const store::ReadView& view, const SuppressionKey& key) {
    const auto row = view.get(Tables::kSuppressions, key);
    if (!row) return false;
    const Bytes expected = row_of(core, key, ByteReader{*row}.le32());
    if (crypto::equal_constant_time(*row, expected)) return true;
    throw Fault{FaultKind::corrupt, "a suppression does not authenticate"};
}

// nullopt: no contact, or one that is not well formed.
std::optional<SuppressionKey> key_of(const Core& core, std::string_view purpose,
                                     const Contact& contact) {
    if (!is_contact(contact.type)) return std::nullopt;
    const auto normalised = policy::normalise(contact.type, contact.text);
    if (!normalised) return std::nullopt;
    const crypto::SubKey key = subkey_of(core);
    const Bytes head{static_cast<Byte>(contact.type), static_cast<Byte>(purpose.size())};
    SuppressionKey out{};
    crypto::blake2b_keyed(key.expose(), {head, bytes_of(purpose), normalised->expose()}, out);
    return out;
}

void set_entry(Writing& writing, const SuppressionKey& key, bool is_suppressed) {
    if (!is_suppressed) {
        writing.view.remove(Tables::kSuppressions, key);
        return;
    }
    if (has_entry(writing.core, writing.view, key)) return;
    writing.view.put(Tables::kSuppressions, key, row_of(writing.core, key, writing.now.seconds));
}

// True if the person says no to `purpose` by withdrawing `slot`: its objection slot, or a question
// that was asked for it and not for using the service at all.
bool ends(const policy::Gate& gate, const policy::PurposeRule& purpose, policy::SlotId slot) {
    const policy::SlotRule* const rule = gate.slot_rule(slot);
    if (rule == nullptr || !purpose.objection) return false;
    if (rule->objection_to == purpose.name) return true;
    return rule->ask > policy::ConsentKind::policy &&
           std::ranges::find(purpose.needs, rule->name) != purpose.needs.end();
}

void set_contacts(Writing& writing, keys::SubjectNumber number, std::string_view purpose,
                  bool is_suppressed) {
    for (const policy::FieldRule& rule : writing.gate->document().fields) {
        if (!is_contact(rule.type)) continue;
        const auto field = writing.gate->find_field(rule.name);
        for (const auto& value : writing.core.people->open_values(writing.view, number, *field)) {
            const auto key = key_of(writing.core, purpose, {rule.type, value.value.text});
            if (key) set_entry(writing, *key, is_suppressed);
        }
    }
}

void note(Writing& writing, const Caller& caller, std::optional<Refusal> refusal) {
    PendingEntry pending;
    pending.entry.action = audit::Action::suppression;
    pending.entry.refusal = refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.policy_version = writing.gate->version();
    writing.audit(pending);
}

std::optional<Refusal> set_in(Writing& writing, const Caller& caller,
                              const Suppressions::Entry& entry) {
    const bool may_write =
        caller.has(Role::privacy_officer) || may_write_consents(*writing.gate, caller);
    if (!may_write) return Refusal::role_denied;
    const auto* const purpose = writing.gate->document().find_purpose(entry.purpose);
    if (purpose == nullptr || !purpose->objection) return Refusal::purpose_unknown;
    const auto field = writing.gate->find_field(entry.field);
    if (!field) return Refusal::field_unknown;
    const auto key = key_of(writing.core, entry.purpose,
                            {writing.gate->field_rule(*field)->type, entry.contact});
    if (!key) return Refusal::value_invalid;
    set_entry(writing, *key, entry.is_suppressed);
    return std::nullopt;
}

}  // namespace

bool is_suppressed(const Core& core, const store::ReadView& view, std::string_view purpose,
                   const Contact& contact) {
    const auto key = key_of(core, purpose, contact);
    return key && has_entry(core, view, *key);
}

void suppress_contacts(Writing& writing, keys::SubjectNumber number, policy::SlotId slot) {
    for (const policy::PurposeRule& purpose : writing.gate->document().purposes) {
        if (ends(*writing.gate, purpose, slot)) set_contacts(writing, number, purpose.name, true);
    }
}

void suppress_objected(Writing& writing, const people::Person& person, const Contact& contact) {
    const policy::SlotMask slots = writing.gate->objection_slots();
    const policy::SlotMask live = writing.gate->live_grants(person.state);
    const bool has_objected = ((slots.low & ~live.low) | (slots.high & ~live.high)) != 0;
    if (!has_objected || !is_contact(contact.type)) return;
    for (const policy::PurposeRule& purpose : writing.gate->document().purposes) {
        if (!purpose.objection) continue;
        const auto slot =
            writing.gate->find_slot(std::string{policy::kObjectionPrefix} + purpose.name);
        if (!slot || live.has(*slot)) continue;
        const auto key = key_of(writing.core, purpose.name, contact);
        if (key) set_entry(writing, *key, true);
    }
}

void lift_contacts(Writing& writing, const people::Person& person, policy::SlotId slot) {
    for (const policy::PurposeRule& purpose : writing.gate->document().purposes) {
        if (!ends(*writing.gate, purpose, slot)) continue;
        const auto objection =
            writing.gate->find_slot(std::string{policy::kObjectionPrefix} + purpose.name);
        const bool objects = objection && !person.state.granted.has(*objection);
        if (!objects) set_contacts(writing, person.number, purpose.name, false);
    }
}

void Suppressions::set(const Caller& caller, const Entry& entry, Done<bool> done) {
    const auto refusal = std::make_shared<std::optional<Refusal>>();
    core_.submit(
        [caller, entry, refusal](Writing& writing) {
            *refusal = set_in(writing, caller, entry);
            note(writing, caller, *refusal);
        },
        [refusal, done = std::move(done)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            if (*refusal) return done(**refusal, nullptr);
            done(true, nullptr);
        });
}

}  // namespace oubliette
