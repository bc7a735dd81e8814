#include "crypto/wipe_on_free.hpp"

#include <algorithm>
#include <bit>
#include <fcntl.h>
#include <memory>
#include <new>
#include <string>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "crypto/bytes.hpp"

// This program links oubliette_wipe_on_free, as the server does. Freed memory is read through
// /proc/self/mem, because a read through the old pointer would be undefined.

namespace oubliette::crypto::testing {
namespace {

constexpr Byte kMark = 0xC7;

// How many of the `size` bytes at `address` still hold the mark; -1 if they cannot be read.
long marks_left(std::uintptr_t address, std::size_t size) {
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    Byte bytes[512]{};
    const ssize_t got =
        ::pread(memory, bytes, std::min(size, sizeof bytes), static_cast<off_t>(address));
    (void)::close(memory);
    if (got < 0) return -1;
    return std::count(bytes, bytes + got, kMark);
}

void mark(void* block, std::size_t size) {
    std::fill_n(static_cast<Byte*>(block), size, kMark);
}

// True if the mark was there before `release` and is gone after it.
template <class Release>
bool is_wiped(void* block, std::size_t size, Release release) {
    const auto address = std::bit_cast<std::uintptr_t>(block);
    mark(block, size);
    if (marks_left(address, size) != static_cast<long>(size)) return false;
    release();
    return marks_left(address, size) == 0;
}

}  // namespace

TEST_CASE("every form of delete leaves no byte of the block") {
    constexpr std::align_val_t kAligned{256};
    for (const std::size_t size : {40U, 64U, 200U, 500U}) {
        CAPTURE(size);
        void* block = ::operator new(size);
        CHECK(is_wiped(block, size, [&] { ::operator delete(block); }));
        block = ::operator new(size);
        CHECK(is_wiped(block, size, [&] { ::operator delete(block, size); }));
        block = ::operator new[](size);
        CHECK(is_wiped(block, size, [&] { ::operator delete[](block); }));
        block = ::operator new[](size);
        CHECK(is_wiped(block, size, [&] { ::operator delete[](block, size); }));
        block = ::operator new(size, std::nothrow);
        CHECK(is_wiped(block, size, [&] { ::operator delete(block, std::nothrow); }));
        block = ::operator new[](size, std::nothrow);
        CHECK(is_wiped(block, size, [&] { ::operator delete[](block, std::nothrow); }));
        block = ::operator new(size, kAligned);
        CHECK(std::bit_cast<std::uintptr_t>(block) % 256 == 0);
        CHECK(is_wiped(block, size, [&] { ::operator delete(block, kAligned); }));
        block = ::operator new(size, kAligned);
        CHECK(is_wiped(block, size, [&] { ::operator delete(block, size, kAligned); }));
        block = ::operator new[](size, kAligned);
        CHECK(is_wiped(block, size, [&] { ::operator delete[](block, kAligned); }));
        block = ::operator new[](size, kAligned, std::nothrow);
        CHECK(is_wiped(block, size, [&] { ::operator delete[](block, kAligned, std::nothrow); }));
    }
}

TEST_CASE("a string that grows leaves nothing behind") {
    auto text = std::make_unique<std::string>(100, static_cast<char>(kMark));
    const auto address = std::bit_cast<std::uintptr_t>(text->data());
    REQUIRE(marks_left(address, 100) == 100);
    text->reserve(10'000);
    REQUIRE(std::bit_cast<std::uintptr_t>(text->data()) != address);
    CHECK(marks_left(address, 100) == 0);
}

TEST_CASE("new throws, or says null, when there is no memory; 0 bytes are a block") {
    const std::size_t absurd = std::size_t{1} << 60;
    const auto ask = [](std::size_t size) { ::operator delete(::operator new(size)); };
    CHECK_THROWS_AS(ask(absurd), std::bad_alloc);
    void* const refused = ::operator new(absurd, std::nothrow);
    CHECK(refused == nullptr);
    void* const first = ::operator new(0);
    void* const second = ::operator new(0);
    CHECK(first != second);
    ::operator delete(first);
    ::operator delete(second);
    ::operator delete(nullptr);
}

TEST_CASE("the functions for OpenSSL wipe what they free and what they move") {
    void* const block = wiping_malloc(200, "", 0);
    CHECK(is_wiped(block, 200, [&] { wiping_free(block, "", 0); }));

    void* const small = wiping_malloc(200, "", 0);
    void* large = nullptr;
    CHECK(is_wiped(small, 200, [&] { large = wiping_realloc(small, 400, "", 0); }));
    REQUIRE(large != nullptr);
    CHECK(marks_left(std::bit_cast<std::uintptr_t>(large), 200) == 200);
    void* const shrunk = wiping_realloc(large, 100, "", 0);
    REQUIRE(shrunk != nullptr);
    CHECK(marks_left(std::bit_cast<std::uintptr_t>(shrunk), 100) == 100);
    CHECK(wiping_realloc(shrunk, 0, "", 0) == nullptr);
    void* const fresh = wiping_realloc(nullptr, 50, "", 0);
    CHECK(fresh != nullptr);
    wiping_free(fresh, "", 0);
    wiping_free(nullptr, "", 0);
}

}  // namespace oubliette::crypto::testing
