#include "vault/erasing.hpp"

#include "vault/tables.hpp"

namespace oubliette {
namespace {

void add_truth(Writing& writing, keys::SubjectNumber number, ByteView key, ByteView row,
               std::vector<IndexEntry>& entries) {
    try {
        const auto truth = writing.core.people->index_truth(number, key, row);
        const std::uint16_t field = people::field_item_of(key).field;
        if (truth) entries.push_back({field, index_fingerprint(truth->fingerprint), number});
    } catch (const Fault& fault) {
        // An entry that no row proves finds nobody.
        if (fault.kind() != FaultKind::corrupt) throw;
    }
}

}  // namespace

std::vector<IndexEntry> index_entries_of(Writing& writing, keys::SubjectNumber number,
                                         std::string_view external_id,
                                         std::optional<policy::FieldId> only) {
    std::vector<IndexEntry> entries;
    const people::People& people = *writing.core.people;
    if (!only) {
        const auto fingerprint = writing.core.fingerprint(0, bytes_of(external_id));
        entries.push_back({0, index_fingerprint(fingerprint), number});
    }
    const people::RowKey prefix =
        only ? people::field_prefix(people.tenant(), number, people::RowKind::value,
                                    static_cast<std::uint16_t>(*only))
             : people::row_key(people.tenant(), number, people::RowKind::value);
    writing.view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        add_truth(writing, number, key, row, entries);
        return true;
    });
    return entries;
}

std::vector<IndexEntry> index_entries_but_held(Writing& writing, keys::SubjectNumber number) {
    std::vector<IndexEntry> entries;
    const people::People& people = *writing.core.people;
    const people::RowKey prefix = people::row_key(people.tenant(), number, people::RowKind::value);
    writing.view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        const auto header = people::Header::decode(row);
        if (header && header->day != keys::kRetentionDayHold)
            add_truth(writing, number, key, row, entries);
        return true;
    });
    return entries;
}

ErasureRow erasure_row_of(const keys::Revocation& revocation, Timestamp accepted) {
    ErasureRow row;
    row.id = revocation.id;
    row.scope = revocation.scope;
    row.ground = static_cast<Ground>(revocation.ground);
    row.accepted = accepted;
    row.commitment = revocation.opening_commitment;
    row.blind = revocation.blind;
    row.addresses = sorted_addresses(revocation);
    return row;
}

}  // namespace oubliette
