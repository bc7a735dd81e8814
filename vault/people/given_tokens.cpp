#include "vault/people/given_tokens.hpp"

#include <algorithm>

#include "crypto/kdf.hpp"

namespace oubliette::people {
namespace {

using crypto::KdfContext;
using keys::RecordType;

constexpr std::size_t kPadding = 16;
constexpr std::size_t kTextMax = 128;  // tokens/token_text.hpp

RecordPlace record_place(const GivenTokenPlace& place) noexcept {
    return {RecordType::given_token, place.tenant, place.number, place.field, place.item};
}

crypto::SubKey handle_list_key(const crypto::Seed& fixed) noexcept {
    return crypto::derive_subkey(fixed.expose(), KdfContext::subject, keys::subkey::kHandleList);
}

crypto::SecretBytes encode(const GivenToken& token) {
    OBL_ASSERT(token.text.size() <= kTextMax);
    const std::size_t size = 3 + token.text.size();
    crypto::SecretBytes out{(size + kPadding - 1) / kPadding * kPadding};
    ByteSpan bytes = out.expose_mut();
    bytes[0] = static_cast<Byte>(token.kid);
    bytes[1] = static_cast<Byte>(token.kid >> 8);
    bytes[2] = static_cast<Byte>(token.text.size());
    std::ranges::copy(bytes_of(token.text), bytes.begin() + 3);
    return out;
}

std::optional<GivenToken> decode(ByteView plaintext) {
    ByteReader in{plaintext};
    GivenToken token;
    token.kid = in.le16();
    const std::uint8_t size = in.u8();
    token.text = text_of(in.bytes(size));
    const bool has_padding = in.ok() && plaintext.size() % kPadding == 0 &&
                             in.rest().size() < kPadding &&
                             std::ranges::all_of(in.rest(), [](Byte b) { return b == 0; });
    if (!has_padding || size == 0 || size > kTextMax) return std::nullopt;
    return token;
}

}  // namespace

RowKey given_token_key(const GivenTokenPlace& place) noexcept {
    return row_key(place.tenant, place.number, RowKind::given_token, place.field, place.item)
        .add(place.recipient, 2)
        .add(place.kind, 1);
}

std::optional<GivenTokenPlace> given_token_place(TenantId tenant, ByteView key) noexcept {
    const auto number = subject_of(key);
    if (!number || kind_of(key) != RowKind::given_token) return std::nullopt;
    ByteReader in{key.subspan(kPersonPrefixSize + 1)};
    GivenTokenPlace place;
    place.tenant = tenant;
    place.number = *number;
    place.field = in.be16();
    place.item = in.be32();
    place.recipient = in.be16();
    place.kind = in.u8();
    return place;
}

crypto::SubKey given_token_box_key(const GivenTokenPlace& place,
                                   crypto::KeyView fixed_or_item) noexcept {
    if (place.item == 0) {
        return crypto::derive_subkey(fixed_or_item, KdfContext::subject, keys::subkey::kGivenToken);
    }
    return crypto::derive_subkey(fixed_or_item, KdfContext::item, keys::subkey::kItemGivenToken);
}

Bytes seal_given_token(const crypto::SubKey& key, Header header, const GivenTokenPlace& place,
                       const GivenToken& token) {
    header.schema = place.recipient;
    header.retention_class = place.kind;
    return seal_record(key, header, record_place(place), encode(token).expose());
}

std::optional<GivenToken> open_given_token(const crypto::SubKey& key, const GivenTokenPlace& place,
                                           ByteView row) {
    const auto header = Header::decode(row);
    const bool is_its =
        header && header->schema == place.recipient && header->retention_class == place.kind;
    const auto plaintext = is_its ? open_record(key, record_place(place), row) : std::nullopt;
    return plaintext ? decode(plaintext->expose()) : std::nullopt;
}

RowKey given_handle_key(TenantId tenant, SubjectNumber number, std::uint32_t n) noexcept {
    return row_key(tenant, number, RowKind::given_handle).add(n, 4);
}

std::uint32_t given_handle_number(ByteView row_key) noexcept {
    return ByteReader{row_key.subspan(kPersonPrefixSize + 1)}.be32();
}

Bytes seal_given_handle(const crypto::Seed& fixed, const Header& header, TenantId tenant,
                        SubjectNumber number, std::uint32_t n, SubjectNumber handle) {
    Bytes plaintext;
    ByteWriter{plaintext}.le64(handle.local);
    return seal_record(handle_list_key(fixed), header,
                       {RecordType::given_handle, tenant, number, 0, n}, plaintext);
}

std::optional<SubjectNumber> open_given_handle(const crypto::Seed& fixed, TenantId tenant,
                                               SubjectNumber number, std::uint32_t n,
                                               ByteView row) {
    const auto plaintext =
        open_record(handle_list_key(fixed), {RecordType::given_handle, tenant, number, 0, n}, row);
    if (!plaintext || plaintext->size() != sizeof(std::uint64_t)) return std::nullopt;
    const SubjectNumber handle{ByteReader{plaintext->expose()}.le64()};
    if (handle.local >> 36 != 0) return std::nullopt;
    return handle;
}

}  // namespace oubliette::people
