#include "api/credentials.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "api/wiped_buffer.hpp"
#include "crypto/assert.hpp"
#include "crypto/encoding.hpp"

namespace oubliette::api {
namespace {

constexpr std::string_view kPrefix = "obk_c";
constexpr std::string_view kScheme = "bearer ";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::size_t kCheckSize = 6;  // hex digits

std::optional<unsigned> hex_value(char digit) noexcept {
    const std::size_t value = kHex.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    return static_cast<unsigned>(value);
}

// Into wiped memory, unlike crypto::hex_decode.
bool decode_secret(std::string_view text, ByteSpan out) noexcept {
    if (text.size() != out.size() * 2) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto high = hex_value(text[2 * i]);
        const auto low = hex_value(text[2 * i + 1]);
        if (!high || !low) return false;
        out[i] = static_cast<Byte>(*high << 4 | *low);
    }
    return true;
}

void append_hex(WipedBuffer& out, Byte byte) {
    out.append(kHex[byte >> 4]);
    out.append(kHex[byte & 15]);
}

void append_number(WipedBuffer& out, std::uint16_t number) {
    std::array<char, 8> digits{};
    const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(std::string_view{digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void append_check(WipedBuffer& out) {
    const std::uint32_t crc = crypto::crc32(out.bytes());
    out.append('_');
    for (const int shift : {16, 8, 0}) append_hex(out, static_cast<Byte>(crc >> shift));
}

// A number of the grammar off the front of `text`.
bool take_number(std::string_view& text, std::uint16_t& number) noexcept {
    if (text.empty() || text.front() == '0') return false;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    return true;
}

bool take(std::string_view& text, std::string_view expected) noexcept {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

}  // namespace

std::optional<ApiKeyText> parse_api_key(std::string_view text) {
    std::string_view rest = text;
    ApiKeyText key;
    if (!take(rest, kPrefix) || !take_number(rest, key.client)) return std::nullopt;
    if (!take(rest, "k") || !take_number(rest, key.key) || !take(rest, "_")) return std::nullopt;
    constexpr std::size_t kSecretText = kApiKeySecretSize * 2;
    if (rest.size() != kSecretText + 1 + kCheckSize) return std::nullopt;
    key.secret = crypto::SecretBytes{kApiKeySecretSize};
    if (!decode_secret(rest.substr(0, kSecretText), key.secret.expose_mut())) return std::nullopt;
    WipedBuffer expected;
    expected.append(text.substr(0, text.size() - kCheckSize - 1));
    append_check(expected);
    if (expected.text() != text) return std::nullopt;
    return key;
}

std::optional<ApiKeyText> parse_authorization(std::string_view value) {
    if (value.size() < kScheme.size()) return std::nullopt;
    const auto same = [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
    };
    if (!std::equal(kScheme.begin(), kScheme.end(), value.begin(),
                    [&](char expected, char found) { return same(found, expected); })) {
        return std::nullopt;
    }
    return parse_api_key(value.substr(kScheme.size()));
}

crypto::SecretBytes format_api_key(const ApiKeyText& key) {
    OBL_ASSERT(key.client != 0 && key.key != 0 && key.secret.size() == kApiKeySecretSize);
    WipedBuffer text;
    text.append(kPrefix);
    append_number(text, key.client);
    text.append('k');
    append_number(text, key.key);
    text.append('_');
    for (const Byte byte : key.secret.expose()) append_hex(text, byte);
    append_check(text);
    return crypto::SecretBytes{text.bytes()};
}

}  // namespace oubliette::api
