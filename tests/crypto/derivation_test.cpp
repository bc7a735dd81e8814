#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "crypto/ggm.hpp"
#include "crypto/hash.hpp"
#include "crypto/kdf.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

Bytes bytes_of_key(KeyView key) {
    return {key.begin(), key.end()};
}

}  // namespace

TEST_CASE("every context and number gives another subkey") {
    const Seed key = some_key();
    std::set<Bytes> seen;
    for (int context = 0; context <= static_cast<int>(KdfContext::system); ++context) {
        for (std::uint64_t number = 0; number < 20; ++number) {
            const SubKey subkey =
                derive_subkey(key.expose(), static_cast<KdfContext>(context), number);
            seen.insert(bytes_of_key(subkey.expose()));
        }
    }
    CHECK(seen.size() == 200);
}

TEST_CASE("a descent is the steps it is made of") {
    const Seed seed = some_key();
    for (unsigned path = 0; path < 64; ++path) {
        Seed node = seed.duplicate();
        for (unsigned level = 6; level-- > 0;) {
            Seed left;
            Seed right;
            ggm_step(node.expose(), left.expose_mut(), right.expose_mut());
            node = (path >> level & 1) != 0 ? std::move(right) : std::move(left);
        }
        CHECK(bytes_of_key(ggm_descend(seed.expose(), path, 6).expose()) ==
              bytes_of_key(node.expose()));
    }
}

TEST_CASE("a step may write over its own seed") {
    const Seed seed = some_key();
    Seed left;
    Seed right;
    ggm_step(seed.expose(), left.expose_mut(), right.expose_mut());
    Seed in_place = seed.duplicate();
    Seed other;
    ggm_step(in_place.expose(), in_place.expose_mut(), other.expose_mut());
    CHECK(bytes_of_key(in_place.expose()) == bytes_of_key(left.expose()));
    CHECK(bytes_of_key(other.expose()) == bytes_of_key(right.expose()));
    in_place = seed.duplicate();
    ggm_step(in_place.expose(), other.expose_mut(), in_place.expose_mut());
    CHECK(bytes_of_key(in_place.expose()) == bytes_of_key(right.expose()));
    CHECK(bytes_of_key(other.expose()) == bytes_of_key(left.expose()));
}

TEST_CASE("a passphrase, its salt and its cost all matter") {
    const PassphraseCost cost{.memory_bytes = 64 << 10, .passes = 1};
    const ByteArray<kPassphraseSaltSize> salt{1};
    const Bytes passphrase = pattern(12, 1);
    const auto kek = derive_from_passphrase(passphrase, salt, cost);
    REQUIRE(kek);
    const Bytes first = bytes_of_key(kek->expose());
    const auto differs = [&first](const std::optional<Kek>& other) {
        return other && bytes_of_key(other->expose()) != first;
    };
    CHECK_FALSE(differs(derive_from_passphrase(passphrase, salt, cost)));
    CHECK(differs(derive_from_passphrase(pattern(11, 1), salt, cost)));
    CHECK(differs(derive_from_passphrase(passphrase, ByteArray<kPassphraseSaltSize>{2}, cost)));
    CHECK(differs(
        derive_from_passphrase(passphrase, salt, {.memory_bytes = 128 << 10, .passes = 1})));
    CHECK(
        differs(derive_from_passphrase(passphrase, salt, {.memory_bytes = 64 << 10, .passes = 2})));
}

TEST_CASE("comparison in constant time compares contents and sizes") {
    const Bytes a = pattern(32, 1);
    Bytes b = a;
    CHECK(equal_constant_time(a, b));
    CHECK(equal_constant_time({}, {}));
    CHECK_FALSE(equal_constant_time(a, ByteView{a}.first(31)));
    for (std::size_t i = 0; i < b.size(); ++i) {
        b[i] ^= 0x80;
        CHECK_FALSE(equal_constant_time(a, b));
        b[i] ^= 0x80;
    }
}

}  // namespace oubliette::crypto::testing
