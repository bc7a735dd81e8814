#include "vault/tokens/pointer_token.hpp"

#include <algorithm>

#include "crypto/encoding.hpp"
#include "crypto/kdf.hpp"
#include "crypto/siv.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette::tokens {
namespace {

constexpr std::string_view kPrefix = kTokenPrefix;
static_assert(kPrefix.size() + crypto::base64url_size(kTokenBytesSize) == kTokenSize);
static_assert(kTokenBytesSize == 2 + crypto::kSivSize + kPayloadSize);

void store_le(Byte* out, std::uint64_t value, std::size_t width) noexcept {
    for (std::size_t i = 0; i < width; ++i) out[i] = static_cast<Byte>(value >> (8 * i));
}

std::uint64_t load_le(const Byte* in, std::size_t width) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | in[i];
    return value;
}

ByteArray<14> associated_data(const TokenScope& scope) noexcept {
    ByteArray<14> out{'o', 'b', 'l', 't', 'o', 'k', '1', 0};
    store_le(&out[8], static_cast<std::uint16_t>(scope.tenant), 2);
    store_le(&out[10], scope.recipient, 2);
    store_le(&out[12], scope.kid, 2);
    return out;
}

ByteArray<kPayloadSize> encode(const TokenPayload& payload) noexcept {
    ByteArray<kPayloadSize> out{};
    store_le(&out[0], payload.subject.local, 5);
    store_le(&out[5], payload.field, 2);
    store_le(&out[7], payload.salt32, 4);
    store_le(&out[11], payload.recipient, 2);
    out[13] = static_cast<Byte>(payload.kind);
    store_le(&out[16], payload.expiry.seconds, 4);
    std::copy(payload.nonce.begin(), payload.nonce.end(), out.begin() + 20);
    return out;
}

// What the vault sealed itself can still be of a newer version: unknown parts are refused.
std::optional<TokenPayload> decode(const ByteArray<kPayloadSize>& in) noexcept {
    TokenPayload payload;
    payload.subject.local = load_le(&in[0], 5);
    payload.field = static_cast<std::uint16_t>(load_le(&in[5], 2));
    payload.salt32 = static_cast<std::uint32_t>(load_le(&in[7], 4));
    payload.recipient = static_cast<std::uint16_t>(load_le(&in[11], 2));
    payload.kind = static_cast<TokenKind>(in[13]);
    payload.expiry.seconds = static_cast<std::uint32_t>(load_le(&in[16], 4));
    std::copy(in.begin() + 20, in.end(), payload.nonce.begin());
    const bool known_kind = in[13] >= 1 && in[13] <= 3;
    const bool no_purpose_set = load_le(&in[14], 2) == 0;
    const bool has_nonce = payload.nonce != ByteArray<8>{};
    if (payload.subject.local >> 36 != 0 || !known_kind || !no_purpose_set) return std::nullopt;
    if (payload.kind == TokenKind::deterministic && has_nonce) return std::nullopt;
    const bool is_anybodys = payload.subject.local != 0 || payload.salt32 > 1;
    if (payload.kind == TokenKind::poison && is_anybodys) return std::nullopt;
    return payload;
}

}  // namespace

TokenKeys TokenKeys::derive(crypto::KeyView leaf) noexcept {
    return {crypto::derive_subkey(leaf, crypto::KdfContext::token, keys::subkey::kTokenMac),
            crypto::derive_subkey(leaf, crypto::KdfContext::token, keys::subkey::kTokenEncryption)};
}

void seal_token(const TokenKeys& keys, const TokenScope& scope, const TokenPayload& payload,
                std::span<char, kTokenSize> out) noexcept {
    ByteArray<kTokenBytesSize> bytes{};
    store_le(bytes.data(), scope.kid, 2);
    crypto::seal_siv(keys.mac.expose(), keys.encryption.expose(), associated_data(scope),
                     encode(payload), ByteSpan{bytes}.subspan(2));
    std::copy(kPrefix.begin(), kPrefix.end(), out.begin());
    crypto::base64url_encode_into(bytes, out.subspan(kPrefix.size()));
}

std::optional<std::uint16_t> parse_kid(std::string_view text) noexcept {
    if (text.size() != kTokenSize || !text.starts_with(kPrefix)) return std::nullopt;
    ByteArray<kTokenBytesSize> bytes{};
    if (!crypto::base64url_decode_into(text.substr(kPrefix.size()), bytes)) return std::nullopt;
    return static_cast<std::uint16_t>(load_le(bytes.data(), 2));
}

std::optional<TokenPayload> open_token(const TokenKeys& keys, const TokenScope& scope,
                                       std::string_view text) noexcept {
    if (text.size() != kTokenSize || !text.starts_with(kPrefix)) return std::nullopt;
    ByteArray<kTokenBytesSize> bytes{};
    if (!crypto::base64url_decode_into(text.substr(kPrefix.size()), bytes)) return std::nullopt;
    if (load_le(bytes.data(), 2) != scope.kid) return std::nullopt;
    ByteArray<kPayloadSize> payload{};
    if (!crypto::open_siv(keys.mac.expose(), keys.encryption.expose(), associated_data(scope),
                          ByteView{bytes}.subspan(2), payload)) {
        return std::nullopt;
    }
    const auto decoded = decode(payload);
    if (!decoded || decoded->recipient != scope.recipient) return std::nullopt;
    return decoded;
}

}  // namespace oubliette::tokens
