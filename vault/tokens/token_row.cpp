#include "vault/tokens/token_row.hpp"

#include <algorithm>
#include <bit>

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/hash.hpp"
#include "crypto/kdf.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette::tokens {
namespace {

using crypto::Commitment;
using crypto::KdfContext;

constexpr Byte kTokenRow = 1;
constexpr Byte kCountRow = 2;
constexpr Byte kSuite = 1;
constexpr std::size_t kHeadSize = 4;
constexpr std::size_t kHandleHeadSize = 12;
constexpr std::size_t kTokenKeySize = 7 + kFindSize;

std::size_t head_size(const TokenRowHead& head) noexcept {
    return head.handle ? kHandleHeadSize : kHeadSize;
}

Bytes encode(const TokenRowHead& head) {
    Bytes out;
    ByteWriter writer{out};
    writer.u8(head.handle ? 2 : 1).u8(kSuite).le16(head.generation);
    if (head.handle) writer.le64(head.handle->local);
    return out;
}

Bytes associated_data(const TokenRowPlace& place, const TokenRowHead& head) {
    Bytes out;
    const auto type = head.handle ? keys::RecordType::handle : keys::RecordType::table_token;
    ByteWriter{out}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(type))
        .u8(0)
        .le16(static_cast<std::uint16_t>(place.tenant))
        .le16(place.recipient)
        .le16(place.kid)
        .bytes(place.find)
        .bytes(encode(head));
    return out;
}

Bytes encode(const TokenRow& row) {
    Bytes out;
    ByteWriter writer{out};
    writer.u8(static_cast<std::uint8_t>(row.kind)).u8(static_cast<std::uint8_t>(row.state));
    writer.le16(row.field).le32(row.expiry.seconds);
    writer.le16(static_cast<std::uint16_t>(row.members.size())).zeros(2);
    for (const TokenMember& member : row.members) {
        writer.le64(member.subject.local).le32(member.salt32);
    }
    return out;
}

bool is_whole(const TokenRow& row, const TokenRowHead& head) noexcept {
    const bool is_shared = row.kind == TableKind::value;
    const bool has_members = row.state == TableState::open;
    const std::size_t count = row.members.size();
    const bool is_count_good = has_members ? count >= 1 && (count == 1 || is_shared) : count == 0;
    const bool is_use_good = row.state != TableState::used || row.kind == TableKind::one_time;
    return is_count_good && is_use_good && count <= kMemberCountMax &&
           head.handle.has_value() == (row.kind == TableKind::handle);
}

std::optional<TokenRow> decode(ByteView plaintext) {
    ByteReader in{plaintext};
    const std::uint8_t kind = in.u8();
    const std::uint8_t state = in.u8();
    TokenRow row;
    row.field = in.le16();
    row.expiry.seconds = in.le32();
    const std::uint16_t count = in.le16();
    const std::uint16_t reserved = in.le16();
    if (!in.ok() || kind < 3 || kind > 6 || state > 3 || reserved != 0) return std::nullopt;
    if (count > kMemberCountMax) return std::nullopt;
    row.kind = static_cast<TableKind>(kind);
    row.state = static_cast<TableState>(state);
    for (std::uint16_t i = 0; i < count; ++i) {
        TokenMember member;
        member.subject.local = in.le64();
        member.salt32 = in.le32();
        if (member.subject.local >> 36 != 0) return std::nullopt;
        row.members.push_back(member);
    }
    if (!in.finished()) return std::nullopt;
    return row;
}

Bytes row_key(Byte kind, const TokenRowPlace& place) {
    Bytes key;
    ByteWriter{key}
        .u8(kind)
        .be16(static_cast<std::uint16_t>(place.tenant))
        .be16(place.recipient)
        .be16(place.kid);
    return key;
}

Bytes count_data(ByteView row_key) {
    Bytes out;
    ByteWriter{out}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(keys::RecordType::token_count))
        .u8(0)
        .bytes(row_key);
    return out;
}

}  // namespace

TokenRowKeys TokenRowKeys::derive(crypto::KeyView leaf) noexcept {
    return {crypto::derive_subkey(leaf, KdfContext::token, keys::subkey::kTokenRowFind),
            crypto::derive_subkey(leaf, KdfContext::token, keys::subkey::kTokenRowBox)};
}

crypto::SubKey handle_box_key(crypto::KeyView leaf) noexcept {
    return crypto::derive_subkey(leaf, KdfContext::token, keys::subkey::kHandleBox);
}

FindKey find_key(const TokenRowKeys& keys, std::string_view text) noexcept {
    FindKey find{};
    crypto::blake2b_keyed(keys.find.expose(), {bytes_of(text)}, find);
    return find;
}

unsigned class_of(const FindKey& find) noexcept {
    const auto front = static_cast<std::uint32_t>(find[0] << 8 | find[1]);
    const auto ones = static_cast<unsigned>(std::countl_one(front << 16));
    return std::min(ones, kClassLast);
}

unsigned class_of_generation(std::uint16_t generation) noexcept {
    return std::min<unsigned>(generation, kClassLast);
}

Bytes token_row_key(const TokenRowPlace& place) {
    Bytes key = row_key(kTokenRow, place);
    ByteWriter{key}.bytes(place.find);
    return key;
}

Bytes count_row_key(const TokenRowPlace& place, const ByteArray<8>& shape,
                    std::uint16_t generation) {
    Bytes key = row_key(kCountRow, place);
    ByteWriter{key}.bytes(shape).be16(generation);
    return key;
}

Bytes seal_count_row(const TokenRowKeys& keys, ByteView row_key, std::uint64_t count) {
    Bytes plaintext;
    ByteWriter{plaintext}.le64(count);
    return crypto::seal_box(keys.box.expose(), Commitment::value, plaintext, count_data(row_key));
}

std::optional<std::uint64_t> open_count_row(const TokenRowKeys& keys, ByteView row_key,
                                            ByteView row) {
    const auto plaintext =
        crypto::open_box(keys.box.expose(), Commitment::value, row, count_data(row_key));
    if (!plaintext || plaintext->size() != sizeof(std::uint64_t)) return std::nullopt;
    return ByteReader{plaintext->expose()}.le64();
}

std::optional<TokenRowPlace> token_place_of(ByteView row_key) noexcept {
    ByteReader in{row_key};
    const Byte kind = in.u8();
    TokenRowPlace place;
    place.tenant = keys::TenantId{in.be16()};
    place.recipient = in.be16();
    place.kid = in.be16();
    place.find = in.array<kFindSize>();
    if (kind != kTokenRow || row_key.size() != kTokenKeySize) return std::nullopt;
    return place;
}

Bytes seal_token_row(crypto::KeyView key, const TokenRowPlace& place, const TokenRowHead& head,
                     const TokenRow& row) {
    OBL_ASSERT(is_whole(row, head));
    Bytes out = encode(head);
    ByteWriter{out}.bytes(
        crypto::seal_box(key, Commitment::value, encode(row), associated_data(place, head)));
    return out;
}

std::optional<TokenRowHead> token_row_head(ByteView row) noexcept {
    ByteReader in{row};
    const std::uint8_t format = in.u8();
    const std::uint8_t suite = in.u8();
    TokenRowHead head;
    head.generation = in.le16();
    if (format == 2) head.handle = keys::SubjectNumber{in.le64()};
    const bool is_known = (format == 1 || format == 2) && suite == kSuite;
    if (!in.ok() || !is_known) return std::nullopt;
    if (head.handle && head.handle->local >> 36 != 0) return std::nullopt;
    return head;
}

std::optional<TokenRow> open_token_row(crypto::KeyView key, const TokenRowPlace& place,
                                       ByteView row) {
    const auto head = token_row_head(row);
    if (!head) return std::nullopt;
    const auto plaintext = crypto::open_box(key, Commitment::value, row.subspan(head_size(*head)),
                                            associated_data(place, *head));
    auto opened = plaintext ? decode(plaintext->expose()) : std::nullopt;
    if (!opened || !is_whole(*opened, *head)) return std::nullopt;
    return opened;
}

}  // namespace oubliette::tokens
