#include "crypto/chunks.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

#include "crypto/box.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

constexpr std::size_t kPrefix = 42;
constexpr std::size_t kChunk = 65'536 + 17;

// Three whole chunks and one of 100 bytes.
Bytes sample(const Seed& key, std::size_t seed = 1) {
    return seal_chunks(key.expose(), pattern(3 * kChunkPlaintextSize + 100, seed), pattern(34, 2));
}

bool opens(const Seed& key, ByteView chunked) {
    return open_chunks(key.expose(), chunked, pattern(34, 2)).has_value();
}

Bytes chunk_of(const Bytes& chunked, std::size_t number) {
    const auto begin = chunked.begin() + static_cast<std::ptrdiff_t>(kPrefix + number * kChunk);
    const auto left = static_cast<std::size_t>(chunked.end() - begin);
    return {begin, begin + static_cast<std::ptrdiff_t>(std::min(kChunk, left))};
}

Bytes join(const Bytes& chunked, std::initializer_list<Bytes> chunks) {
    Bytes out(chunked.begin(), chunked.begin() + kPrefix);
    for (const Bytes& chunk : chunks) out.insert(out.end(), chunk.begin(), chunk.end());
    return out;
}

}  // namespace

TEST_CASE("the sizes of chunked values have one reading") {
    for (const std::size_t size : {65'537U, 131'071U, 131'072U, 131'073U, 1'000'000U}) {
        CHECK(chunked_plaintext_size(chunked_size(size)) == size);
    }
    CHECK(chunked_plaintext_size(chunked_size(kChunkedPlaintextSizeMax)) ==
          kChunkedPlaintextSizeMax);
    CHECK_FALSE(chunked_plaintext_size(chunked_size(kChunkedPlaintextSizeMax) + 18));
    // One chunk only: that is a box's job, so that no value has two forms.
    CHECK_FALSE(chunked_plaintext_size(chunked_size(65'536)));
    for (std::size_t size = 0; size <= kPrefix; ++size) CHECK_FALSE(chunked_plaintext_size(size));
    // A last chunk without a byte of plaintext.
    for (std::size_t extra = 1; extra <= 17; ++extra) {
        CHECK_FALSE(chunked_plaintext_size(kPrefix + 2 * kChunk + extra));
    }
    CHECK(chunked_plaintext_size(kPrefix + 2 * kChunk + 18) == 131'073);
}

TEST_CASE("a chunked value opens whole") {
    const Seed key = some_key();
    const auto opened = open_chunks(key.expose(), sample(key), pattern(34, 2));
    REQUIRE(opened);
    CHECK(std::ranges::equal(opened->expose(), pattern(3 * kChunkPlaintextSize + 100, 1)));
    CHECK(sample(key) != sample(key));
}

TEST_CASE("a chunked value is refused under another key or associated data") {
    const Seed key = some_key();
    const Bytes chunked = sample(key);
    CHECK_FALSE(opens(some_key(2), chunked));
    CHECK_FALSE(open_chunks(key.expose(), chunked, pattern(34, 3)));
    CHECK_FALSE(open_chunks(key.expose(), chunked, pattern(33, 2)));
    CHECK_FALSE(open_chunks(key.expose(), chunked, {}));
}

TEST_CASE("flipped bytes of a chunked value are refused, wherever they are") {
    const Seed key = some_key();
    Bytes chunked = sample(key);
    const auto flip_is_refused = [&](std::size_t i) {
        CAPTURE(i);
        chunked[i] ^= 0x10;
        CHECK_FALSE(opens(key, chunked));
        chunked[i] ^= 0x10;
    };
    // Every byte of the prefix and of both sides of each chunk boundary, and some of the rest.
    for (std::size_t i = 0; i < kPrefix + 2; ++i) flip_is_refused(i);
    for (std::size_t boundary = kPrefix + kChunk; boundary < chunked.size(); boundary += kChunk) {
        for (std::size_t i = boundary - 18; i < boundary + 3; ++i) flip_is_refused(i);
    }
    for (std::size_t i = kPrefix; i < chunked.size(); i += 9'973) flip_is_refused(i);
    for (std::size_t i = chunked.size() - 20; i < chunked.size(); ++i) flip_is_refused(i);
    CHECK(opens(key, chunked));
}

TEST_CASE("a chunked value without its end, or with more than its end, is refused") {
    const Seed key = some_key();
    const Bytes chunked = sample(key);
    const Bytes first = chunk_of(chunked, 0);
    const Bytes second = chunk_of(chunked, 1);
    const Bytes third = chunk_of(chunked, 2);
    const Bytes last = chunk_of(chunked, 3);
    REQUIRE(opens(key, join(chunked, {first, second, third, last})));

    CHECK_FALSE(opens(key, join(chunked, {first, second, third})));
    CHECK_FALSE(opens(key, join(chunked, {first, second})));
    CHECK_FALSE(opens(key, join(chunked, {first})));
    CHECK_FALSE(opens(key, join(chunked, {})));
    CHECK_FALSE(opens(key, join(chunked, {first, second, third, last, last})));
    CHECK_FALSE(opens(key, join(chunked, {first, second, third, last, Bytes(1)})));
    for (std::size_t size = chunked.size() - 120; size < chunked.size(); ++size) {
        CHECK_FALSE(opens(key, ByteView{chunked}.first(size)));
    }
    for (std::size_t size = 0; size <= kPrefix + 20; ++size) {
        CHECK_FALSE(opens(key, ByteView{chunked}.first(size)));
    }
}

TEST_CASE("chunks that changed places, were repeated, left out or borrowed are refused") {
    const Seed key = some_key();
    const Bytes chunked = sample(key);
    const Bytes first = chunk_of(chunked, 0);
    const Bytes second = chunk_of(chunked, 1);
    const Bytes third = chunk_of(chunked, 2);
    const Bytes last = chunk_of(chunked, 3);
    CHECK_FALSE(opens(key, join(chunked, {second, first, third, last})));
    CHECK_FALSE(opens(key, join(chunked, {first, third, second, last})));
    CHECK_FALSE(opens(key, join(chunked, {first, first, third, last})));
    CHECK_FALSE(opens(key, join(chunked, {first, second, last})));
    CHECK_FALSE(opens(key, join(chunked, {second, third, last})));

    const Bytes other = sample(key);  // same key, plaintext and associated data
    CHECK_FALSE(opens(key, join(chunked, {first, chunk_of(other, 1), third, last})));
    CHECK_FALSE(opens(key, join(chunked, {first, second, third, chunk_of(other, 3)})));
    CHECK_FALSE(opens(key, join(other, {first, second, third, last})));
}

TEST_CASE("a box is no chunked value, nor the other way round") {
    const Seed key = some_key();
    const Bytes box = seal_box(key.expose(), Commitment::value, pattern(65'536, 0), {});
    CHECK_FALSE(open_chunks(key.expose(), box, {}));
    const Bytes chunked = seal_chunks(key.expose(), pattern(65'537, 0), {});
    CHECK_FALSE(open_box(key.expose(), Commitment::value, chunked, {}));
}

}  // namespace oubliette::crypto::testing
