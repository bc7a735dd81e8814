#pragma once

#include <cstddef>

// Heap memory that is wiped when it is freed (KEYS finding 18): JSON text, HTTP buffers and TLS
// records hold personal values, and free() leaves them readable.
//
// C++ allocations: the CMake OBJECT library `oubliette_wipe_on_free` replaces every form of the
// global operator new and delete. Only final programs link it, and not sanitizer builds, which
// replace them too. The functions below are in oubliette_crypto and have the signatures that
// CRYPTO_set_mem_functions() of OpenSSL takes; `file` and `line` are not used.
// Thread-safe. The contents of a block are wiped to its full usable size.

namespace oubliette::crypto {

// As malloc().
[[nodiscard]] void* wiping_malloc(std::size_t size, const char* file, int line) noexcept;

// As realloc(), but always moves, and wipes the old block. realloc() itself may move and leave
// the old contents behind. On nullptr the old block is unchanged; size 0 frees it.
[[nodiscard]] void* wiping_realloc(void* block, std::size_t size, const char* file,
                                   int line) noexcept;

// Wipes, then frees. REQUIRES: `block` is nullptr or came from malloc() or its kin.
void wiping_free(void* block, const char* file, int line) noexcept;

}  // namespace oubliette::crypto
