#include <algorithm>

#include <catch2/catch.hpp>

#include "crypto/box.hpp"
#include "crypto/chunks.hpp"
#include "crypto/encoding.hpp"
#include "crypto/ggm.hpp"
#include "crypto/hash.hpp"
#include "crypto/kdf.hpp"
#include "crypto/siv.hpp"
#include "tests/crypto/vector_file.hpp"

// Our formats against tests/vectors/oubliette, which another implementation wrote. These files
// stand for bytes on disk: a change that breaks one of these tests loses data.

namespace oubliette::crypto::testing {
namespace {

// By value: a reference into the document would not outlive the head of a loop over it.
nlohmann::json ours(const char* file, const char* group) {
    return read_json(vectors_folder() / "oubliette" / file).at(group);
}

Commitment commitment_of(const nlohmann::json& test) {
    return test.at("commitment") == 32 ? Commitment::structural : Commitment::value;
}

template <std::size_t N>
ByteArray<N> array_of(const nlohmann::json& text) {
    const Bytes bytes = hex_of(text);
    REQUIRE(bytes.size() == N);
    ByteArray<N> out{};
    std::ranges::copy(bytes, out.begin());
    return out;
}

KdfContext context_of(const std::string& name) {
    for (int number = 0; number <= static_cast<int>(KdfContext::system); ++number) {
        const auto context = static_cast<KdfContext>(number);
        if (context_bytes(context) == name) return context;
    }
    FAIL("unknown context " << name);
    return KdfContext::system;
}

}  // namespace

TEST_CASE("box v1 is the box of the independent implementation") {
    std::size_t count = 0;
    for (const auto& test : ours("box_v1.json", "small")) {
        const Seed key = key_of(test.at("key"));
        const Bytes plaintext = hex_of(test.at("plaintext"));
        const Bytes ad = hex_of(test.at("ad"));
        const Bytes expected = hex_of(test.at("box"));
        Bytes box(plaintext.size() + box_overhead(commitment_of(test)));
        seal_box_into(key.expose(), commitment_of(test), array_of<16>(test.at("salt")), plaintext,
                      ad, box);
        CHECK(box == expected);
        const auto opened = open_box(key.expose(), commitment_of(test), expected, ad);
        REQUIRE(opened);
        CHECK(std::ranges::equal(opened->expose(), plaintext));
        ++count;
    }
    for (const auto& test : ours("box_v1.json", "large")) {
        const Seed key = key_of(test.at("key"));
        const Bytes plaintext = pattern(test.at("plaintext_size"), test.at("plaintext_seed"));
        Bytes box(plaintext.size() + box_overhead(commitment_of(test)));
        seal_box_into(key.expose(), commitment_of(test), array_of<16>(test.at("salt")), plaintext,
                      pattern(test.at("ad_size"), test.at("ad_seed")), box);
        CHECK(hex_encode(sha256({box})) == test.at("box_sha256"));
        ++count;
    }
    WARN("box_v1.json: " << count << " cases");
    CHECK(count == 21);
}

TEST_CASE("subkeys are those of the independent implementation, in every context") {
    std::size_t count = 0;
    for (const auto& test : ours("kdf.json", "subkeys")) {
        const SubKey subkey =
            derive_subkey(key_of(test.at("key")).expose(), context_of(test.at("context")),
                          std::stoull(test.at("number").get<std::string>()));
        CHECK(hex_encode(subkey.expose()) == test.at("subkey"));
        ++count;
    }
    WARN("kdf.json subkeys: " << count << " cases");
    CHECK(count == 60);
}

TEST_CASE("a passphrase gives the key of the independent implementation") {
    std::size_t count = 0;
    for (const auto& test : ours("kdf.json", "argon2id")) {
        const auto kek = derive_from_passphrase(
            hex_of(test.at("passphrase")), array_of<kPassphraseSaltSize>(test.at("salt")),
            PassphraseCost{.memory_bytes = test.at("memory_bytes"), .passes = test.at("passes")});
        REQUIRE(kek);
        CHECK(hex_encode(kek->expose()) == test.at("key"));
        ++count;
    }
    WARN("kdf.json argon2id: " << count << " cases");
    CHECK(count == 9);
}

TEST_CASE("tree steps and descents are those of the independent implementation") {
    std::size_t count = 0;
    for (const auto& test : ours("ggm.json", "steps")) {
        Seed left;
        Seed right;
        ggm_step(key_of(test.at("seed")).expose(), left.expose_mut(), right.expose_mut());
        CHECK(hex_encode(left.expose()) == test.at("left"));
        CHECK(hex_encode(right.expose()) == test.at("right"));
        ++count;
    }
    for (const auto& test : ours("ggm.json", "descents")) {
        const Seed leaf =
            ggm_descend(key_of(test.at("seed")).expose(),
                        std::stoull(test.at("path").get<std::string>()), test.at("depth"));
        CHECK(hex_encode(leaf.expose()) == test.at("leaf"));
        ++count;
    }
    WARN("ggm.json: " << count << " cases");
    CHECK(count == 16);
}

TEST_CASE("deterministic sealing is that of the independent implementation") {
    std::size_t count = 0;
    for (const auto& test : ours("siv.json", "cases")) {
        const Seed mac_key = key_of(test.at("mac_key"));
        const Seed encryption_key = key_of(test.at("encryption_key"));
        const Bytes ad = hex_of(test.at("ad"));
        const Bytes payload = hex_of(test.at("payload"));
        Bytes sealed(kSivSize + payload.size());
        seal_siv(mac_key.expose(), encryption_key.expose(), ad, payload, sealed);
        CHECK(hex_encode(sealed) == test.at("sealed"));
        Bytes opened(payload.size());
        CHECK(open_siv(mac_key.expose(), encryption_key.expose(), ad, sealed, opened));
        CHECK(opened == payload);
        ++count;
    }
    WARN("siv.json: " << count << " cases");
    CHECK(count == 6);
}

TEST_CASE("chunked sealing is that of the independent implementation") {
    std::size_t count = 0;
    for (const auto& test : ours("chunks_v1.json", "cases")) {
        const Seed key = key_of(test.at("key"));
        const Bytes ad = hex_of(test.at("ad"));
        const Bytes plaintext = pattern(test.at("plaintext_size"), test.at("plaintext_seed"));
        Bytes chunked(chunked_size(plaintext.size()));
        REQUIRE(chunked.size() == test.at("chunked_size"));
        seal_chunks_into(key.expose(), array_of<kChunkHeaderSize>(test.at("header")), plaintext, ad,
                         chunked);
        CHECK(hex_encode(ByteView{chunked}.first(64)) == test.at("first_64"));
        CHECK(hex_encode(ByteView{chunked}.last(64)) == test.at("last_64"));
        CHECK(hex_encode(sha256({chunked})) == test.at("chunked_sha256"));
        const auto opened = open_chunks(key.expose(), chunked, ad);
        REQUIRE(opened);
        CHECK(std::ranges::equal(opened->expose(), plaintext));
        ++count;
    }
    WARN("chunks_v1.json: " << count << " cases");
    CHECK(count == 6);
}

TEST_CASE("hashes are those of the independent implementation, in one part or several") {
    std::size_t count = 0;
    for (const auto& test : ours("hash.json", "cases")) {
        const Bytes data = hex_of(test.at("data"));
        const Seed key = key_of(test.at("key"));
        const ByteView head = ByteView{data}.first(data.size() / 3);
        const ByteView tail = ByteView{data}.subspan(data.size() / 3);
        CHECK(hex_encode(sha256({head, tail})) == test.at("sha256"));
        CHECK(hex_encode(blake2b({head, {}, tail})) == test.at("blake2b_256"));
        for (const std::size_t size : {16U, 32U, 64U}) {
            Bytes out(size);
            blake2b_keyed(key.expose(), {data}, out);
            CHECK(hex_encode(out) == test.at("keyed_" + std::to_string(size * 8)));
        }
        ++count;
    }
    WARN("hash.json: " << count << " cases");
    CHECK(count == 7);
}

}  // namespace oubliette::crypto::testing
