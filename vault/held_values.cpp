#include "vault/held_values.hpp"

#include <algorithm>

#include "vault/erasing.hpp"
#include "vault/people/links.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

struct ValueRow {
    Bytes key;
    Bytes row;
    people::Header header;
    people::FieldItem place;
};

// A person's value rows, copied: they are about to change.
std::vector<ValueRow> value_rows(const Core& core, const store::ReadView& view,
                                 keys::SubjectNumber number) {
    std::vector<ValueRow> rows;
    const auto prefix = people::row_key(core.tenant, number, people::RowKind::value);
    view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        const auto header = people::Header::decode(row);
        if (!header) throw Fault{FaultKind::corrupt, "a value's row has another format"};
        rows.push_back({Bytes(key.begin(), key.end()), Bytes(row.begin(), row.end()), *header,
                        people::field_item_of(key)});
        return true;
    });
    return rows;
}

// Adds the subtrees below `path` that hold none of `kept`. Sorted `kept`: those below a path are
// neighbours.
void cover(const keys::Path& path, std::span<const keys::Path> kept, std::vector<keys::Path>& out) {
    if (kept.empty()) return out.push_back(path);
    if (kept.size() == 1 && kept.front() == path) return;
    for (const std::uint64_t bit : {0U, 1U}) {
        const keys::Path child = path.child(bit, 1);
        const auto below = [&child](const keys::Path& leaf) { return child.is_prefix_of(leaf); };
        const auto first = std::ranges::find_if(kept, below);
        const auto last = std::find_if_not(first, kept.end(), below);
        cover(child, {first, last}, out);
    }
}

void add_category(std::vector<KeptCategory>& categories, std::string name, const HoldRow& hold) {
    const auto found = std::ranges::find(categories, name, &KeptCategory::category);
    if (found == categories.end()) {
        categories.push_back({std::move(name), hold.clause, hold.review});
    } else if (found->until < hold.review) {
        found->code = hold.clause;
        found->until = hold.review;
    }
}

// Values that were replaced while a hold kept them.
bool is_superseded(const Writing& writing, keys::SubjectNumber number, const ValueRow& value) {
    const auto* const rule = writing.gate->field_rule(policy::FieldId{value.place.field});
    if (rule == nullptr || rule->many_values()) return false;
    const auto newest = writing.view.last(
        Tables::kPeople, people::field_prefix(writing.core.tenant, number, people::RowKind::value,
                                              value.place.field));
    return newest && people::field_item_of(newest->key).item != value.place.item;
}

// The rest of an erasure that waited. Its id follows from the erasure's, so that there is one.
Core::Revoking finish_erasure(Writing& writing, keys::SubjectNumber number,
                              const ErasureRow& erasure) {
    Core::Revoking revoking;
    keys::Revocation& revocation = revoking.row.revocation;
    revocation.id = rest_of(erasure.id);
    crypto::random_bytes(revocation.blind);
    revocation.scope = keys::RevocationScope::subject;
    revocation.ground = static_cast<std::uint16_t>(erasure.ground);
    // The opening that the erasing request got proves this receipt, too.
    revocation.opening_commitment = erasure.commitment;
    revocation.addresses = {writing.core.people->path_of(number)};
    revoking.row.due = writing.now;
    revoking.subject = number;
    const auto external_id = writing.core.people->external_id(writing.view, number);
    revoking.index_entries =
        index_entries_of(writing, number, external_id.value_or(""), std::nullopt);
    writing.enqueue(revoking.row);
    write_erasure(writing.view, erasure_row_of(revocation, writing.now));
    writing.mark_erased(number);
    PendingEntry pending;
    pending.entry.action = audit::Action::erasure_resumed;
    pending.entry.time = writing.now;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object = erasure.id;
    writing.audit(pending);
    return revoking;
}

// The person is not flagged any more when no hold is left.
void clear_flag(Writing& writing, keys::SubjectNumber number) {
    auto person = writing.core.people->load(writing.view, *writing.gate, number);
    if (!person) return;  // only held values are left of them
    person->state.flags &= static_cast<std::uint8_t>(~policy::SubjectState::kHeld);
    person->changed = true;
    writing.core.people->save(writing.view, *person);
}

}  // namespace

// ---- Which values are held -----------------------------------------------------------------

HoldsOnPerson::HoldsOnPerson(const Core& core, const store::ReadView& view,
                             keys::SubjectNumber number) {
    const people::Links links{*core.plane, core.tenant};
    for (const auto& id : links.list(view, number, people::RowKind::hold_link)) {
        const auto stored = core.exceptions->find(view, ExceptionKind::hold, id);
        if (!stored || !core.exceptions->is_alive(stored->number)) continue;
        auto row = decode_hold_row(stored->plaintext);
        if (!row) throw Fault{FaultKind::corrupt, "the row of a hold is damaged"};
        if (row->state == HoldState::live) rows_.push_back(std::move(*row));
    }
}

const HoldRow* HoldsOnPerson::covering(std::uint16_t field, std::uint16_t category) const noexcept {
    const HoldRow* longest = nullptr;
    for (const HoldRow& row : rows_) {
        if (!row.covers(field, category)) continue;
        if (longest == nullptr || longest->review < row.review) longest = &row;
    }
    return longest;
}

KeptValues find_kept(const Writing& writing, keys::SubjectNumber number) {
    KeptValues kept;
    const HoldsOnPerson holds{writing.core, writing.view, number};
    if (holds.are_none()) return kept;
    for (const ValueRow& value : value_rows(writing.core, writing.view, number)) {
        const HoldRow* const hold = holds.covering(value.place.field, value.header.retention_class);
        // Whose key is dead (its region, say) cannot be kept.
        const bool is_kept =
            hold != nullptr &&
            writing.core.people->open_row(number, value.key, value.row).has_value();
        if (!is_kept) {
            kept.are_all = false;
            continue;
        }
        kept.items.insert(value.place.item);
        const policy::RetentionClassId category{value.header.retention_class};
        std::string name{writing.gate->name_of(category)};
        if (name.empty()) name = "former category";
        add_category(kept.categories, std::move(name), *hold);
    }
    std::ranges::sort(kept.categories, {}, &KeptCategory::category);
    return kept;
}

std::vector<keys::Path> keys_but(const keys::Path& person, const std::set<std::uint32_t>& items) {
    std::vector<keys::Path> kept{keys::item_path(person, 0)};
    for (const std::uint32_t item : items) kept.push_back(keys::item_path(person, item));
    std::ranges::sort(kept);
    std::vector<keys::Path> rest;
    cover(person, kept, rest);
    return rest;
}

// ---- Around an erasure -----------------------------------------------------------------------

Core::RemoveRows rows_but_held(const Core& core, keys::SubjectNumber number) {
    return [&core, number](store::WriteView& view, std::size_t count_max) {
        std::vector<Bytes> keys;
        const auto prefix = people::person_prefix(core.tenant, number);
        view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
            const auto kind = people::kind_of(key);
            const auto header = people::Header::decode(row);
            const bool is_held =
                kind == people::RowKind::value && header && header->day == keys::kRetentionDayHold;
            const bool is_kept = is_held || kind == people::RowKind::external_id ||
                                 kind == people::RowKind::order_link ||
                                 kind == people::RowKind::hold_link ||
                                 kind == people::RowKind::exception_note;
            if (!is_kept) keys.emplace_back(key.begin(), key.end());
            return keys.size() < count_max;
        });
        view.use_reserve();
        for (const Bytes& key : keys) view.remove(Tables::kPeople, key);
        return keys.size() < count_max;
    };
}

std::vector<people::MovedValue> find_moved(const Core& core) {
    std::vector<people::MovedValue> moved;
    const auto view = core.store->read();
    core.exceptions->visit(*view, ExceptionKind::hold, std::nullopt, [&](StoredException&& stored) {
        const auto hold = decode_hold_row(stored.plaintext);
        if (!hold || !hold->subject) return;
        const keys::SubjectNumber number = *hold->subject;
        for (ValueRow& value : value_rows(core, *view, number)) {
            if (value.header.day != keys::kRetentionDayHold) continue;
            const auto before = people::day_before_hold(*view, core.tenant, number, value.key);
            if (!before || before->day == keys::kRetentionDayOpen) continue;
            moved.push_back({{before->retention_class, before->day}, std::move(value.key)});
        }
    });
    return moved;
}

void drop_holds(Writing& writing, keys::SubjectNumber number) {
    const people::Links links{*writing.core.plane, writing.core.tenant};
    for (const auto& id : links.list(writing.view, number, people::RowKind::hold_link)) {
        auto stored = writing.core.exceptions->find(writing.view, ExceptionKind::hold, id);
        auto row = stored ? decode_hold_row(stored->plaintext) : std::nullopt;
        if (!row) continue;  // not of this copy of the data
        row->state = HoldState::lapsed;
        row->ended = writing.now;
        row->subject.reset();
        stored->plaintext = encode(*row);
        stored->is_pending = false;
        writing.core.exceptions->put(writing.view, *stored);
    }
}

// ---- Begin and end of a hold -----------------------------------------------------------------

void take_into_hold(Writing& writing, keys::SubjectNumber number, const HoldRow& hold) {
    const people::People& people = *writing.core.people;
    for (const ValueRow& value : value_rows(writing.core, writing.view, number)) {
        if (!hold.covers(value.place.field, value.header.retention_class)) continue;
        (void)people.move_to_hold(writing.view, number, value.key, value.row);
    }
    auto person = people.load(writing.view, *writing.gate, number);
    if (!person) return;  // an erasure waits: nothing is written any more
    person->state.flags |= policy::SubjectState::kHeld;
    person->changed = true;
    people.save(writing.view, *person);
}

EndOfHold settle_after_hold(Writing& writing, keys::SubjectNumber number) {
    EndOfHold end;
    const people::Links links{*writing.core.plane, writing.core.tenant};
    const auto waiting = links.waiting_erasure(writing.view, number);
    const HoldsOnPerson holds{writing.core, writing.view, number};
    const keys::Path person = writing.core.people->path_of(number);
    bool is_any_kept = false;
    for (const ValueRow& value : value_rows(writing.core, writing.view, number)) {
        if (value.header.day != keys::kRetentionDayHold) continue;
        if (holds.covering(value.place.field, value.header.retention_class) != nullptr) {
            is_any_kept = true;
            continue;
        }
        if (!waiting && !is_superseded(writing, number, value)) continue;
        end.items.push_back(keys::item_path(person, value.place.item));
        writing.view.remove(Tables::kPeople, value.key);
    }
    if (waiting && !is_any_kept) {
        end.items.clear();  // the whole person goes
        const auto erasure = read_erasure(writing.view, *waiting);
        if (!erasure) throw Fault{FaultKind::corrupt, "an erasure's row is missing"};
        end.erasure = finish_erasure(writing, number, *erasure);
    } else if (!waiting && holds.are_none()) {
        clear_flag(writing, number);
    }
    return end;
}

}  // namespace oubliette
