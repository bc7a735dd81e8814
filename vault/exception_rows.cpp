#include "vault/exception_rows.hpp"

#include <algorithm>
#include <limits>

#include "crypto/assert.hpp"

namespace oubliette {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

void write_text(ByteWriter& out, std::string_view text) {
    OBL_ASSERT(text.size() <= 0xFF);
    out.u8(static_cast<std::uint8_t>(text.size())).bytes(bytes_of(text));
}

std::string read_text(ByteReader& in) {
    return std::string{text_of(in.bytes(in.u8()))};
}

void write_numbers(ByteWriter& out, const std::vector<std::uint16_t>& numbers) {
    out.le16(static_cast<std::uint16_t>(numbers.size()));
    for (const std::uint16_t number : numbers) out.le16(number);
}

std::vector<std::uint16_t> read_numbers(ByteReader& in) {
    std::vector<std::uint16_t> numbers;
    for (std::size_t n = in.le16(); n > 0 && in.ok(); --n) numbers.push_back(in.le16());
    return numbers;
}

}  // namespace

bool HoldRow::covers(std::uint16_t field, std::uint16_t category) const noexcept {
    return std::ranges::find(fields, field) != fields.end() ||
           std::ranges::find(categories, category) != categories.end();
}

std::string_view name_of(OrderState state) noexcept {
    switch (state) {
    case OrderState::waiting: return "waiting";
    case OrderState::live: return "live";
    case OrderState::closed: return "closed";
    }
    return "";
}

std::string_view name_of(HoldState state) noexcept {
    switch (state) {
    case HoldState::waiting: return "waiting";
    case HoldState::live: return "live";
    case HoldState::released: return "released";
    case HoldState::lapsed: return "lapsed";
    }
    return "";
}

// ---- Orders --------------------------------------------------------------------------------

Bytes encode(const OrderRow& row) {
    Bytes bytes;
    ByteWriter out{bytes};
    out.u8(kFormat).u8(static_cast<std::uint8_t>(row.state)).u8(row.is_public ? 1 : 0).u8(0);
    out.le16(row.opener).le32(row.opened.seconds).le32(row.expires.seconds);
    out.le32(row.closed.seconds).le32(row.notice_due.seconds).le32(row.notice_given.seconds);
    out.le32(row.subjects).bytes(row.paper).bytes(row.permit).bytes(row.notice_evidence);
    row.approvals.encode(out);
    for (const auto* text : {&row.basis, &row.clause, &row.authority, &row.mark, &row.tell}) {
        write_text(out, *text);
    }
    write_numbers(out, row.fields);
    return bytes;
}

std::optional<OrderRow> decode_order_row(ByteView plaintext) {
    ByteReader in{plaintext};
    OrderRow row;
    const std::uint8_t format = in.u8();
    const std::uint8_t state = in.u8();
    row.state = static_cast<OrderState>(state);
    const std::uint8_t flags = in.u8();
    row.is_public = flags == 1;
    const std::uint8_t reserved = in.u8();
    row.opener = in.le16();
    for (Timestamp* time :
         {&row.opened, &row.expires, &row.closed, &row.notice_due, &row.notice_given}) {
        time->seconds = in.le32();
    }
    row.subjects = in.le32();
    for (crypto::Hash* hash : {&row.paper, &row.permit, &row.notice_evidence}) {
        *hash = in.array<32>();
    }
    auto approvals = Approvals::decode(in);
    if (!approvals) return std::nullopt;
    row.approvals = std::move(*approvals);
    for (auto* text : {&row.basis, &row.clause, &row.authority, &row.mark, &row.tell}) {
        *text = read_text(in);
    }
    row.fields = read_numbers(in);
    const bool is_known =
        format == kFormat && state >= 1 && state <= 3 && flags <= 1 && reserved == 0;
    if (!in.finished() || !is_known) return std::nullopt;
    return row;
}

// ---- Holds ---------------------------------------------------------------------------------

Bytes encode(const HoldRow& row) {
    Bytes bytes;
    ByteWriter out{bytes};
    out.u8(kFormat).u8(static_cast<std::uint8_t>(row.state)).u8(row.bars_telling ? 1 : 0);
    out.u8(row.extension).le64(row.subject ? row.subject->local : kNobody).le16(row.placer);
    out.le32(row.placed.seconds).le32(row.review.seconds).le32(row.ended.seconds);
    out.bytes(row.evidence).bytes(row.extends);
    row.approvals.encode(out);
    row.release.encode(out);
    for (const auto* text : {&row.ground, &row.clause, &row.law}) write_text(out, *text);
    write_numbers(out, row.categories);
    write_numbers(out, row.fields);
    return bytes;
}

std::optional<HoldRow> decode_hold_row(ByteView plaintext) {
    ByteReader in{plaintext};
    HoldRow row;
    const std::uint8_t format = in.u8();
    const std::uint8_t state = in.u8();
    row.state = static_cast<HoldState>(state);
    const std::uint8_t flags = in.u8();
    row.bars_telling = flags == 1;
    row.extension = in.u8();
    const std::uint64_t subject = in.le64();
    if (subject != kNobody) row.subject = keys::SubjectNumber{subject};
    row.placer = in.le16();
    for (Timestamp* time : {&row.placed, &row.review, &row.ended}) time->seconds = in.le32();
    row.evidence = in.array<32>();
    row.extends = in.array<16>();
    auto approvals = Approvals::decode(in);
    if (!approvals) return std::nullopt;
    row.approvals = std::move(*approvals);
    auto release = Approvals::decode(in);
    if (!release) return std::nullopt;
    row.release = std::move(*release);
    for (auto* text : {&row.ground, &row.clause, &row.law}) *text = read_text(in);
    row.categories = read_numbers(in);
    row.fields = read_numbers(in);
    const bool is_known = format == kFormat && state >= 1 && state <= 4 && flags <= 1 &&
                          (subject == kNobody || subject >> 36 == 0) &&
                          row.has_ended() == !row.subject.has_value();
    if (!in.finished() || !is_known) return std::nullopt;
    return row;
}

}  // namespace oubliette
