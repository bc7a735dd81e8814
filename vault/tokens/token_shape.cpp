#include "vault/tokens/token_shape.hpp"

#include <limits>

#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "crypto/secret.hpp"

namespace oubliette::tokens {
namespace {

using policy::TokenShape;
using Kind = Shape::Kind;

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::size_t kOpaqueBytes = 30;
constexpr std::size_t kCardLength = 16;
constexpr std::size_t kCardMin = 12;
constexpr std::size_t kCardMax = 19;
constexpr std::size_t kIbanLength = 22;
constexpr std::size_t kIbanMin = 15;
constexpr std::size_t kIbanMax = 34;
constexpr std::size_t kIbanHead = 4;  // country and check digits
constexpr std::size_t kPhoneDigits = 12;
constexpr std::size_t kMailCharacters = 26;
constexpr std::size_t kResidentDigits = 15;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
unsigned digit(char c) noexcept {
    return static_cast<unsigned>(c - '0');
}
char to_digit(unsigned value) noexcept {
    return static_cast<char>('0' + value);
}

// Characters of `alphabet`, each as likely as the others: bytes above the last whole multiple of
// its size are thrown away, so that no remainder favours the first ones.
void add_random(TokenText& text, std::string_view alphabet, std::size_t count) noexcept {
    const unsigned limit = 256 - 256 % static_cast<unsigned>(alphabet.size());
    ByteArray<64> pool{};
    std::size_t used = pool.size();
    while (count > 0) {
        if (used == pool.size()) {
            crypto::random_bytes(pool);
            used = 0;
        }
        const Byte byte = pool[used++];
        if (byte >= limit) continue;
        text += alphabet[byte % alphabet.size()];
        --count;
    }
}

// Sum of ISO/IEC 7812: every second digit from the right, the last but one first, counts double.
unsigned luhn_sum(std::string_view digits) noexcept {
    unsigned sum = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const unsigned value = digit(digits[digits.size() - 1 - i]);
        const unsigned doubled = value * 2;
        sum += i % 2 == 0 ? value : doubled > 9 ? doubled - 9 : doubled;
    }
    return sum;
}

// The third character is what makes the check right: each of its ten values gives another sum.
TokenText draw_card(const Shape& shape) noexcept {
    while (true) {
        TokenText text{"99"};
        add_random(text, kDigits, shape.length - text.size() - shape.kept.size());
        text += shape.kept;
        if (!shape.luhn) {
            if (luhn_sum(text.view()) % 10 != 0) return text;
            continue;
        }
        for (unsigned value = 0; value < 10; ++value) {
            text[2] = to_digit(value);
            if (luhn_sum(text.view()) % 10 == 0) return text;
        }
    }
}

// ISO 13616: the number with the country behind it, letters as 10 to 35, modulo 97.
TokenText draw_iban(const Shape& shape) noexcept {
    TokenText account;
    add_random(account, kDigits, shape.length - kIbanHead - shape.kept.size());
    account += shape.kept;
    unsigned rest = 0;
    const auto take = [&rest](std::string_view digits) {
        for (const char c : digits) rest = (rest * 10 + digit(c)) % 97;
    };
    take(account.view());
    take("333300");  // XX00
    const unsigned check = 98 - rest;
    TokenText text{"XX"};
    text += to_digit(check / 10);
    text += to_digit(check % 10);
    text += account.view();
    return text;
}

// GB 11643: ISO 7064 mod 11-2 over seventeen digits.
TokenText draw_resident_id() noexcept {
    TokenText text{"99"};
    add_random(text, kDigits, kResidentDigits);
    unsigned rest = 0;
    for (const char c : text.view()) rest = (rest + digit(c)) * 2 % 11;
    const unsigned check = (12 - rest) % 11;
    text += check == 10 ? 'X' : to_digit(check);
    return text;
}

TokenText draw_security_number() noexcept {
    TokenText first;
    add_random(first, "06", 1);
    TokenText text{first.view() == "0" ? "000" : "666"};
    add_random(text, kDigits, 6);
    return text;
}

TokenText draw_uuid() noexcept {
    ByteArray<16> bytes{};
    crypto::random_bytes(bytes);
    bytes[6] = static_cast<Byte>(0x80 | (bytes[6] & 0x0F));  // version 8
    bytes[8] = static_cast<Byte>(0x80 | (bytes[8] & 0x3F));  // variant of RFC 9562
    TokenText text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += kHex[bytes[i] >> 4];
        text += kHex[bytes[i] & 15];
    }
    return text;
}

TokenText draw_opaque() noexcept {
    ByteArray<kOpaqueBytes> bytes{};
    crypto::random_bytes(bytes);
    std::array<char, crypto::base64url_size(kOpaqueBytes)> encoded{};
    crypto::base64url_encode_into(bytes, encoded);
    TokenText text{"obt1."};
    text += {encoded.data(), encoded.size()};
    return text;
}

// base^exponent, at most 2^64 - 1.
std::uint64_t power(std::uint64_t base, std::size_t exponent) noexcept {
    std::uint64_t result = 1;
    for (std::size_t i = 0; i < exponent; ++i) {
        if (result > std::numeric_limits<std::uint64_t>::max() / base) {
            return std::numeric_limits<std::uint64_t>::max();
        }
        result *= base;
    }
    return result;
}

// Letters and digits of a value, in capitals.
std::string signs_of(std::string_view value) {
    std::string signs;
    for (const char c : value) {
        if (is_digit(c) || is_letter(c)) signs += c >= 'a' ? static_cast<char>(c - 32) : c;
    }
    return signs;
}

bool is_all_digits(std::string_view text) noexcept {
    return text.find_first_not_of(kDigits) == std::string_view::npos;
}

bool looks_like_iban(std::string_view signs) noexcept {
    return signs.size() >= kIbanMin && signs.size() <= kIbanMax && is_letter(signs[0]) &&
           is_letter(signs[1]) && is_digit(signs[2]) && is_digit(signs[3]);
}

// Only digits are kept, so that the text has the alphabet of its kind.
void keep_last(Shape& shape, std::string_view signs, std::size_t count) {
    if (count == 0 || signs.size() < count) return;
    const std::string_view last = signs.substr(signs.size() - count);
    if (!is_all_digits(last)) return;
    shape.kept = last;
    if (size_of(shape) < kSpaceMin) shape.kept.clear();
}

Shape card_shape(const policy::TokenFormat& format, std::string_view signs) {
    Shape shape;
    shape.kind = Kind::card;
    const bool has_length =
        is_all_digits(signs) && signs.size() >= kCardMin && signs.size() <= kCardMax;
    shape.length = static_cast<std::uint16_t>(has_length ? signs.size() : kCardLength);
    shape.luhn = format.luhn;
    keep_last(shape, signs, format.keep_last);
    return shape;
}

Shape iban_shape(const policy::TokenFormat& format, std::string_view signs) {
    Shape shape;
    shape.kind = Kind::iban;
    shape.length = static_cast<std::uint16_t>(looks_like_iban(signs) ? signs.size() : kIbanLength);
    keep_last(shape, signs, format.keep_last);
    return shape;
}

std::string domain_of(const policy::TokenFormat& format, std::string_view tenant) {
    if (!format.domain.empty()) return format.domain;
    std::string domain;
    for (const char c : tenant) {
        const bool is_host_character = is_digit(c) || is_letter(c);
        domain += !is_host_character ? '-' : (c >= 'A' && c <= 'Z') ? static_cast<char>(c + 32) : c;
    }
    while (!domain.empty() && domain.back() == '-') domain.pop_back();
    while (!domain.empty() && domain.front() == '-') domain.erase(0, 1);
    return (domain.empty() ? "vault" : domain) + ".invalid";
}

Kind national_id_kind(std::string_view signs) noexcept {
    const bool is_resident = signs.size() == 18 && is_all_digits(signs.substr(0, 17));
    if (is_resident) return Kind::resident_id;
    return signs.size() == 9 && is_all_digits(signs) ? Kind::security_number : Kind::uuid;
}

}  // namespace

Shape shape_for(const policy::TokenFormat& format, std::string_view value,
                std::string_view tenant) {
    const std::string signs = signs_of(value);
    Shape shape;
    switch (format.shape) {
    case TokenShape::card: return card_shape(format, signs);
    case TokenShape::iban: return iban_shape(format, signs);
    case TokenShape::account:
        return looks_like_iban(signs) ? iban_shape(format, signs) : card_shape(format, signs);
    case TokenShape::phone: shape.kind = Kind::phone; break;
    case TokenShape::email:
        shape.kind = Kind::email;
        shape.domain = domain_of(format, tenant);
        break;
    case TokenShape::national_id: shape.kind = national_id_kind(signs); break;
    case TokenShape::uuid: shape.kind = Kind::uuid; break;
    case TokenShape::digits:
        shape.kind = Kind::digits;
        shape.length = format.length;
        break;
    case TokenShape::alphabet:
        shape.kind = Kind::alphabet;
        shape.length = format.length;
        shape.alphabet = format.alphabet;
        break;
    }
    return shape;
}

std::uint64_t size_of(const Shape& shape) noexcept {
    constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();
    const std::size_t kept = shape.kept.size();
    switch (shape.kind) {
    case Kind::card: {
        const std::uint64_t valid = power(10, shape.length - 3U - kept);
        return shape.luhn ? valid : valid * 9;
    }
    case Kind::iban: return power(10, shape.length - kIbanHead - kept);
    case Kind::phone: return power(10, kPhoneDigits);
    case Kind::resident_id: return power(10, kResidentDigits);
    case Kind::security_number: return 2 * power(10, 6);
    case Kind::digits: return power(10, shape.length);
    case Kind::alphabet:
        return shape.alphabet.empty() ? 0 : power(shape.alphabet.size(), shape.length);
    case Kind::opaque:
    case Kind::email:
    case Kind::uuid: break;
    }
    return kEndless;
}

ByteArray<8> id_of(const Shape& shape) noexcept {
    const ByteArray<5> head{static_cast<Byte>(shape.kind), static_cast<Byte>(shape.length),
                            static_cast<Byte>(shape.length >> 8), static_cast<Byte>(shape.luhn),
                            static_cast<Byte>(shape.kept.size())};
    const crypto::Hash hash = crypto::blake2b(
        {bytes_of("obl/shape/1"), head, bytes_of(shape.alphabet), bytes_of(shape.domain)});
    return ByteReader{hash}.array<8>();
}

TokenText draw(const Shape& shape) noexcept {
    TokenText text;
    switch (shape.kind) {
    case Kind::opaque: return draw_opaque();
    case Kind::card: return draw_card(shape);
    case Kind::iban: return draw_iban(shape);
    case Kind::resident_id: return draw_resident_id();
    case Kind::security_number: return draw_security_number();
    case Kind::uuid: return draw_uuid();
    case Kind::phone:
        text += "+999";
        add_random(text, kDigits, kPhoneDigits);
        break;
    case Kind::email:
        add_random(text, kBase32, kMailCharacters);
        text += '@';
        text += shape.domain;
        break;
    case Kind::digits: add_random(text, kDigits, shape.length); break;
    case Kind::alphabet: add_random(text, shape.alphabet, shape.length); break;
    }
    return text;
}

}  // namespace oubliette::tokens
