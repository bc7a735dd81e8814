#include <algorithm>

#include "crypto/kdf.hpp"
#include "vault/people/boxes.hpp"
#include "vault/people/people.hpp"
#include "vault/tables.hpp"

// The rows behind "who saw my data": numbers of a person's entries in the log, and who outside the
// company was shown what.

namespace oubliette::people {
namespace {

using crypto::KdfContext;
using keys::RecordType;

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

}  // namespace

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

std::vector<ToldField> People::told(const store::ReadView& view, SubjectNumber number,
                                    const crypto::Seed& fixed) const {
    const auto row = view.get(Tables::kPeople, row_key(tenant_, number, RowKind::told));
    if (!row) return {};
    auto told = open_told_row(fixed, {tenant_, number}, *row);
    if (!told) corrupt("a list of recipients does not authenticate");
    return std::move(*told);
}

void People::add_told(store::WriteView& view, SubjectNumber number, const crypto::Seed& fixed,
                      ToldField shown) const {
    std::vector<ToldField> told = this->told(view, number, fixed);
    const auto at = std::ranges::lower_bound(told, shown);
    if (at != told.end() && *at == shown) return;
    told.insert(at, shown);
    const auto key =
        crypto::derive_subkey(fixed.expose(), KdfContext::subject, keys::subkey::kTold);
    Header header;
    header.generation = generation_;
    view.put(Tables::kPeople, row_key(tenant_, number, RowKind::told),
             seal_record(key, header, {RecordType::told, tenant_, number, 0, 0}, encode(told)));
}

}  // namespace oubliette::people
