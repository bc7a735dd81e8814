#include "crypto/encoding.hpp"

#include <algorithm>

#include <sodium.h>

#include "crypto/assert.hpp"

namespace oubliette::crypto {
namespace {

constexpr int kUrl = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
constexpr int kStandard = sodium_base64_VARIANT_ORIGINAL;

// libsodium writes a terminator, which an exact buffer has no room for: so in pieces, by way of
// a buffer that has. 48 bytes are 64 characters without padding.
constexpr std::size_t kPieceBytes = 48;
constexpr std::size_t kPieceChars = 64;

void encode_base64(ByteView bytes, std::span<char> out, int variant) noexcept {
    std::array<char, kPieceChars + 1> piece{};
    while (!bytes.empty()) {
        const ByteView front = bytes.first(std::min(bytes.size(), kPieceBytes));
        const std::size_t chars = sodium_base64_encoded_len(front.size(), variant) - 1;
        (void)sodium_bin2base64(piece.data(), piece.size(), front.data(), front.size(), variant);
        std::copy_n(piece.begin(), chars, out.begin());
        out = out.subspan(chars);
        bytes = bytes.subspan(front.size());
    }
    sodium_memzero(piece.data(), piece.size());
}

// libsodium refuses spare bits, and without an `ignore` set and an end pointer also white space
// and trailing text. But 1.0.18 computes with a signed char, and reads some bytes above 0x7F as
// letters: two texts for one token.
bool decode_base64(std::string_view text, ByteSpan out, int variant) noexcept {
    if (std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; })) return false;
    if (text.empty()) return out.empty();  // no null pointers into libsodium
    std::size_t size = 0;
    const int refused = sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr,
                                          &size, nullptr, variant);
    return refused == 0 && size == out.size();
}

constexpr std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1) != 0 ? value >> 1 ^ 0xEDB8'8320U : value >> 1;
        }
        table[i] = value;
    }
    return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

}  // namespace

void base64url_encode_into(ByteView bytes, std::span<char> out) noexcept {
    OBL_ASSERT(out.size() == base64url_size(bytes.size()));
    encode_base64(bytes, out, kUrl);
}

std::string base64url_encode(ByteView bytes) {
    std::string text(base64url_size(bytes.size()), '\0');
    encode_base64(bytes, text, kUrl);
    return text;
}

bool base64url_decode_into(std::string_view text, ByteSpan out) noexcept {
    return text.size() == base64url_size(out.size()) && decode_base64(text, out, kUrl);
}

std::optional<Bytes> base64url_decode(std::string_view text) {
    Bytes bytes(text.size() * 3 / 4);
    if (!base64url_decode_into(text, bytes)) return std::nullopt;
    return bytes;
}

std::string base64_encode(ByteView bytes) {
    std::string text((bytes.size() + 2) / 3 * 4, '\0');
    encode_base64(bytes, text, kStandard);
    return text;
}

std::optional<Bytes> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    Bytes bytes(text.size() / 4 * 3 - padding);
    if (!decode_base64(text, bytes, kStandard)) return std::nullopt;
    return bytes;
}

std::string hex_encode(ByteView bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const Byte byte : bytes) {
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
    }
    return text;
}

std::optional<Bytes> hex_decode(std::string_view text) {
    const auto upper = [](char c) { return c >= 'A' && c <= 'F'; };
    if (text.size() % 2 != 0 || std::ranges::any_of(text, upper)) return std::nullopt;
    if (text.empty()) return Bytes{};
    Bytes bytes(text.size() / 2);
    std::size_t size = 0;
    const int refused = sodium_hex2bin(bytes.data(), bytes.size(), text.data(), text.size(),
                                       nullptr, &size, nullptr);
    if (refused != 0 || size != bytes.size()) return std::nullopt;
    return bytes;
}

std::uint32_t crc32(ByteView bytes) noexcept {
    std::uint32_t value = 0xFFFF'FFFFU;
    for (const Byte byte : bytes) value = value >> 8 ^ kCrcTable[(value ^ byte) & 0xFF];
    return ~value;
}

}  // namespace oubliette::crypto
