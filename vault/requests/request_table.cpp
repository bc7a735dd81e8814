#include "vault/requests/request_table.hpp"

#include <limits>

#include "crypto/kdf.hpp"
#include "vault/people/boxes.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::uint8_t kRequest = 1;
constexpr std::uint8_t kRecall = 2;
constexpr std::uint8_t kAnswerDue = 3;
constexpr std::uint8_t kNextTime = 4;
constexpr std::uint8_t kRecallDue = 5;
constexpr std::size_t kTimeKeySize = 1 + 4 + 16;

Bytes row_key(std::uint8_t kind, const keys::RequestId& id) {
    Bytes key;
    ByteWriter{key}.u8(kind).bytes(id);
    return key;
}
Bytes time_key(std::uint8_t kind, Timestamp time, const keys::RequestId& id) {
    Bytes key;
    ByteWriter{key}.u8(kind).be32(time.seconds).bytes(id);
    return key;
}

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

// Ids of the rows of one kind with a time up to `until`.
std::vector<keys::RequestId> until(const store::ReadView& view, std::uint8_t kind, Timestamp time,
                                   std::size_t count_max) {
    std::vector<keys::RequestId> ids;
    const Bytes prefix{kind};
    view.scan(Tables::kSubjectRequests, prefix, {}, [&](ByteView key, ByteView) {
        if (key.size() != kTimeKeySize) corrupt("a row of a request's time is damaged");
        ByteReader in{key.subspan(1)};
        if (in.be32() > time.seconds || ids.size() == count_max) return false;
        ids.push_back(in.array<16>());
        return true;
    });
    return ids;
}

people::RowKey link_key(const Core& core, keys::SubjectNumber number, const keys::RequestId& id) {
    people::RowKey key = people::row_key(core.tenant, number, people::RowKind::request_link);
    ByteReader in{id};
    const std::uint64_t first = in.be64();
    return key.add(first, 8).add(in.be64(), 8);
}

std::optional<Timestamp> answer_time(const RequestRecord& record) noexcept {
    return record.is_open() ? std::optional{record.due} : std::nullopt;
}

void move_time(store::WriteView& view, std::uint8_t kind, const keys::RequestId& id,
               std::optional<Timestamp> from, std::optional<Timestamp> to) {
    if (from == to) return;
    if (from) view.remove(Tables::kSubjectRequests, time_key(kind, *from, id));
    if (to) view.put(Tables::kSubjectRequests, time_key(kind, *to, id), {});
}

}  // namespace

std::optional<Timestamp> next_time(const RequestRecord& record) noexcept {
    if (record.state == RequestState::proving) return record.due;
    if (record.state == RequestState::scheduled) return record.run_after;
    if (record.state == RequestState::executing) return record.decided;
    if (!record.is_open() && record.kept_until.seconds != 0) return record.kept_until;
    return std::nullopt;
}

crypto::SubKey RequestTable::key(std::uint64_t number) const {
    constexpr auto kKind = static_cast<std::uint8_t>(keys::SystemKind::request);
    const auto leaf = core_.leaves->get(keys::system_path(core_.tenant, kKind, 0, 0));
    if (leaf.state != keys::NodeState::whole) corrupt("the key of requests cannot be derived");
    return crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system, number);
}

namespace {

people::RecordPlace place_of(const Core& core, keys::RecordType type, const keys::RequestId& id) {
    ByteReader in{id};
    people::RecordPlace place{type, core.tenant, {}, 0, 0};
    place.number.local = in.le64();
    place.field = in.le16();
    place.item = in.le32();
    return place;
}

std::uint64_t subkey_of(keys::RecordType type) noexcept {
    return type == keys::RecordType::recall ? keys::subkey::kRecall : keys::subkey::kSubjectRequest;
}

}  // namespace

Bytes RequestTable::seal(keys::RecordType type, const keys::RequestId& id,
                         ByteView plaintext) const {
    return people::seal_record(key(subkey_of(type)), {}, place_of(core_, type, id), plaintext);
}

crypto::SecretBytes RequestTable::open(keys::RecordType type, const keys::RequestId& id,
                                       ByteView row) const {
    auto plaintext = people::open_record(key(subkey_of(type)), place_of(core_, type, id), row);
    if (!plaintext) corrupt("a request's row does not authenticate");
    return std::move(*plaintext);
}

// ---- Requests ------------------------------------------------------------------------------

std::optional<RequestRecord> RequestTable::find(const store::ReadView& view,
                                                const keys::RequestId& id) const {
    const auto row = view.get(Tables::kSubjectRequests, row_key(kRequest, id));
    if (!row) return std::nullopt;
    auto record = decode_request_record(open(keys::RecordType::subject_request, id, *row).expose());
    if (!record || record->id != id) corrupt("a request's row is damaged");
    return record;
}

std::vector<RequestRecord> RequestTable::of_person(const store::ReadView& view,
                                                   keys::SubjectNumber number) const {
    std::vector<keys::RequestId> ids;
    const people::RowKey prefix =
        people::row_key(core_.tenant, number, people::RowKind::request_link);
    view.scan(Tables::kPeople, prefix, {}, [&ids](ByteView key, ByteView) {
        ids.push_back(ByteReader{key.subspan(people::kPersonPrefixSize + 1)}.array<16>());
        return true;
    });
    std::vector<RequestRecord> records;
    for (const keys::RequestId& id : ids) {
        auto record = find(view, id);
        if (record) records.push_back(std::move(*record));
    }
    return records;
}

std::vector<keys::RequestId> RequestTable::due(const store::ReadView& view, Timestamp now,
                                               std::size_t count_max) const {
    return until(view, kNextTime, now, count_max);
}

std::size_t RequestTable::overdue_answers(const store::ReadView& view, Timestamp now) const {
    return until(view, kAnswerDue, now, std::numeric_limits<std::size_t>::max()).size();
}

std::size_t RequestTable::overdue_recalls(const store::ReadView& view, Timestamp now) const {
    return until(view, kRecallDue, now, std::numeric_limits<std::size_t>::max()).size();
}

std::vector<RequestRecord> RequestTable::list(const store::ReadView& view,
                                              const keys::RequestId& after,
                                              std::size_t count_max) const {
    std::vector<RequestRecord> records;
    const Bytes prefix{kRequest};
    view.scan(Tables::kSubjectRequests, prefix, row_key(kRequest, after),
              [&](ByteView key, ByteView row) {
                  const auto id = ByteReader{key.subspan(1)}.array<16>();
                  if (id == after) return true;
                  auto record = decode_request_record(
                      open(keys::RecordType::subject_request, id, row).expose());
                  if (!record) corrupt("a request's row is damaged");
                  records.push_back(std::move(*record));
                  return records.size() < count_max;
              });
    return records;
}

void RequestTable::put(store::WriteView& view, const RequestRecord& record) const {
    const auto before = find(view, record.id);
    const auto answer = before ? answer_time(*before) : std::nullopt;
    const auto next = before ? next_time(*before) : std::nullopt;
    move_time(view, kAnswerDue, record.id, answer, answer_time(record));
    move_time(view, kNextTime, record.id, next, next_time(record));
    view.put(Tables::kSubjectRequests, row_key(kRequest, record.id),
             seal(keys::RecordType::subject_request, record.id, encode(record)));
    if (!before && record.subject) {
        view.put(Tables::kPeople, link_key(core_, *record.subject, record.id), {});
    }
}

void RequestTable::remove(store::WriteView& view, const RequestRecord& record) const {
    move_time(view, kAnswerDue, record.id, answer_time(record), std::nullopt);
    move_time(view, kNextTime, record.id, next_time(record), std::nullopt);
    view.remove(Tables::kSubjectRequests, row_key(kRequest, record.id));
    if (record.subject) {
        view.remove(Tables::kPeople, link_key(core_, *record.subject, record.id));
    }
}

// ---- Recalls -------------------------------------------------------------------------------

std::optional<RecallRecord> RequestTable::find_recall(const store::ReadView& view,
                                                      const keys::RequestId& id) const {
    const auto row = view.get(Tables::kSubjectRequests, row_key(kRecall, id));
    if (!row) return std::nullopt;
    auto record = decode_recall_record(open(keys::RecordType::recall, id, *row).expose());
    if (!record || record->id != id) corrupt("a recall's row is damaged");
    return record;
}

std::vector<RecallRecord> RequestTable::open_recalls(const store::ReadView& view,
                                                     std::optional<std::uint16_t> recipient,
                                                     std::size_t count_max) const {
    std::vector<RecallRecord> recalls;
    const Timestamp for_ever{std::numeric_limits<std::uint32_t>::max()};
    for (const keys::RequestId& id :
         until(view, kRecallDue, for_ever, std::numeric_limits<std::size_t>::max())) {
        auto record = find_recall(view, id);
        if (!record || (recipient && record->recipient != *recipient)) continue;
        recalls.push_back(std::move(*record));
        if (recalls.size() == count_max) break;
    }
    return recalls;
}

void RequestTable::put_recall(store::WriteView& view, const RecallRecord& record) const {
    const auto due = record.is_open() ? std::optional{record.due} : std::nullopt;
    const auto before = due ? std::nullopt : std::optional{record.due};
    move_time(view, kRecallDue, record.id, before, due);
    view.put(Tables::kSubjectRequests, row_key(kRecall, record.id),
             seal(keys::RecordType::recall, record.id, encode(record)));
}

}  // namespace oubliette
