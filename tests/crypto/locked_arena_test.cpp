#include "crypto/locked_arena.hpp"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/crypto/child_process.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

bool all_zero(ByteView bytes) {
    return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}

// A number of /proc/self/status in kB, such as "VmLck".
long status_kb(const std::string& name) {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
    }
    return -1;
}

// The VmFlags of the mapping that holds `address`.
std::string flags_of(const Byte* address) {
    std::ifstream maps{"/proc/self/smaps"};
    const auto wanted = std::bit_cast<std::uintptr_t>(address);
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        unsigned long begin = 0;
        unsigned long end = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
            inside = begin <= wanted && wanted < end;
        }
        if (inside && line.starts_with("VmFlags:")) return line + " ";
    }
    return {};
}

// In a child: no more than `bytes` may be locked, and no privilege goes beyond that.
bool limit_locking(rlim_t bytes) {
    const rlimit limit{bytes, bytes};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
    return ::geteuid() != 0 || (::setgid(65'534) == 0 && ::setuid(65'534) == 0);
}

}  // namespace

TEST_CASE("an arena hands out each slot once, and none when all are taken") {
    LockedArena arena{64, 100};
    CHECK(arena.slot_size() == 64);
    CHECK(arena.slot_count() == 100);
    std::set<const Byte*> seen;
    std::vector<ByteSpan> slots;
    for (std::size_t i = 0; i < 100; ++i) {
        CHECK(arena.taken() == i);
        const ByteSpan slot = arena.take();
        REQUIRE(slot.size() == 64);
        CHECK(all_zero(slot));
        CHECK(std::bit_cast<std::uintptr_t>(slot.data()) % 16 == 0);
        CHECK(seen.insert(slot.data()).second);
        std::ranges::fill(slot, Byte{0xEE});
        slots.push_back(slot);
    }
    CHECK(arena.take().empty());
    CHECK(arena.take().empty());
    CHECK(arena.taken() == 100);
    arena.give_back(slots[40]);
    CHECK(arena.taken() == 99);
    CHECK(arena.take().data() == slots[40].data());
    CHECK(arena.take().empty());
    for (const ByteSpan slot : slots) arena.give_back(slot);
    CHECK(arena.taken() == 0);
}

TEST_CASE("a slot is wiped when it is given back, and its neighbours are not") {
    LockedArena arena{48, 3};
    const std::array<ByteSpan, 3> slots{arena.take(), arena.take(), arena.take()};
    for (const ByteSpan slot : slots) std::ranges::fill(slot, Byte{0x5A});
    arena.give_back(slots[1]);
    CHECK(all_zero(slots[1]));
    for (const std::size_t i : {0U, 2U}) {
        CHECK(std::ranges::all_of(slots[i], [](Byte byte) { return byte == 0x5A; }));
    }
    CHECK(all_zero(arena.take()));
}

TEST_CASE("an arena is locked, is left out of core dumps, is wiped on fork and ends with it") {
    const long before = status_kb("VmLck");
    {
        LockedArena arena{2'112, 64};
        const long locked = status_kb("VmLck") - before;
        CHECK(locked >= 2'112 * 64 / 1'024);
        const std::string flags = flags_of(arena.take().data());
        CAPTURE(flags);
        CHECK(flags.find(" lo ") != std::string::npos);
        CHECK(flags.find(" dd ") != std::string::npos);
        CHECK(flags.find(" wf ") != std::string::npos);
    }
    CHECK(status_kb("VmLck") == before);
}

TEST_CASE("a forked child finds zeros in its parent's arena") {
    LockedArena arena{32, 4};
    const ByteSpan slot = arena.take();
    std::ranges::fill(slot, Byte{0x77});
    CHECK(child_succeeds([slot] { return all_zero(slot) ? 0 : 1; }));
    CHECK(slot[0] == 0x77);
    arena.give_back(slot);
}

TEST_CASE("running over the end of the last slot ends the process") {
    LockedArena arena{48, 3};
    std::array<ByteSpan, 3> slots{arena.take(), arena.take(), arena.take()};
    std::ranges::sort(slots, {}, [](ByteSpan slot) { return slot.data(); });
    volatile Byte* const past = slots[2].data() + slots[2].size();
    const int status = status_of_child([past] {
        (void)::close(STDERR_FILENO);
        *past = 1;
        return 0;
    });
    CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("a slot that is foreign, crooked or given back twice is a bug and aborts") {
    LockedArena arena{64, 4};
    const ByteSpan slot = arena.take();
    Bytes foreign(64);
    CHECK(child_aborts([&] { arena.give_back(foreign); }));
    CHECK(child_aborts([&] { arena.give_back(slot.first(32)); }));
    CHECK(child_aborts([&] { arena.give_back({slot.data() + 16, 64}); }));
    CHECK(child_aborts([&] {
        arena.give_back(slot);
        arena.give_back(slot);
    }));
    CHECK(child_aborts([] { const LockedArena crooked{20, 4}; }));
    arena.give_back(slot);
}

TEST_CASE("an arena that cannot be locked is refused, with the remedy") {
    CHECK(child_succeeds([] {
        if (!limit_locking(64 << 10)) return 1;
        if (!can_lock(32 << 10) || can_lock(128 << 10)) return 2;
        const LockedArena fits{32, 1'024};
        // What is locked already counts.
        if (can_lock(48 << 10)) return 3;
        try {
            const LockedArena too_large{32, 2'048};
        } catch (const std::runtime_error& error) {
            const std::string what = error.what();
            const bool named = what.find("RLIMIT_MEMLOCK") != std::string::npos &&
                               what.find("LimitMEMLOCK") != std::string::npos;
            return named ? 0 : 4;
        }
        return 5;
    }));
}

TEST_CASE("random bytes do without a pool where nothing may be locked") {
    CHECK(child_succeeds([] {
        if (!limit_locking(0) || can_lock(1)) return 1;
        ByteArray<32> first{};
        ByteArray<32> second{};
        random_bytes(first);
        random_bytes(second);
        return !all_zero(first) && first != second ? 0 : 2;
    }));
}

TEST_CASE("an arena of absurd size is refused, not wrapped around") {
    CHECK_THROWS_AS(LockedArena(16, ~std::size_t{0}), std::runtime_error);
    CHECK_THROWS_AS(LockedArena(~std::size_t{0} & ~std::size_t{15}, 1), std::runtime_error);
    CHECK_THROWS_AS(LockedArena(std::size_t{1} << 50, 16), std::runtime_error);
}

TEST_CASE("threads never share a slot") {
    LockedArena arena{32, 16};
    std::vector<std::thread> threads;
    std::array<bool, 4> undisturbed{};
    for (std::size_t number = 0; number < undisturbed.size(); ++number) {
        threads.emplace_back([&arena, &undisturbed, number] {
            bool fine = true;
            for (int i = 0; i < 5'000; ++i) {
                const ByteSpan slot = arena.take();
                if (slot.empty()) continue;
                fine = fine && all_zero(slot);
                const auto mark = static_cast<Byte>(number + 1);
                std::ranges::fill(slot, mark);
                fine = fine && std::ranges::all_of(slot, [mark](Byte b) { return b == mark; });
                arena.give_back(slot);
            }
            undisturbed[number] = fine;
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(std::ranges::all_of(undisturbed, [](bool fine) { return fine; }));
    CHECK(arena.taken() == 0);
}

}  // namespace oubliette::crypto::testing
