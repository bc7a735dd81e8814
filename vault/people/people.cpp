#include "vault/people/people.hpp"

#include <algorithm>

#include "crypto/kdf.hpp"
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

std::uint32_t salt32_of(ByteView box) noexcept {
    ByteReader in{box.subspan(crypto::kBoxSaltOffset, 4)};
    return in.le32();
}

// A salt whose first four bytes are 0 would look like "floating" in a token.
ByteArray<crypto::kBoxSaltSize> fresh_salt() noexcept {
    ByteArray<crypto::kBoxSaltSize> salt{};
    do {
        crypto::random_bytes(salt);
    } while (salt[0] == 0 && salt[1] == 0 && salt[2] == 0 && salt[3] == 0);
    return salt;
}

// header | box of a fixed-size record under a subkey.
Bytes seal_record(const crypto::SubKey& key, const Header& header, const RecordPlace& place,
                  ByteView plaintext) {
    const auto head = header.encode();
    ByteArray<crypto::kBoxSaltSize> salt{};
    crypto::random_bytes(salt);
    Bytes row(kHeaderSize + plaintext.size() + crypto::box_overhead(Commitment::value));
    std::copy(head.begin(), head.end(), row.begin());
    crypto::seal_box_into(key.expose(), Commitment::value, salt, plaintext,
                          associated_data(place, head), ByteSpan{row}.subspan(kHeaderSize));
    return row;
}

// A plaintext of fixed size on the stack, wiped at its end.
template <std::size_t N>
struct Plaintext {
    Plaintext() noexcept = default;
    Plaintext(const Plaintext&) = delete;
    Plaintext& operator=(const Plaintext&) = delete;
    ~Plaintext() { crypto::wipe(bytes); }
    ByteArray<N> bytes{};
};

// Opens a record of fixed size; false if it does not authenticate.
template <std::size_t N>
bool open_record_into(const crypto::SubKey& key, const RecordPlace& place, ByteView row,
                      Plaintext<N>& out) noexcept {
    const auto header = Header::decode(row);
    if (!header || row.size() != kHeaderSize + N + crypto::box_overhead(Commitment::value)) {
        return false;
    }
    return crypto::open_box_into(key.expose(), Commitment::value, row.subspan(kHeaderSize),
                                 associated_data(place, header->encode()), out.bytes);
}

// nullopt: does not authenticate.
std::optional<crypto::SecretBytes> open_record(const crypto::SubKey& key, const RecordPlace& place,
                                               ByteView row) {
    const auto header = Header::decode(row);
    if (!header) return std::nullopt;
    return crypto::open_box(key.expose(), Commitment::value, row.subspan(kHeaderSize),
                            associated_data(place, header->encode()));
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
    const auto key =
        crypto::derive_subkey(fixed.expose(), KdfContext::subject, keys::subkey::kHotRow);
    Plaintext<64> plaintext;
    std::optional<SubjectState> state;
    if (open_record_into(key, {RecordType::hot_row, tenant_, number, 0, 0}, row, plaintext)) {
        state = decode_subject_state(plaintext.bytes);
    }
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
    const auto key =
        crypto::derive_subkey(person.fixed.expose(), KdfContext::subject, keys::subkey::kPersonRow);
    Plaintext<16> plaintext;
    std::optional<PersonRow> counters;
    if (open_record_into(key, {RecordType::person_row, tenant_, number, 0, 0}, *row, plaintext)) {
        counters = decode_person_row(plaintext.bytes);
    }
    if (!counters) corrupt("a person's row does not authenticate");
    person.row = *counters;
    if (Header::decode(*row)->generation != generation_) jump_to_fresh_area(person.row);
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
    const auto dead = [&](unsigned marker) {
        return plane_.implicit_marker(tenant_, number, marker) == NodeState::dead;
    };
    if (dead(keys::kMarkerNotPaused)) state.flags |= SubjectState::kPaused;
    if (dead(keys::kMarkerNotRestricted)) state.flags |= SubjectState::kRestricted;
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
    crypto::blake2b_keyed(item_key.expose(),
                          {bytes_of("obl/val/1"), day.seed.expose(), region.seed.expose()},
                          out.expose_mut());
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
    const std::size_t box_at = kHeaderSize + (header->format == 2 ? kIndexTruthBoxSize : 0);
    if (row.size() < box_at) corrupt("a value's row is too short");
    const ByteView box = row.subspan(box_at);
    auto plaintext = crypto::open_box(
        value_key_.expose(), Commitment::value, box,
        associated_data({RecordType::value, tenant_, number, place.field, place.item},
                        header->encode()));
    if (!plaintext) corrupt("a stored value does not authenticate");
    OpenedValue opened;
    opened.item = place.item;
    opened.salt32 = salt32_of(box);
    opened.plaintext = std::move(*plaintext);
    const auto value = decode_value(opened.plaintext.expose());
    if (!value) corrupt("a stored value has another format");
    opened.value = *value;
    return opened;
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
        const auto header = Header::decode(row);
        const std::size_t box_at =
            kHeaderSize + (header && header->format == 2 ? kIndexTruthBoxSize : 0);
        if (!header || row.size() < box_at + crypto::box_overhead(Commitment::value)) {
            corrupt("a value's row is too short");
        }
        if (salt32_of(row.subspan(box_at)) != salt32) return true;
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
            const auto key_of_marker =
                crypto::derive_subkey(item_key.expose(), KdfContext::item, keys::subkey::kMarker);
            const auto plaintext = open_record(
                key_of_marker, {RecordType::marker, tenant_, number, place.field, place.item}, row);
            const auto marker = plaintext ? decode_marker(plaintext->expose()) : std::nullopt;
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
    const auto key =
        crypto::derive_subkey(item_key.expose(), KdfContext::item, keys::subkey::kExternalId);
    const auto plaintext = open_record(key, {RecordType::external_id, tenant_, number, 0, 0}, row);
    const auto id = plaintext ? decode_external_id(plaintext->expose()) : std::nullopt;
    if (!id) corrupt("an external id does not authenticate");
    return std::string{*id};
}

std::optional<IndexTruth> People::index_truth(SubjectNumber number, ByteView row_key_bytes,
                                              ByteView row) const {
    const auto header = Header::decode(row);
    if (!header) corrupt("a value's row has another format");
    if (header->format != 2) return std::nullopt;
    if (row.size() < kHeaderSize + kIndexTruthBoxSize) corrupt("a value's row is too short");
    const FieldItem place = field_item_of(row_key_bytes);
    crypto::ValueKey value_key_;
    const NodeState state = value_key(number, place.item, *header, value_key_);
    if (state == NodeState::corrupt) corrupt("a value's key cannot be derived");
    if (state != NodeState::whole) return std::nullopt;
    const auto key =
        crypto::derive_subkey(value_key_.expose(), KdfContext::index, keys::subkey::kIndexTruth);
    const auto plaintext = crypto::open_box(
        key.expose(), Commitment::value, row.subspan(kHeaderSize, kIndexTruthBoxSize),
        associated_data({RecordType::index_truth, tenant_, number, place.field, place.item},
                        header->encode()));
    if (!plaintext) corrupt("an index entry does not authenticate");
    return decode_index_truth(plaintext->expose());
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

std::uint32_t People::write_value(store::WriteView& view, Person& person,
                                  const NewValue& value) const {
    Header header;
    header.format = value.truth ? 2 : 1;
    header.schema = static_cast<std::uint16_t>(value.field);
    header.retention_class = static_cast<std::uint16_t>(value.retention_class);
    header.day = value.end_day.value_or(keys::kRetentionDayOpen);
    header.region = person.state.home_region;
    header.generation = generation_;
    const auto head = header.encode();
    const std::uint32_t item = person.take_item();
    crypto::ValueKey key;
    if (value_key(person.number, item, header, key) != NodeState::whole) {
        corrupt("a fresh item number has no living key");
    }
    const RecordPlace place{RecordType::value, tenant_, person.number, header.schema, item};

    Bytes row(head.begin(), head.end());
    if (value.truth) {
        const auto truth_key =
            crypto::derive_subkey(key.expose(), KdfContext::index, keys::subkey::kIndexTruth);
        RecordPlace truth_place = place;
        truth_place.type = RecordType::index_truth;
        ByteWriter{row}.bytes(crypto::seal_box(truth_key.expose(), Commitment::value,
                                               encode(*value.truth),
                                               associated_data(truth_place, head)));
    }
    const auto plaintext = encode_value(value.kind, value.collected, value.text);
    const auto salt = fresh_salt();
    const std::size_t box_at = row.size();
    row.resize(box_at + plaintext.size() + crypto::box_overhead(Commitment::value));
    crypto::seal_box_into(key.expose(), Commitment::value, salt, plaintext.expose(),
                          associated_data(place, head), ByteSpan{row}.subspan(box_at));
    const RowKey key_bytes = row_key(tenant_, person.number, RowKind::value, header.schema, item);
    view.put(Tables::kPeople, key_bytes, row);
    if (value.end_day) {
        Bytes expiry;
        ByteWriter{expiry}
            .be16(static_cast<std::uint16_t>(tenant_))
            .be16(header.retention_class)
            .be16(*value.end_day)
            .bytes(key_bytes);
        view.put(Tables::kExpiry, expiry, {});
    }
    return salt32_of(ByteView{row}.subspan(box_at));
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
    std::vector<Bytes> keys;
    view.scan(Tables::kPeople, person_prefix(tenant_, number), {}, [&](ByteView key, ByteView) {
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
        const auto plaintext = open_record(key, place, *row);
        if (!plaintext || plaintext->size() != 8) corrupt("an audit counter does not authenticate");
        reserved = ByteReader{plaintext->expose()}.le64();
    }
    Bytes next;
    ByteWriter{next}.le64(reserved + kAuditReserve);
    Header header;
    header.generation = generation_;
    view.put(Tables::kPeople, at, seal_record(key, header, place, next));
    return reserved;
}

}  // namespace oubliette::people
