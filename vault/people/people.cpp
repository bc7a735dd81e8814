#include "vault/people/people.hpp"

#include <algorithm>

#include "crypto/kdf.hpp"
#include "vault/people/boxes.hpp"
#include "vault/people/expiry.hpp"
#include "vault/tables.hpp"

namespace oubliette::people {
namespace {

using crypto::Commitment;
using crypto::KdfContext;
using keys::NodeState;
using keys::RecordType;
using policy::FieldId;
using policy::SlotId;
using policy::SubjectState;

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

std::uint32_t next_area(std::uint32_t item) noexcept {
    for (const std::uint32_t start : keys::kItemAreaStart) {
        if (start > item) return start;
    }
    return item;
}

// After a rollback: numbers given since the copy was made are never given again (KEYS 4.6).
void jump_to_fresh_area(PersonRow& row) noexcept {
    const std::uint32_t start = next_area(row.next_item);
    if (start == row.next_item) return;
    if (row.skipped_to == 0) row.skipped_from = row.next_item;
    row.skipped_to = start;
    row.next_item = start;
}

std::uint32_t earlier(std::uint32_t a, std::uint32_t b) noexcept {
    if (a == 0 || b == 0) return a + b;
    return std::min(a, b);
}

}  // namespace

People::People(keys::KeyPlane& plane, keys::LeafCache& leaves, TenantId tenant,
               std::uint16_t generation)
    : plane_(plane), leaves_(leaves), tenant_(tenant), generation_(generation) {}

// ---- Reading -------------------------------------------------------------------------------

Result<crypto::Seed> People::fixed_key(SubjectNumber number) const {
    crypto::Seed fixed;
    const NodeState state = plane_.fixed_key(tenant_, number, fixed);
    if (state == NodeState::dead) return Refusal::erased;
    // A punctured S_fix cannot be: it is a leaf.
    if (state != NodeState::whole) corrupt("a person's key cannot be derived");
    return fixed;
}

SubjectState People::open_state(const store::ReadView& view, const policy::Gate& gate,
                                SubjectNumber number, const crypto::Seed& fixed,
                                ByteView row) const {
    const auto state = open_hot_row(fixed, {tenant_, number}, row);
    if (!state) corrupt("a person's hot row does not authenticate");
    if (Header::decode(row)->generation == generation_) return *state;
    return rebuilt_state(view, gate, number, *state);
}

crypto::SubKey People::pseudonym_key(const crypto::Seed& fixed) noexcept {
    return crypto::derive_subkey(fixed.expose(), KdfContext::audit, keys::subkey::kAuditPseudonym);
}

Result<SubjectState> People::load_state(const store::ReadView& view, const policy::Gate& gate,
                                        SubjectNumber number,
                                        std::optional<crypto::SubKey>& audit) const {
    audit.reset();
    const auto fixed = fixed_key(number);
    if (!fixed) return fixed.error();
    audit = pseudonym_key(*fixed);
    const auto row = view.get(Tables::kPeople, row_key(tenant_, number, RowKind::hot));
    if (!row) return Refusal::not_found;
    return open_state(view, gate, number, *fixed, *row);
}

Result<Person> People::load(const store::ReadView& view, const policy::Gate& gate,
                            SubjectNumber number) const {
    auto fixed = fixed_key(number);
    if (!fixed) return fixed.error();
    const auto hot = view.get(Tables::kPeople, row_key(tenant_, number, RowKind::hot));
    const auto row = view.get(Tables::kPeople, row_key(tenant_, number, RowKind::person));
    if (!row && !hot) return Refusal::not_found;
    if (!row || !hot) corrupt("a person's rows are incomplete");

    Person person;
    person.number = number;
    person.fixed = std::move(*fixed);
    person.state = open_state(view, gate, number, person.fixed, *hot);
    const auto counters = open_person_row(person.fixed, {tenant_, number}, *row);
    if (!counters) corrupt("a person's row does not authenticate");
    person.row = *counters;
    if (Header::decode(*row)->generation != generation_) {
        // What was given out after the copy was made and is dead already tells how far it went.
        const auto dead = plane_.highest_dead_item(tenant_, number);
        if (dead) person.row.next_item = std::max(person.row.next_item, *dead + 1);
        jump_to_fresh_area(person.row);
    }
    return person;
}

SubjectState People::rebuilt_state(const store::ReadView& view, const policy::Gate& gate,
                                   SubjectNumber number, SubjectState old) const {
    SubjectState state = old;
    state.granted = {};
    state.earliest_expiry = 0;
    state.seen_version = gate.version();
    for (const StoredMarker& stored : markers(view, number, std::nullopt)) {
        const auto slot = static_cast<SlotId>(stored.marker.slot);
        const policy::SlotRule* const rule = gate.slot_rule(slot);
        // A grant older than the slot's present meaning is stale: as good as none.
        if (!stored.alive || rule == nullptr || stored.marker.version < rule->since) continue;
        state.granted.set(slot);
        state.earliest_expiry = earlier(state.earliest_expiry, stored.marker.expires.seconds);
    }
    for (std::uint16_t slot = 0; slot < keys::kMarkerNotPaused; ++slot) {
        if (!gate.objection_slots().has(static_cast<SlotId>(slot))) continue;
        const NodeState marker = plane_.implicit_marker(tenant_, number, slot);
        if (marker == NodeState::corrupt) corrupt("a person's marker cannot be derived");
        if (marker == NodeState::whole) state.granted.set(static_cast<SlotId>(slot));
    }
    const auto is_dead = [&](unsigned marker) {
        const NodeState found = plane_.implicit_marker(tenant_, number, marker);
        if (found == NodeState::corrupt) corrupt("a person's marker cannot be derived");
        return found == NodeState::dead;
    };
    if (is_dead(keys::kMarkerNotPaused)) state.flags |= SubjectState::kPaused;
    if (is_dead(keys::kMarkerNotRestricted)) state.flags |= SubjectState::kRestricted;
    return state;
}

NodeState People::value_key(SubjectNumber number, std::uint32_t item, const Header& header,
                            crypto::ValueKey& out) const {
    crypto::ItemKey item_key;
    const NodeState state = plane_.item_key(tenant_, number, item, item_key);
    if (state != NodeState::whole) return state;
    const keys::Derived day =
        leaves_.get(keys::retention_path(tenant_, header.retention_class, header.day));
    if (day.state != NodeState::whole) {
        return day.state == NodeState::dead ? NodeState::punctured : day.state;
    }
    keys::Derived region;  // region 0 has the all-zero key
    if (header.region != 0) {
        region = leaves_.get(keys::region_path(tenant_, header.region));
        if (region.state != NodeState::whole) return region.state;
    }
    out = derive_value_key(item_key.expose(), day.seed.expose(), region.seed.expose());
    return NodeState::whole;
}

Result<OpenedValue> People::open_row(SubjectNumber number, ByteView key, ByteView row) const {
    const auto header = Header::decode(row);
    if (!header) corrupt("a value's row has another format");
    const FieldItem place = field_item_of(key);
    crypto::ValueKey value_key_;
    switch (value_key(number, place.item, *header, value_key_)) {
    case NodeState::whole: break;
    case NodeState::dead: return Refusal::erased;
    case NodeState::punctured: return Refusal::retention_ended;
    case NodeState::corrupt: corrupt("a value's key cannot be derived");
    }
    auto opened = open_stored_value(value_key_, {tenant_, number}, place, row);
    if (!opened) corrupt("a stored value does not authenticate");
    return std::move(*opened);
}

Result<OpenedValue> People::open_value(const store::ReadView& view, SubjectNumber number,
                                       FieldId field, std::uint32_t salt32) const {
    const RowKey prefix =
        field_prefix(tenant_, number, RowKind::value, static_cast<std::uint16_t>(field));
    if (salt32 == 0) {
        const auto row = view.last(Tables::kPeople, prefix);
        if (!row) return Refusal::not_found;
        return open_row(number, row->key, row->value);
    }
    Result<OpenedValue> found = Refusal::not_found;
    view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        const auto present = salt32_of(row);
        if (!present) corrupt("a value's row is too short");
        if (*present != salt32) return true;
        found = open_row(number, key, row);
        return false;
    });
    return found;
}

std::vector<OpenedValue> People::open_values(const store::ReadView& view, SubjectNumber number,
                                             FieldId field) const {
    std::vector<OpenedValue> values;
    const RowKey prefix =
        field_prefix(tenant_, number, RowKind::value, static_cast<std::uint16_t>(field));
    view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        auto opened = open_row(number, key, row);
        if (opened) values.push_back(std::move(*opened));
        return true;
    });
    return values;
}

std::vector<StoredMarker> People::markers(const store::ReadView& view, SubjectNumber number,
                                          std::optional<SlotId> slot) const {
    std::vector<StoredMarker> found;
    const RowKey prefix =
        slot ? field_prefix(tenant_, number, RowKind::marker, static_cast<std::uint16_t>(*slot))
             : row_key(tenant_, number, RowKind::marker);
    view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        const FieldItem place = field_item_of(key);
        StoredMarker stored;
        stored.item = place.item;
        crypto::ItemKey item_key;
        const NodeState state = plane_.item_key(tenant_, number, place.item, item_key);
        if (state == NodeState::corrupt) corrupt("a consent marker's key cannot be derived");
        if (state == NodeState::whole) {
            const auto marker = open_marker_row(item_key, {tenant_, number}, place, row);
            if (!marker) corrupt("a consent marker does not authenticate");
            stored.alive = true;
            stored.marker = *marker;
        }
        found.push_back(stored);
        return true;
    });
    return found;
}

policy::SlotMask People::expired_slots(const store::ReadView& view, SubjectNumber number,
                                       Timestamp now) const {
    policy::SlotMask expired;
    policy::SlotMask good;
    for (const StoredMarker& stored : markers(view, number, std::nullopt)) {
        if (!stored.alive) continue;
        const bool is_over = stored.marker.expires.seconds != 0 && now >= stored.marker.expires;
        (is_over ? expired : good).set(static_cast<SlotId>(stored.marker.slot));
    }
    expired.low &= ~good.low;
    expired.high &= ~good.high;
    return expired;
}

std::optional<std::string> People::external_id(const store::ReadView& view,
                                               SubjectNumber number) const {
    const auto row = view.get(Tables::kPeople, row_key(tenant_, number, RowKind::external_id));
    if (!row) return std::nullopt;
    return open_external_id(number, *row);
}

std::optional<std::string> People::open_external_id(SubjectNumber number, ByteView row) const {
    crypto::ItemKey item_key;
    const NodeState state = plane_.item_key(tenant_, number, 0, item_key);
    if (state == NodeState::dead) return std::nullopt;
    if (state != NodeState::whole) corrupt("a person's key cannot be derived");
    auto id = open_external_id_row(item_key, {tenant_, number}, row);
    if (!id) corrupt("an external id does not authenticate");
    return id;
}

std::optional<IndexTruth> People::index_truth(SubjectNumber number, ByteView row_key_bytes,
                                              ByteView row) const {
    const auto header = Header::decode(row);
    if (!header) corrupt("a value's row has another format");
    if (header->format != 2) return std::nullopt;
    const FieldItem place = field_item_of(row_key_bytes);
    crypto::ValueKey value_key_;
    const NodeState state = value_key(number, place.item, *header, value_key_);
    if (state == NodeState::corrupt) corrupt("a value's key cannot be derived");
    if (state != NodeState::whole) return std::nullopt;
    const auto truth = open_stored_truth(value_key_, {tenant_, number}, place, row);
    if (!truth) corrupt("an index entry does not authenticate");
    return truth;
}

// ---- Writing -------------------------------------------------------------------------------

Person People::create(store::WriteView& view, const policy::Gate& gate, SubjectNumber number,
                      std::string_view external_id) const {
    Person person;
    person.number = number;
    if (plane_.fixed_key(tenant_, number, person.fixed) != NodeState::whole) {
        corrupt("a fresh person number has no living key");
    }
    person.state.home_region = static_cast<std::uint16_t>(gate.home_region());
    person.state.seen_version = gate.version();
    person.state.granted = gate.objection_slots();
    person.changed = true;

    crypto::ItemKey item_key;
    if (plane_.item_key(tenant_, number, 0, item_key) != NodeState::whole) {
        corrupt("a fresh person number has no living key");
    }
    const auto key =
        crypto::derive_subkey(item_key.expose(), KdfContext::item, keys::subkey::kExternalId);
    Header header;
    header.region = person.state.home_region;
    header.generation = generation_;
    view.put(Tables::kPeople, row_key(tenant_, number, RowKind::external_id),
             seal_record(key, header, {RecordType::external_id, tenant_, number, 0, 0},
                         encode_external_id(external_id).expose()));
    return person;
}

void People::save(store::WriteView& view, Person& person) const {
    if (!person.changed) return;
    Header header;
    header.region = person.state.home_region;
    header.generation = generation_;
    const auto put = [&](RowKind kind, RecordType type, std::uint64_t subkey, ByteView plaintext) {
        const auto key = crypto::derive_subkey(person.fixed.expose(), KdfContext::subject, subkey);
        view.put(Tables::kPeople, row_key(tenant_, person.number, kind),
                 seal_record(key, header, {type, tenant_, person.number, 0, 0}, plaintext));
    };
    put(RowKind::person, RecordType::person_row, keys::subkey::kPersonRow, encode(person.row));
    put(RowKind::hot, RecordType::hot_row, keys::subkey::kHotRow, encode(person.state));
    person.changed = false;
}

// The first four bytes pin tokens to the value: unique within the field, and not 0, which would
// look like "floating" in a token.
BoxSalt People::fresh_salt(const store::ReadView& view, SubjectNumber number, FieldId field) const {
    std::vector<std::uint32_t> taken{0};
    const RowKey prefix =
        field_prefix(tenant_, number, RowKind::value, static_cast<std::uint16_t>(field));
    view.scan(Tables::kPeople, prefix, {}, [&taken](ByteView, ByteView row) {
        if (const auto salt32 = salt32_of(row)) taken.push_back(*salt32);
        return true;
    });
    BoxSalt salt{};
    do {
        crypto::random_bytes(salt);
    } while (std::ranges::find(taken, ByteReader{salt}.le32()) != taken.end());
    return salt;
}

bool People::has_day(policy::RetentionClassId retention_class, std::uint16_t day) const {
    const auto number = static_cast<std::uint16_t>(retention_class);
    return leaves_.get(keys::retention_path(tenant_, number, day)).state != NodeState::dead;
}

bool People::has_region(std::uint16_t region) const {
    return region == 0 || leaves_.get(keys::region_path(tenant_, region)).state != NodeState::dead;
}

std::uint32_t People::write_value(store::WriteView& view, Person& person,
                                  const NewValue& value) const {
    Header header;
    header.schema = static_cast<std::uint16_t>(value.field);
    header.retention_class = static_cast<std::uint16_t>(value.retention_class);
    header.day = value.end_day.value_or(keys::kRetentionDayOpen);
    header.region = person.state.home_region;
    header.generation = generation_;
    const BoxSalt salt = fresh_salt(view, person.number, value.field);
    const std::uint32_t item = person.take_item();
    crypto::ValueKey key;
    if (value_key(person.number, item, header, key) != NodeState::whole) {
        corrupt("a fresh item number has no living key");
    }
    const auto plaintext = encode_value(value.kind, value.collected, value.text);
    const Bytes row = seal_value_row(
        key, header, {RecordType::value, tenant_, person.number, header.schema, item}, salt,
        plaintext.expose(), value.truth);
    const RowKey key_bytes = row_key(tenant_, person.number, RowKind::value, header.schema, item);
    view.put(Tables::kPeople, key_bytes, row);
    if (value.end_day) {
        write_expiry(view, tenant_, {header.retention_class, *value.end_day}, key_bytes);
    }
    return *salt32_of(row);
}

std::uint32_t People::write_marker(store::WriteView& view, Person& person,
                                   const Marker& marker) const {
    const std::uint32_t item = person.take_item();
    crypto::ItemKey item_key;
    if (plane_.item_key(tenant_, person.number, item, item_key) != NodeState::whole) {
        corrupt("a fresh item number has no living key");
    }
    const auto key =
        crypto::derive_subkey(item_key.expose(), KdfContext::item, keys::subkey::kMarker);
    Header header;
    header.schema = marker.slot;
    header.region = person.state.home_region;
    header.generation = generation_;
    view.put(
        Tables::kPeople, row_key(tenant_, person.number, RowKind::marker, marker.slot, item),
        seal_record(key, header, {RecordType::marker, tenant_, person.number, marker.slot, item},
                    encode(marker)));
    return item;
}

bool People::remove_rows(store::WriteView& view, SubjectNumber number,
                         std::size_t count_max) const {
    return remove_rows(view, number, {number.local + 1}, count_max);
}

bool People::remove_rows(store::WriteView& view, SubjectNumber from, SubjectNumber to,
                         std::size_t count_max) const {
    std::vector<Bytes> keys;
    view.scan(Tables::kPeople, {}, person_prefix(tenant_, from), [&](ByteView key, ByteView) {
        const auto number = subject_of(key);
        if (!number) corrupt("a row has no person");
        if (*number >= to) return false;
        keys.emplace_back(key.begin(), key.end());
        return keys.size() < count_max;
    });
    view.use_reserve();
    for (const Bytes& key : keys) view.remove(Tables::kPeople, key);
    return keys.size() < count_max;
}

std::uint64_t People::reserve_audit_numbers(store::WriteView& view, SubjectNumber number,
                                            const crypto::Seed& fixed) const {
    const auto key =
        crypto::derive_subkey(fixed.expose(), KdfContext::subject, keys::subkey::kAuditCounter);
    const RecordPlace place{RecordType::audit_counter, tenant_, number, 0, 0};
    const RowKey at = row_key(tenant_, number, RowKind::audit_counter);
    std::uint64_t reserved = 0;
    if (const auto row = view.get(Tables::kPeople, at)) {
        const auto counter = open_audit_counter(fixed, {tenant_, number}, *row);
        if (!counter) corrupt("an audit counter does not authenticate");
        reserved = *counter;
    }
    Bytes next;
    ByteWriter{next}.le64(reserved + kAuditReserve);
    Header header;
    header.generation = generation_;
    view.put(Tables::kPeople, at, seal_record(key, header, place, next));
    return reserved;
}

}  // namespace oubliette::people
