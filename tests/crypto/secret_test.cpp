#include "crypto/secret.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/crypto/child_process.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

bool all_zero(ByteView bytes) {
    return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}

template <std::size_t N>
ByteArray<N> draw() {
    ByteArray<N> bytes{};
    random_bytes(bytes);
    return bytes;
}

}  // namespace

TEST_CASE("wipe leaves zeros, and takes nothing at all") {
    Bytes bytes = pattern(1'000, 1);
    wipe(ByteSpan{bytes}.subspan(10, 900));
    CHECK(all_zero(ByteView{bytes}.subspan(10, 900)));
    CHECK(bytes[9] == pattern(1'000, 1)[9]);
    CHECK(bytes[910] == pattern(1'000, 1)[910]);
    wipe({});
}

TEST_CASE("a key that was moved from is zero") {
    Seed key = some_key();
    const Seed moved{std::move(key)};
    CHECK(all_zero(key.expose()));  // NOLINT(bugprone-use-after-move)
    CHECK(std::ranges::equal(moved.expose(), some_key().expose()));

    Seed source = some_key(2);
    Seed target = some_key(3);
    target = std::move(source);
    CHECK(all_zero(source.expose()));  // NOLINT(bugprone-use-after-move)
    CHECK(std::ranges::equal(target.expose(), some_key(2).expose()));
}

TEST_CASE("a key that was destroyed leaves zeros in its place") {
    alignas(Seed) ByteArray<sizeof(Seed)> place{};
    Seed* const key = new (place.data()) Seed{some_key().expose()};
    REQUIRE_FALSE(all_zero(place));
    key->~Key();
    CHECK(all_zero(place));
}

TEST_CASE("secret bytes forget what is cut off and what is moved away") {
    SecretBytes secret{ByteView{pattern(100, 1)}};
    const ByteView whole = secret.expose();
    secret.truncate(60);
    CHECK(secret.size() == 60);
    CHECK(std::ranges::equal(secret.expose(), ByteView{pattern(100, 1)}.first(60)));
    CHECK(secret.expose().data() == whole.data());  // not reallocated, so nothing was left behind

    SecretBytes moved{std::move(secret)};
    CHECK(secret.size() == 0);  // NOLINT(bugprone-use-after-move)
    CHECK(moved.size() == 60);
    SecretBytes assigned{ByteView{pattern(10, 2)}};
    assigned = std::move(moved);
    CHECK(assigned.size() == 60);
    CHECK(moved.size() == 0);  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("random bytes do not repeat, at any size, within and across threads") {
    std::set<Bytes> seen;
    for (std::size_t size = 16; size <= 600; size += 3) {
        Bytes bytes(size);
        random_bytes(bytes);
        CHECK_FALSE(all_zero(ByteView{bytes}.last(16)));
        seen.insert(Bytes(bytes.begin(), bytes.begin() + 16));
        seen.insert(Bytes(bytes.end() - 16, bytes.end()));
    }
    const std::size_t distinct = seen.size();
    CHECK(distinct >= 389);  // of 16 bytes the first and the last are the same

    std::array<std::vector<ByteArray<16>>, 4> drawn;
    std::vector<std::thread> threads;
    for (auto& mine : drawn) {
        threads.emplace_back([&mine] {
            for (int i = 0; i < 5'000; ++i) mine.push_back(draw<16>());
        });
    }
    for (std::thread& thread : threads) thread.join();
    std::set<ByteArray<16>> all;
    for (const auto& mine : drawn) all.insert(mine.begin(), mine.end());
    CHECK(all.size() == 20'000);
}

TEST_CASE("random bytes are balanced") {
    std::array<int, 8> ones{};
    for (int i = 0; i < 20'000; ++i) {
        const ByteArray<16> bytes = draw<16>();
        for (const Byte byte : bytes) {
            for (unsigned bit = 0; bit < 8; ++bit) ones[bit] += byte >> bit & 1;
        }
    }
    // 320,000 tosses for each bit: six standard deviations are 1,697.
    for (const int count : ones) CHECK(std::abs(count - 160'000) < 1'697);
}

TEST_CASE("a forked child does not draw the random bytes of its parent") {
    (void)draw<16>();  // so that there is a pool to inherit
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const bool sent = child_succeeds([&pipe] {
        const ByteArray<64> bytes = draw<64>();
        return ::write(pipe[1], bytes.data(), bytes.size()) == 64 ? 0 : 1;
    });
    CHECK(sent);
    const ByteArray<64> ours = draw<64>();
    ByteArray<64> theirs{};
    REQUIRE(::read(pipe[0], theirs.data(), theirs.size()) == 64);
    CHECK_FALSE(all_zero(theirs));
    CHECK(ours != theirs);
    // Nor the same stream at another place.
    const auto found = std::search(ours.begin(), ours.end(), theirs.begin(), theirs.begin() + 8);
    CHECK(found == ours.end());
    (void)::close(pipe[0]);
    (void)::close(pipe[1]);
}

}  // namespace oubliette::crypto::testing
