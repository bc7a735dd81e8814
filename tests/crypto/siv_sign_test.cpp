#include <algorithm>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "crypto/sign.hpp"
#include "crypto/siv.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

PublicKey public_key_of(std::string_view hex) {
    PublicKey key{};
    std::ranges::copy(hex_decode(hex).value(), key.begin());
    return key;
}

}  // namespace

TEST_CASE("deterministic sealing: equal inputs give equal bytes, others do not") {
    const Seed mac = some_key(1);
    const Seed encryption = some_key(2);
    const auto seal = [](const Seed& m, const Seed& e, const Bytes& ad, const Bytes& payload) {
        Bytes out(kSivSize + payload.size());
        seal_siv(m.expose(), e.expose(), ad, payload, out);
        return out;
    };
    const Bytes sealed = seal(mac, encryption, pattern(6, 1), pattern(28, 1));
    CHECK(sealed == seal(mac, encryption, pattern(6, 1), pattern(28, 1)));
    CHECK(sealed != seal(encryption, mac, pattern(6, 1), pattern(28, 1)));
    CHECK(sealed != seal(mac, encryption, pattern(6, 2), pattern(28, 1)));
    CHECK(sealed != seal(mac, encryption, pattern(6, 1), pattern(28, 2)));
}

TEST_CASE("every flipped bit, other key or associated data is refused and leaves zeros") {
    const Seed mac = some_key(1);
    const Seed encryption = some_key(2);
    const Bytes ad = pattern(6, 1);
    Bytes sealed(kSivSize + 28);
    seal_siv(mac.expose(), encryption.expose(), ad, pattern(28, 1), sealed);
    const auto is_refused = [&](const Seed& m, const Seed& e, const Bytes& data) {
        Bytes payload(28, 0xAA);
        const bool opened = open_siv(m.expose(), e.expose(), data, sealed, payload);
        return !opened && payload == Bytes(28);
    };
    for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
        const auto bit = static_cast<Byte>(1U << (i % 8));
        sealed[i / 8] = static_cast<Byte>(sealed[i / 8] ^ bit);
        CHECK(is_refused(mac, encryption, ad));
        sealed[i / 8] = static_cast<Byte>(sealed[i / 8] ^ bit);
    }
    CHECK_FALSE(is_refused(mac, encryption, ad));
    CHECK(is_refused(some_key(3), encryption, ad));
    CHECK(is_refused(mac, some_key(3), ad));
    CHECK(is_refused(mac, encryption, pattern(6, 2)));
    CHECK(is_refused(mac, encryption, pattern(5, 1)));
}

TEST_CASE("signatures are those of RFC 8032, section 7.1") {
    struct Case {
        std::string_view seed;
        std::string_view public_key;
        std::string_view message;
        std::string_view signature;
    };
    const std::array<Case, 2> cases{
        Case{
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39"
            "701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        Case{
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f36"
            "13d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"}};
    for (const Case& test : cases) {
        const Seed seed{ByteView{hex_decode(test.seed).value()}.first<Seed::kSize>()};
        const SigningKey key{seed.expose()};
        const Bytes message = hex_decode(test.message).value();
        CHECK(key.public_key() == public_key_of(test.public_key));
        CHECK(hex_encode(key.sign(message)) == test.signature);
        CHECK(verify(key.public_key(), message, key.sign(message)));
    }
}

TEST_CASE("a signature holds for its key, message and bytes only") {
    const SigningKey key{some_key(1).expose()};
    const SigningKey other{some_key(2).expose()};
    Bytes message = pattern(100, 1);
    Signature signature = key.sign(message);
    CHECK(verify(key.public_key(), message, signature));
    CHECK_FALSE(verify(other.public_key(), message, signature));
    CHECK_FALSE(verify(key.public_key(), ByteView{message}.first(99), signature));
    for (Byte& byte : signature) {
        byte ^= 1;
        CHECK_FALSE(verify(key.public_key(), message, signature));
        byte ^= 1;
    }
}

TEST_CASE("a signing key that was moved from signs no more") {
    SigningKey key{some_key(1).expose()};
    const PublicKey public_key = key.public_key();
    SigningKey moved{std::move(key)};
    CHECK(verify(public_key, {}, moved.sign({})));
    CHECK_FALSE(verify(public_key, {}, key.sign({})));  // NOLINT(bugprone-use-after-move)
    SigningKey assigned{some_key(2).expose()};
    assigned = std::move(moved);
    CHECK(assigned.public_key() == public_key);
    CHECK(verify(public_key, {}, assigned.sign({})));
    CHECK_FALSE(verify(public_key, {}, moved.sign({})));  // NOLINT(bugprone-use-after-move)
}

}  // namespace oubliette::crypto::testing
