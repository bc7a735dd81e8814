#include <algorithm>

#include <catch2/catch.hpp>
#include <sodium.h>

#include "crypto/sign.hpp"
#include "tests/crypto/vector_file.hpp"

// Project Wycheproof against the primitives below our formats. It tests libsodium more than us,
// which is the point: a box is only as good as the AEAD that the machine really has.

namespace oubliette::crypto::testing {
namespace {

struct Aead {
    std::size_t nonce_size;
    decltype(&crypto_aead_chacha20poly1305_ietf_encrypt) encrypt;
    decltype(&crypto_aead_chacha20poly1305_ietf_decrypt) decrypt;
};

void check_aead(const Aead& aead, const nlohmann::json& test) {
    CAPTURE(test.at("tcId"));
    const Bytes key = hex_of(test.at("key"));
    const Bytes nonce = hex_of(test.at("iv"));
    const Bytes ad = hex_of(test.at("aad"));
    const Bytes plaintext = hex_of(test.at("msg"));
    Bytes sealed = hex_of(test.at("ct"));
    const Bytes tag = hex_of(test.at("tag"));
    sealed.insert(sealed.end(), tag.begin(), tag.end());
    const bool valid = test.at("result") == "valid";
    REQUIRE(nonce.size() == aead.nonce_size);

    Bytes opened(plaintext.size());
    const int refused = aead.decrypt(opened.data(), nullptr, nullptr, sealed.data(), sealed.size(),
                                     ad.data(), ad.size(), nonce.data(), key.data());
    CHECK((refused == 0) == valid);
    Bytes resealed(plaintext.size() + 16);
    (void)aead.encrypt(resealed.data(), nullptr, plaintext.data(), plaintext.size(), ad.data(),
                       ad.size(), nullptr, nonce.data(), key.data());
    CHECK((resealed == sealed) == valid);
    if (valid) CHECK(opened == plaintext);
}

// The number of cases that ran. Left out are only groups whose nonce this AEAD cannot be given.
std::size_t check_aead_file(const Aead& aead, const char* file) {
    std::size_t ran = 0;
    std::size_t left_out = 0;
    const nlohmann::json document = read_json(vectors_folder() / "wycheproof" / file);
    for (const auto& group : document.at("testGroups")) {
        if (group.at("ivSize") != aead.nonce_size * 8) {
            left_out += group.at("tests").size();
            continue;
        }
        for (const auto& test : group.at("tests")) {
            check_aead(aead, test);
            ++ran;
        }
    }
    WARN(file << ": " << ran << " cases, " << left_out << " with another nonce size left out");
    return ran;
}

}  // namespace

TEST_CASE("ChaCha20-Poly1305 of this machine passes Wycheproof") {
    const Aead aead{crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
                    crypto_aead_chacha20poly1305_ietf_encrypt,
                    crypto_aead_chacha20poly1305_ietf_decrypt};
    CHECK(check_aead_file(aead, "chacha20_poly1305_test.json") > 250);
}

TEST_CASE("XChaCha20-Poly1305 of this machine passes Wycheproof") {
    const Aead aead{crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
                    crypto_aead_xchacha20poly1305_ietf_encrypt,
                    crypto_aead_xchacha20poly1305_ietf_decrypt};
    CHECK(check_aead_file(aead, "xchacha20_poly1305_test.json") > 250);
}

TEST_CASE("verify passes Wycheproof, malleable and small-order signatures included") {
    std::size_t ran = 0;
    const auto file = read_json(vectors_folder() / "wycheproof" / "ed25519_test.json");
    for (const auto& group : file.at("testGroups")) {
        PublicKey key{};
        const Bytes key_bytes = hex_of(group.at("publicKey").at("pk"));
        REQUIRE(key_bytes.size() == key.size());
        std::ranges::copy(key_bytes, key.begin());
        for (const auto& test : group.at("tests")) {
            CAPTURE(test.at("tcId"));
            ++ran;
            const Bytes signature_bytes = hex_of(test.at("sig"));
            Signature signature{};
            if (signature_bytes.size() != signature.size()) {
                // Such a signature cannot even be handed to verify().
                CHECK(test.at("result") == "invalid");
                continue;
            }
            std::ranges::copy(signature_bytes, signature.begin());
            CHECK(verify(key, hex_of(test.at("msg")), signature) == (test.at("result") == "valid"));
        }
    }
    WARN("ed25519_test.json: " << ran << " cases");
    CHECK(ran == file.at("numberOfTests"));
}

}  // namespace oubliette::crypto::testing
