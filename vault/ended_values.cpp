#include "vault/ended_values.hpp"

#include "vault/held_values.hpp"
#include "vault/people/links.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::size_t kPeopleInGroup = 256;
constexpr std::size_t kValuesInGroup = 1'024;

// One person's value rows against the policy.
class EndedRows {
public:
    EndedRows(const Core& core, const policy::Gate& gate, const store::ReadView& view,
              Timestamp until)
        : core_(core), people_(*core.people), gate_(gate), view_(view), until_(until) {}

    // True if this value's key must die. A row that does not open is somebody else's business.
    bool is_ended(keys::SubjectNumber number, ByteView key, ByteView row) {
        const auto header = people::Header::decode(row);
        // Whole days die as a whole.
        if (!header || header->day < until_.day()) return false;
        if (header->day == keys::kRetentionDayHold) {
            if (is_held(number, *header)) return false;
            // What a hold kept ends when it would have ended without.
            const auto before = people::day_before_hold(view_, core_.tenant, number, key);
            if (before && before->day < until_.day()) return true;
        }
        if (!has_state(number)) return false;
        const policy::FieldId field{header->schema};
        // Asked first for the oldest value there could be: nearly nobody's is opened then.
        if (!gate_.has_ended(field, *state_, Timestamp{}, until_)) return false;
        const auto opened = people_.open_row(number, key, row);
        return opened && gate_.has_ended(field, *state_, opened->value.collected, until_);
    }

private:
    bool has_state(keys::SubjectNumber number) {
        if (last_ == number) return state_.has_value();
        last_ = number;
        state_.reset();
        std::optional<crypto::SubKey> unused;
        const auto state = people_.load_state(view_, gate_, number, unused);
        if (!state) return false;
        state_ = *state;
        // While the account can be reopened nothing dies of its closing.
        if ((state_->flags & policy::SubjectState::kClosing) != 0) state_->account_closed = 0;
        return true;
    }

    bool is_held(keys::SubjectNumber number, const people::Header& header) const {
        const HoldsOnPerson holds{core_, view_, number};
        return holds.covering(header.schema, header.retention_class) != nullptr;
    }

    const Core& core_;
    const people::People& people_;
    const policy::Gate& gate_;
    const store::ReadView& view_;
    Timestamp until_;
    std::optional<keys::SubjectNumber> last_;
    std::optional<policy::SubjectState> state_;
};

bool is_ended_or_damaged(EndedRows& rows, keys::SubjectNumber number, ByteView key, ByteView row) {
    try {
        return rows.is_ended(number, key, row);
    } catch (const Fault& fault) {
        if (fault.kind() != FaultKind::corrupt) throw;
        return false;
    }
}

// What one group destroys.
struct EndedGroup {
    Core::Revoking revoking;
    std::size_t done = 0;  // people of the list that are finished
};

void note_end(Writing& writing, keys::SubjectNumber number, std::uint16_t field) {
    PendingEntry pending;
    pending.subject = number;
    pending.entry.action = audit::Action::retention_end;
    pending.entry.time = writing.now;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.field = field;
    writing.audit(pending);
}

// True if all ended values of the person are in the group now.
bool add_person(Writing& writing, keys::SubjectNumber number, Timestamp until, EndedGroup& group) {
    const people::People& people = *writing.core.people;
    EndedRows rows{writing.core, *writing.gate, writing.view, until};
    auto& addresses = group.revoking.row.revocation.addresses;
    const keys::Path path = people.path_of(number);
    std::vector<Bytes> ended;
    const people::RowKey prefix = people::row_key(people.tenant(), number, people::RowKind::value);
    writing.view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        if (!is_ended_or_damaged(rows, number, key, row)) return true;
        const auto place = people::field_item_of(key);
        if (const auto truth = people.index_truth(number, key, row)) {
            writing.unindex({place.field, index_fingerprint(truth->fingerprint), number});
        }
        addresses.push_back(keys::item_path(path, place.item));
        ended.emplace_back(key.begin(), key.end());
        return addresses.size() < kValuesInGroup;
    });
    for (const Bytes& key : ended) {
        note_end(writing, number, people::field_item_of(key).field);
        writing.view.remove(Tables::kPeople, key);
    }
    return addresses.size() < kValuesInGroup;
}

void fill_group(Writing& writing, std::span<const keys::SubjectNumber> due, Timestamp until,
                EndedGroup& group) {
    group = {};
    keys::Revocation& revocation = group.revoking.row.revocation;
    for (const keys::SubjectNumber number : due.first(std::min(due.size(), kPeopleInGroup))) {
        if (!add_person(writing, number, until, group)) break;
        ++group.done;
    }
    if (revocation.addresses.empty()) return;
    crypto::random_bytes(revocation.id);
    crypto::random_bytes(revocation.blind);
    revocation.scope = keys::RevocationScope::category;
    group.revoking.row.due = writing.now;
    writing.enqueue(group.revoking.row);
}

}  // namespace

EndedSlice find_ended(const Core& core, const policy::Gate& gate, keys::SubjectNumber from,
                      Timestamp until) {
    const keys::KeyPlane::Gate ticket{*core.plane};
    const auto view = core.store->read();
    EndedSlice slice;
    slice.is_last = true;
    EndedRows rows{core, gate, *view, until};
    std::optional<keys::SubjectNumber> last;
    view->scan(Tables::kPeople, {}, people::person_prefix(core.tenant, from),
               [&](ByteView key, ByteView row) {
                   const auto number = people::subject_of(key);
                   if (!number) throw Fault{FaultKind::corrupt, "a row has no person"};
                   if (last != number) {
                       if (slice.people == kPeopleInSlice) {
                           slice.next = *number;
                           slice.is_last = false;
                           return false;
                       }
                       last = number;
                       ++slice.people;
                   }
                   if (people::kind_of(key) != people::RowKind::value) return true;
                   if (!is_ended_or_damaged(rows, *number, key, row)) return true;
                   ++slice.by_class[people::Header::decode(row)->retention_class];
                   if (slice.due.empty() || slice.due.back() != *number) {
                       slice.due.push_back(*number);
                   }
                   return true;
               });
    return slice;
}

void destroy_ended(Core& core, const std::vector<keys::SubjectNumber>& due, Timestamp until) {
    std::span<const keys::SubjectNumber> left{due};
    while (!left.empty()) {
        EndedGroup group;
        core.revoke_and_wait(
            [&](store::WriteView& view) {
                Writing writing{core, view};
                fill_group(writing, left, until, group);
            },
            group.revoking);
        left = left.subspan(group.done);
    }
}

}  // namespace oubliette
