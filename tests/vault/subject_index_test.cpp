#include "vault/people/subject_index.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

namespace oubliette::people {
namespace {

using Fingerprint = SubjectIndex::Fingerprint;
using Naive = std::multimap<std::pair<std::uint16_t, Fingerprint>, std::uint64_t>;

std::vector<std::uint64_t> found_in(const SubjectIndex& index, std::uint16_t field,
                                    Fingerprint fingerprint) {
    std::vector<std::uint64_t> found;
    index.find(field, fingerprint, [&](keys::SubjectNumber number) {
        found.push_back(number.local);
        return true;
    });
    std::ranges::sort(found);
    return found;
}

std::vector<std::uint64_t> found_in(const Naive& naive, std::uint16_t field,
                                    Fingerprint fingerprint) {
    std::vector<std::uint64_t> found;
    const auto [from, to] = naive.equal_range({field, fingerprint});
    for (auto at = from; at != to; ++at) found.push_back(at->second);
    std::ranges::sort(found);
    return found;
}

struct Model {
    SubjectIndex index;
    Naive naive;

    void insert(std::uint16_t field, Fingerprint fingerprint, std::uint64_t number) {
        index.insert(field, fingerprint, {number});
        const auto same = found_in(naive, field, fingerprint);
        if (std::ranges::find(same, number) != same.end()) return;
        naive.emplace(std::pair{field, fingerprint}, number);
    }
    void remove(std::uint16_t field, Fingerprint fingerprint, std::uint64_t number) {
        index.remove(field, fingerprint, {number});
        const auto [from, to] = naive.equal_range({field, fingerprint});
        for (auto at = from; at != to; ++at) {
            if (at->second != number) continue;
            naive.erase(at);
            return;
        }
    }
    void check() const {
        REQUIRE(index.size() == naive.size());
        for (const auto& [key, number] : naive) {
            REQUIRE(found_in(index, key.first, key.second) ==
                    found_in(naive, key.first, key.second));
        }
    }
};

}  // namespace

TEST_CASE("the index answers as a multimap does") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    // Wide: uniform fingerprints. Narrow: few shards and homes, long runs that wrap around.
    for (const bool is_narrow : {false, true}) {
        Model model;
        const auto fingerprint = [&]() -> Fingerprint {
            if (!is_narrow) return random() % 4'000 * 0x9E37'79B9'7F4A'7C15;
            return (random() % 2) | (0xFFFF'FFFF'FFFF'FFC0 - (random() % 5 << 58));
        };
        for (int i = 0; i < 20'000; ++i) {
            const auto field = static_cast<std::uint16_t>(random() % 3);
            const Fingerprint key = fingerprint();
            const std::uint64_t number = random() % 8 == 0 ? (1ULL << 36) - 1 : random() % 16;
            if (random() % 5 < 3) {
                model.insert(field, key, number);
            } else {
                model.remove(field, key, number);
            }
            if (i % 5'000 == 0) model.check();
        }
        model.check();
        const Naive all = model.naive;
        for (const auto& [key, number] : all) model.remove(key.first, key.second, number);
        CHECK(model.index.size() == 0);
        for (const auto& [key, number] : all) {
            REQUIRE(found_in(model.index, key.first, key.second).empty());
        }
    }
}

TEST_CASE("an empty index, repeated inserts, stopping early, field limits") {
    SubjectIndex index;
    CHECK(index.size() == 0);
    CHECK(index.bytes() == 0);
    CHECK(found_in(index, 1, 2).empty());
    index.remove(1, 2, {3});
    index.insert(0xFFFF, ~Fingerprint{0}, {(1ULL << 36) - 1});
    index.insert(0xFFFF, ~Fingerprint{0}, {(1ULL << 36) - 1});
    index.insert(0, 0, {0});
    CHECK(index.size() == 2);
    CHECK(found_in(index, 0xFFFF, ~Fingerprint{0}) == std::vector<std::uint64_t>{(1ULL << 36) - 1});
    CHECK(found_in(index, 0, 0) == std::vector<std::uint64_t>{0});
    CHECK(found_in(index, 1, 0).empty());
    for (std::uint64_t i = 0; i < 10; ++i) index.insert(4, 9, {i});
    std::size_t visits = 0;
    index.find(4, 9, [&](keys::SubjectNumber) { return ++visits < 3; });
    CHECK(visits == 3);
}

TEST_CASE("an entry takes about 20 bytes") {
    SubjectIndex index;
    std::mt19937_64 random{1};
    std::size_t count = 0;
    for (const std::size_t target : {100'000U, 200'000U, 400'000U}) {
        for (; count < target; ++count) index.insert(1, random(), {count});
        const double each = static_cast<double>(index.bytes()) / static_cast<double>(count);
        INFO(each << " bytes an entry at " << count);
        CHECK(index.size() == count);
        CHECK(each >= 16 / 0.85);
        CHECK(each <= 24);
    }
}

TEST_CASE("finding goes on while others insert and remove") {
    SubjectIndex index;
    constexpr Fingerprint kFixed = 0x1234'5678'9ABC'DEF0;
    index.insert(7, kFixed, {42});
    std::atomic<bool> is_over{false};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
            std::mt19937_64 random{t};
            for (int i = 0; i < 20'000; ++i) {
                // Every other entry falls into the shard of the one that is looked for.
                const Fingerprint key =
                    i % 2 == 0 ? random() : (random() & ~Fingerprint{63}) | 0x30;
                index.insert(static_cast<std::uint16_t>(t), key, {random() >> 28});
                if (i % 3 == 0) index.remove(static_cast<std::uint16_t>(t), key, {random() >> 28});
            }
            is_over = true;
        });
    }
    std::size_t missed = 0;
    while (!is_over) {
        if (found_in(index, 7, kFixed) != std::vector<std::uint64_t>{42}) ++missed;
        (void)index.size();
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(missed == 0);
}

TEST_CASE("all entries of a range of people leave the index, and no others") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    SubjectIndex index;
    std::map<std::uint64_t, std::pair<std::uint16_t, Fingerprint>> entries;
    for (std::uint64_t number = 0; number < 20'000; ++number) {
        const auto field = static_cast<std::uint16_t>(random() % 3);
        const Fingerprint fingerprint = random() % 4'096;  // long runs of equal ones
        entries[number] = {field, fingerprint};
        index.insert(field, fingerprint, {number});
    }
    index.remove_people({5'000}, {17'000});
    CHECK(index.size() == 8'000);
    std::size_t wrong = 0;
    for (const auto& [number, entry] : entries) {
        const auto found = found_in(index, entry.first, entry.second);
        const bool is_there = std::ranges::binary_search(found, number);
        if (is_there == (number >= 5'000 && number < 17'000)) ++wrong;
    }
    CHECK(wrong == 0);
}

}  // namespace oubliette::people
