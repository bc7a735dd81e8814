#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <malloc.h>

#include <sodium.h>

#include "crypto/wipe_on_free.hpp"

namespace oubliette::crypto {

void* wiping_malloc(std::size_t size, const char* /*file*/, int /*line*/) noexcept {
    return std::malloc(size);
}

void wiping_free(void* block, const char* /*file*/, int /*line*/) noexcept {
    if (block == nullptr) return;
    sodium_memzero(block, ::malloc_usable_size(block));
    std::free(block);
}

void* wiping_realloc(void* block, std::size_t size, const char* file, int line) noexcept {
    if (size == 0) {
        wiping_free(block, file, line);
        return nullptr;
    }
    void* const moved = std::malloc(size);
    if (moved == nullptr || block == nullptr) return moved;
    std::memcpy(moved, block, std::min(size, ::malloc_usable_size(block)));
    wiping_free(block, file, line);
    return moved;
}

}  // namespace oubliette::crypto
