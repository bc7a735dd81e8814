#include "crypto/box.hpp"

#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

bool all_zero(ByteView bytes) {
    return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}

}  // namespace

TEST_CASE("a box opens under its key and associated data, up to the largest plaintext") {
    const Seed key = some_key();
    const Bytes ad = pattern(34, 1);
    for (const Commitment commitment : {Commitment::value, Commitment::structural}) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kBoxPlaintextSizeMax}) {
            const Bytes plaintext = pattern(size, 3);
            const Bytes box = seal_box(key.expose(), commitment, plaintext, ad);
            CHECK(box.size() == size + box_overhead(commitment));
            const auto opened = open_box(key.expose(), commitment, box, ad);
            REQUIRE(opened);
            CHECK(std::ranges::equal(opened->expose(), plaintext));
        }
    }
}

TEST_CASE("equal plaintexts give boxes that share nothing but version and suite") {
    const Seed key = some_key();
    std::set<Bytes> seen;
    for (int i = 0; i < 200; ++i) {
        const Bytes box = seal_box(key.expose(), Commitment::value, pattern(20, 0), {});
        seen.insert(Bytes(box.begin() + 2, box.begin() + 18));
        seen.insert(Bytes(box.begin() + 18, box.begin() + 34));
        seen.insert(Bytes(box.end() - 16, box.end()));
    }
    CHECK(seen.size() == 600);
}

TEST_CASE("every flipped bit of a box is refused, and leaves zeros") {
    const Seed key = some_key();
    const Bytes ad = pattern(12, 1);
    for (const Commitment commitment : {Commitment::value, Commitment::structural}) {
        Bytes box = seal_box(key.expose(), commitment, pattern(40, 3), ad);
        for (std::size_t i = 0; i < box.size() * 8; ++i) {
            CAPTURE(i);
            const auto bit = static_cast<Byte>(1U << (i % 8));
            box[i / 8] = static_cast<Byte>(box[i / 8] ^ bit);
            Bytes out(40, 0xAA);
            CHECK_FALSE(open_box_into(key.expose(), commitment, box, ad, out));
            CHECK(all_zero(out));
            box[i / 8] = static_cast<Byte>(box[i / 8] ^ bit);
        }
        CHECK(open_box(key.expose(), commitment, box, ad));
    }
}

TEST_CASE("a truncated or extended box is refused at every length") {
    const Seed key = some_key();
    for (const Commitment commitment : {Commitment::value, Commitment::structural}) {
        Bytes box = seal_box(key.expose(), commitment, pattern(40, 3), {});
        for (std::size_t size = 0; size < box.size(); ++size) {
            CHECK_FALSE(open_box(key.expose(), commitment, ByteView{box}.first(size), {}));
            CHECK_FALSE(open_box(key.expose(), commitment, ByteView{box}.last(size), {}));
        }
        box.push_back(0);
        CHECK_FALSE(open_box(key.expose(), commitment, box, {}));
        box.resize(kBoxPlaintextSizeMax + box_overhead(commitment) + 1);
        CHECK_FALSE(open_box(key.expose(), commitment, box, {}));
    }
}

TEST_CASE("a box is refused under every other key, associated data and kind of commitment") {
    const Seed key = some_key();
    const Bytes ad = pattern(34, 1);
    const Bytes plaintext = pattern(64, 3);
    const Bytes box = seal_box(key.expose(), Commitment::value, plaintext, ad);
    for (std::size_t i = 0; i < 32 * 8; ++i) {
        Seed other = key.duplicate();
        other.expose_mut()[i / 8] ^= static_cast<Byte>(1U << (i % 8));
        CHECK_FALSE(open_box(other.expose(), Commitment::value, box, ad));
    }
    for (std::size_t i = 0; i < ad.size(); ++i) {
        Bytes other = ad;
        other[i] ^= 1;
        CHECK_FALSE(open_box(key.expose(), Commitment::value, box, other));
        CHECK_FALSE(open_box(key.expose(), Commitment::value, box, ByteView{ad}.first(i)));
    }
    Bytes longer = ad;
    longer.push_back(0);
    CHECK_FALSE(open_box(key.expose(), Commitment::value, box, longer));
    CHECK_FALSE(open_box(key.expose(), Commitment::structural, box, ad));
    const Bytes structural = seal_box(key.expose(), Commitment::structural, plaintext, ad);
    CHECK_FALSE(open_box(key.expose(), Commitment::value, structural, ad));
}

TEST_CASE("parts of two boxes under one key do not make a third") {
    const Seed key = some_key();
    const Bytes first = seal_box(key.expose(), Commitment::value, pattern(64, 1), {});
    const Bytes second = seal_box(key.expose(), Commitment::value, pattern(64, 2), {});
    for (std::size_t cut = 3; cut < first.size(); ++cut) {
        Bytes spliced(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(cut));
        spliced.insert(spliced.end(), second.begin() + static_cast<std::ptrdiff_t>(cut),
                       second.end());
        CHECK_FALSE(open_box(key.expose(), Commitment::value, spliced, {}));
    }
}

}  // namespace oubliette::crypto::testing
