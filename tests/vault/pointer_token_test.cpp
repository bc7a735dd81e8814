#include "vault/tokens/pointer_token.hpp"

#include <algorithm>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"
#include "crypto/siv.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::tokens {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

TokenKeys keys_of(std::size_t seed) {
    return TokenKeys::derive(crypto::testing::some_key(seed).expose());
}

const TokenScope kScope{keys::kFirstTenant, 7, 3};

TokenPayload some_payload() {
    TokenPayload payload;
    payload.subject.local = 0x123456789;
    payload.field = 12;
    payload.salt32 = 99;
    payload.recipient = kScope.recipient;
    payload.expiry.seconds = 5'000;
    crypto::random_bytes(payload.nonce);
    return payload;
}

std::string seal(const TokenKeys& keys, const TokenScope& scope, const TokenPayload& payload) {
    std::array<char, kTokenSize> text{};
    seal_token(keys, scope, payload, text);
    return {text.data(), text.size()};
}

// A token whose payload has these bytes, sealed as the format says.
std::string seal_bytes(const TokenKeys& keys, const TokenScope& scope, ByteView payload) {
    Bytes data;
    ByteWriter{data}
        .bytes(bytes_of("obltok1"))
        .u8(0)
        .le16(static_cast<std::uint16_t>(scope.tenant))
        .le16(scope.recipient)
        .le16(scope.kid);
    Bytes bytes;
    ByteWriter{bytes}.le16(scope.kid).zeros(crypto::kSivSize + payload.size());
    crypto::seal_siv(keys.mac.expose(), keys.encryption.expose(), data, payload,
                     ByteSpan{bytes}.subspan(2));
    return "obl1." + crypto::base64url_encode(bytes);
}

}  // namespace

TEST_CASE("a token with any character changed is refused") {
    const TokenKeys keys = keys_of(1);
    const TokenPayload payload = some_payload();
    const std::string good = seal(keys, kScope, payload);
    REQUIRE(open_token(keys, kScope, good) == payload);
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (const char other : std::string{kAlphabet} + ".=+/ \n~" + '\0' + '\xC3') {
            if (other == good[at]) continue;
            std::string text = good;
            text[at] = other;
            INFO("position " << at << ", character " << static_cast<int>(other));
            REQUIRE_FALSE(open_token(keys, kScope, text));
            const bool may_parse = at >= 5 && kAlphabet.find(other) != std::string_view::npos;
            REQUIRE(parse_kid(text).has_value() == may_parse);
        }
    }
}

TEST_CASE("a token with more, fewer or swapped characters is refused") {
    const TokenKeys keys = keys_of(1);
    const std::string good = seal(keys, kScope, some_payload());
    std::vector<std::string> bad{"", "obl1.", "obl1." + good, good + good};
    for (const char extra : std::string{"A=_ \n."} + '\0') {
        bad.push_back(good + extra);
        bad.push_back(extra + good);
        bad.push_back(good.substr(0, 5) + extra + good.substr(5));
    }
    for (std::size_t size = 0; size < good.size(); ++size) bad.push_back(good.substr(0, size));
    bad.push_back(good.substr(1));
    bad.push_back("OBL1." + good.substr(5));
    bad.push_back("obl2." + good.substr(5));
    for (const std::string& text : bad) {
        INFO(text.size() << " characters");
        CHECK_FALSE(open_token(keys, kScope, text));
        CHECK_FALSE(parse_kid(text));
    }
    std::string upper = good;
    std::string lower = good;
    for (std::size_t i = 5; i < good.size(); ++i) {
        if (upper[i] >= 'a' && upper[i] <= 'z') upper[i] = static_cast<char>(upper[i] - 32);
        if (lower[i] >= 'A' && lower[i] <= 'Z') lower[i] = static_cast<char>(lower[i] + 32);
    }
    CHECK_FALSE(open_token(keys, kScope, upper));
    CHECK_FALSE(open_token(keys, kScope, lower));
    std::string swapped = good;
    std::swap_ranges(swapped.begin() + 9, swapped.begin() + 19, swapped.begin() + 40);
    CHECK_FALSE(open_token(keys, kScope, swapped));
}

TEST_CASE("a token opens for its own recipient, tenant and key only") {
    const TokenKeys keys = keys_of(1);
    const std::string good = seal(keys, kScope, some_payload());
    CHECK_FALSE(open_token(keys_of(2), kScope, good));
    CHECK_FALSE(open_token(keys, {static_cast<keys::TenantId>(2), 7, 3}, good));
    CHECK_FALSE(open_token(keys, {keys::kFirstTenant, 8, 3}, good));
    CHECK_FALSE(open_token(keys, {keys::kFirstTenant, 7, 4}, good));
    // The recipient in the payload counts too, whoever sealed it.
    TokenPayload other = some_payload();
    other.recipient = 8;
    CHECK_FALSE(open_token(keys, kScope, seal(keys, kScope, other)));
}

TEST_CASE("a sealed payload with unknown parts is refused") {
    const TokenKeys keys = keys_of(1);
    Bytes payload;
    ByteWriter{payload}.le40(42).le16(9).le32(0).le16(7).u8(1).le16(0).le32(0).zeros(8);
    REQUIRE(payload.size() == kPayloadSize);
    REQUIRE(open_token(keys, kScope, seal_bytes(keys, kScope, payload)));
    for (const unsigned kind : {0U, 3U, 4U, 255U}) {
        Bytes changed = payload;
        changed[13] = static_cast<Byte>(kind);
        CHECK_FALSE(open_token(keys, kScope, seal_bytes(keys, kScope, changed)));
    }
    for (const std::size_t purpose : {14U, 15U}) {
        Bytes changed = payload;
        changed[purpose] = 1;
        CHECK_FALSE(open_token(keys, kScope, seal_bytes(keys, kScope, changed)));
    }
    for (unsigned bit = 4; bit < 8; ++bit) {  // the top of the 40-bit number
        Bytes changed = payload;
        changed[4] = static_cast<Byte>(1U << bit);
        CHECK_FALSE(open_token(keys, kScope, seal_bytes(keys, kScope, changed)));
    }
    // A nonce says which kind it is: a pointer without one, a deterministic token with one.
    Bytes pointer = payload;
    CHECK(open_token(keys, kScope, seal_bytes(keys, kScope, pointer))->kind == TokenKind::pointer);
    Bytes deterministic = payload;
    deterministic[13] = 2;
    CHECK(open_token(keys, kScope, seal_bytes(keys, kScope, deterministic)));
    deterministic[20] = 1;
    CHECK_FALSE(open_token(keys, kScope, seal_bytes(keys, kScope, deterministic)));
}

TEST_CASE("deterministic tokens are equal; pointers and other recipients' tokens are not") {
    const TokenKeys keys = keys_of(1);
    TokenPayload payload = some_payload();
    payload.kind = TokenKind::deterministic;
    payload.nonce = {};
    CHECK(seal(keys, kScope, payload) == seal(keys, kScope, payload));

    // Nobody who holds the tokens of two recipients sees that they are one person: beyond the
    // prefix and the key number, they agree in no more places than two random texts do.
    const TokenKeys other_keys = keys_of(2);
    const TokenScope other_scope{keys::kFirstTenant, 8, 3};
    TokenPayload other = payload;
    other.recipient = 8;
    const std::string a = seal(keys, kScope, payload);
    const std::string b = seal(other_keys, other_scope, other);
    std::size_t equal = 0;
    for (std::size_t i = 5 + 3; i < a.size(); ++i) equal += a[i] == b[i] ? 1U : 0U;
    CHECK(equal < 12);  // 69 places; P(12 or more equal of 64 letters) < 2^-30

    TokenPayload one = some_payload();
    TokenPayload two = one;
    crypto::random_bytes(two.nonce);
    CHECK(seal(keys, kScope, one) != seal(keys, kScope, two));
}

TEST_CASE("random payloads come back as they were") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    for (int i = 0; i < 2'000; ++i) {
        const TokenScope scope{static_cast<keys::TenantId>(random() % 0xFFF),
                               static_cast<std::uint16_t>(random()),
                               static_cast<std::uint16_t>(random())};
        const TokenKeys keys = keys_of(random() % 256);
        TokenPayload payload;
        payload.subject.local = random() >> 28;
        payload.field = static_cast<std::uint16_t>(random());
        payload.salt32 = static_cast<std::uint32_t>(random());
        payload.recipient = scope.recipient;
        payload.expiry.seconds = static_cast<std::uint32_t>(random());
        payload.kind = random() % 2 == 0 ? TokenKind::pointer : TokenKind::deterministic;
        if (payload.kind == TokenKind::pointer) crypto::random_bytes(payload.nonce);
        const std::string text = seal(keys, scope, payload);
        REQUIRE(parse_kid(text) == scope.kid);
        REQUIRE(open_token(keys, scope, text) == payload);
    }
}

}  // namespace oubliette::tokens
