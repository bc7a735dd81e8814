#pragma once

#include <optional>
#include <vector>

#include "vault/core.hpp"
#include "vault/requests/recall_record.hpp"
#include "vault/requests/request_record.hpp"

// Subject requests and recalls in the store. Internal to vault/.
//
//   table subject_requests:
//     1 | id:16                 -> header 12 | box of a request record
//     2 | id:16                 -> header 12 | box of a recall record
//     3 | due:u32be | id:16     -> nothing: an open request must be answered by then
//     4 | time:u32be | id:16    -> nothing: something becomes of the request then (next_time())
//     5 | due:u32be | id:16     -> nothing: an open recall must be acknowledged by then
//   table people: person prefix | 0x24 | id:16 -> nothing: the person's requests
//   box: under subkey kSubjectRequest or kRecall of leaf(kind request); associated data as in
//     people/records.hpp, with the first 14 bytes of the id as person, field and item
//
// The record holds the person's number while it is of use; of an erased person nothing but what
// strip() leaves. Functions that read throw Fault{corrupt} for a row that is damaged.

namespace oubliette {

class RequestTable {
public:
    explicit RequestTable(const Core& core) noexcept : core_(core) {}

    [[nodiscard]] std::optional<RequestRecord> find(const store::ReadView& view,
                                                    const keys::RequestId& id) const;
    // All requests of a person, in the order of their ids.
    [[nodiscard]] std::vector<RequestRecord> of_person(const store::ReadView& view,
                                                       keys::SubjectNumber number) const;
    // Those that something must be done about by `now`, the earliest first, at most `count_max`.
    [[nodiscard]] std::vector<keys::RequestId> due(const store::ReadView& view, Timestamp now,
                                                   std::size_t count_max) const;
    // Open requests whose answer, and open recalls whose acknowledgement, is overdue at `now`.
    [[nodiscard]] std::size_t overdue_answers(const store::ReadView& view, Timestamp now) const;
    [[nodiscard]] std::size_t overdue_recalls(const store::ReadView& view, Timestamp now) const;
    // At most `count_max` requests with ids above `after`.
    [[nodiscard]] std::vector<RequestRecord> list(const store::ReadView& view,
                                                  const keys::RequestId& after,
                                                  std::size_t count_max) const;

    // Inserts or replaces, with what tells when to look at it again.
    void put(store::WriteView& view, const RequestRecord& record) const;
    void remove(store::WriteView& view, const RequestRecord& record) const;

    [[nodiscard]] std::optional<RecallRecord> find_recall(const store::ReadView& view,
                                                          const keys::RequestId& id) const;
    // Of one recipient that are not acknowledged, at most `count_max`.
    [[nodiscard]] std::vector<RecallRecord> open_recalls(const store::ReadView& view,
                                                         std::optional<std::uint16_t> recipient,
                                                         std::size_t count_max) const;
    void put_recall(store::WriteView& view, const RecallRecord& record) const;

private:
    [[nodiscard]] crypto::SubKey key(std::uint64_t number) const;
    [[nodiscard]] Bytes seal(keys::RecordType type, const keys::RequestId& id,
                             ByteView plaintext) const;
    [[nodiscard]] crypto::SecretBytes open(keys::RecordType type, const keys::RequestId& id,
                                           ByteView row) const;

    const Core& core_;
};

// When something becomes of the request by itself: the proof is too late, the cooling-off is over,
// the erasure is final, the record is no longer kept. nullopt: nothing does.
[[nodiscard]] std::optional<Timestamp> next_time(const RequestRecord& record) noexcept;

}  // namespace oubliette
