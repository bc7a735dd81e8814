#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/random.h>

#include "crypto/assert.hpp"
#include "crypto/secret.hpp"

// random_bytes(): a pool per thread, because a system call for each 16-byte salt costs more than
// the box it is for. Unread bytes of the pool are future keys, so the page is locked, left out of
// core dumps, and each byte is zeroed when it is handed out. A forked child must not repeat its
// parent's bytes: the kernel wipes the page in the child, and a wiped page reads as "not ready".
// Where any of this cannot be had, there is no pool, and every call asks the kernel.

namespace oubliette::crypto {
namespace {

constexpr std::size_t kPageSize = 4'096;
constexpr std::size_t kPoolSize = 2'048;     // bytes fetched at once
constexpr std::size_t kPooledSizeMax = 256;  // bytes; longer requests go to the kernel
constexpr std::uint64_t kReady = 0x6f62'6c72'616e'6401;

struct Pool {
    std::uint64_t ready;   // kReady; 0 in a new page and in a forked child
    std::uint64_t unread;  // bytes left, at the end of `bytes`
    ByteArray<kPoolSize> bytes;
};
static_assert(sizeof(Pool) <= kPageSize);

void kernel_random(ByteSpan out) noexcept {
    while (!out.empty()) {
        const ssize_t got = ::getrandom(out.data(), out.size(), 0);
        // A vault without randomness must stop: any other byte here is a predictable key.
        OBL_ASSERT(got >= 0 || errno == EINTR);
        if (got > 0) out = out.subspan(static_cast<std::size_t>(got));
    }
}

// Trivially destructible, so that they can still be read by destructors of other thread-locals.
thread_local Pool* pool = nullptr;
thread_local bool pool_refused = false;

struct PoolCloser {
    PoolCloser() noexcept = default;
    PoolCloser(const PoolCloser&) = delete;
    PoolCloser& operator=(const PoolCloser&) = delete;
    ~PoolCloser() {
        if (pool != nullptr) {
            wipe(pool->bytes);
            (void)::munmap(pool, kPageSize);
        }
        pool = nullptr;
        pool_refused = true;
    }
    void arm() const noexcept {}
};
thread_local PoolCloser pool_closer;

Pool* map_pool() noexcept {
    void* const page =
        ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    if (::madvise(page, kPageSize, MADV_WIPEONFORK) != 0 ||
        ::madvise(page, kPageSize, MADV_DONTDUMP) != 0) {
        (void)::munmap(page, kPageSize);
        return nullptr;
    }
    pool_closer.arm();
    return static_cast<Pool*>(page);
}

// The pool of this thread, ready; or nullptr.
Pool* find_pool() noexcept {
    if (pool != nullptr && pool->ready == kReady) return pool;
    if (pool_refused) return nullptr;
    if (pool == nullptr) pool = map_pool();
    // In a forked child the page is there but the lock was not inherited.
    if (pool == nullptr || ::mlock2(pool, kPageSize, 0) != 0) {
        pool_refused = true;
        return nullptr;
    }
    pool->unread = 0;
    pool->ready = kReady;
    return pool;
}

}  // namespace

void random_bytes(ByteSpan bytes) noexcept {
    Pool* const source = bytes.size() <= kPooledSizeMax ? find_pool() : nullptr;
    if (source == nullptr) return kernel_random(bytes);
    if (source->unread < bytes.size()) {
        kernel_random(source->bytes);
        source->unread = kPoolSize;
    }
    const ByteSpan taken =
        ByteSpan{source->bytes}.subspan(kPoolSize - source->unread, bytes.size());
    std::ranges::copy(taken, bytes.begin());
    wipe(taken);
    source->unread -= bytes.size();
}

}  // namespace oubliette::crypto
