#include "tests/faults/allocation_faults.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <dlfcn.h>

namespace oubliette::faults {
namespace {

std::atomic<bool> is_armed{false};
std::atomic<std::uint64_t> counted{0};
std::atomic<std::uint64_t> failed{0};
std::atomic<std::uint64_t> first_failing{0};
std::atomic<std::uint64_t> failing_count{0};

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
bool can_fail_allocations() noexcept {
    return false;
}
#else
bool can_fail_allocations() noexcept {
    return true;
}

// glibc ends the process when it cannot register the destructors of a thread's objects, and no
// program can prevent that: its own calloc never fails here.
bool is_in_libc(const void* address) noexcept {
    Dl_info info{};
    return ::dladdr(address, &info) != 0 && std::strstr(info.dli_fname, "/libc.so") != nullptr;
}

bool must_fail_allocation() noexcept {
    if (!is_armed.load(std::memory_order_relaxed) || is_test_here) return false;
    const std::uint64_t number = ++counted;
    const std::uint64_t first = first_failing.load(std::memory_order_relaxed);
    if (first == 0 || number < first || number - first >= failing_count) return false;
    ++failed;
    errno = ENOMEM;
    return true;
}
#endif

void arm_allocations(std::uint64_t at, std::uint64_t count) noexcept {
    counted = 0;
    failed = 0;
    first_failing = at;
    failing_count = count;
    is_armed = true;
}

void disarm_allocations() noexcept {
    is_armed = false;
}

std::uint64_t allocations_counted() noexcept {
    return counted;
}

std::uint64_t allocations_failed() noexcept {
    return failed;
}

}  // namespace oubliette::faults

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// glibc's own names for its allocator: free() stays as it is.
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    return oubliette::faults::must_fail_allocation() ? nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    const bool must_fail = oubliette::faults::must_fail_allocation() &&
                           !oubliette::faults::is_in_libc(__builtin_return_address(0));
    return must_fail ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
    return oubliette::faults::must_fail_allocation() ? nullptr : __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    return oubliette::faults::must_fail_allocation() ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
    void* const block = aligned_alloc(alignment, size);
    if (block == nullptr) return ENOMEM;
    *out = block;
    return 0;
}

}  // extern "C"

#endif
