#include "vault/requests/recall_record.hpp"

namespace oubliette {

std::string_view name_of(RecallReason reason) noexcept {
    switch (reason) {
    case RecallReason::withdrawal: return "withdrawal";
    case RecallReason::erasure: return "erasure";
    case RecallReason::correction: return "correction";
    case RecallReason::officer: return "officer";
    }
    return {};
}

Bytes encode(const RecallRecord& record) {
    Bytes out;
    ByteWriter writer{out};
    writer.u8(1)
        .u8(static_cast<std::uint8_t>(record.reason))
        .le16(record.recipient)
        .le32(record.made.seconds)
        .le32(record.due.seconds)
        .le32(record.acknowledged.seconds)
        .le16(record.acknowledged_by)
        .le16(static_cast<std::uint16_t>(record.fields.size()))
        .bytes(record.id)
        .bytes(record.cause);
    for (const std::uint16_t field : record.fields) writer.le16(field);
    return out;
}

std::optional<RecallRecord> decode_recall_record(ByteView plaintext) {
    ByteReader in{plaintext};
    RecallRecord record;
    const std::uint8_t format = in.u8();
    record.reason = static_cast<RecallReason>(in.u8());
    record.recipient = in.le16();
    record.made.seconds = in.le32();
    record.due.seconds = in.le32();
    record.acknowledged.seconds = in.le32();
    record.acknowledged_by = in.le16();
    const std::size_t count = in.le16();
    record.id = in.array<16>();
    record.cause = in.array<16>();
    for (std::size_t i = 0; in.ok() && i < count; ++i) record.fields.push_back(in.le16());
    if (!in.finished() || format != 1 || name_of(record.reason).empty()) return std::nullopt;
    return record;
}

}  // namespace oubliette
