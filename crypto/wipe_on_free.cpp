#include "crypto/wipe_on_free.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

// Replacements of the global allocation functions ([new.delete]). The nothrow and array forms are
// written out, because the standard library's own may or may not call the plain ones.

namespace {

// Null when there is no memory and no handler is left to ask.
void* allocate_or_null(std::size_t size, std::size_t alignment) {
    // A request for 0 bytes must return a distinct block.
    const std::size_t wanted = std::max<std::size_t>(size, 1);
    for (;;) {
        void* block = nullptr;
        if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
            block = std::malloc(wanted);
        } else if (::posix_memalign(&block, alignment, wanted) != 0) {
            block = nullptr;
        }
        if (block != nullptr) return block;
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) return nullptr;
        handler();
    }
}

void* allocate(std::size_t size, std::size_t alignment = 1) {
    void* const block = allocate_or_null(size, alignment);
    if (block == nullptr) throw std::bad_alloc{};
    return block;
}

void* try_allocate(std::size_t size, std::size_t alignment = 1) noexcept {
    try {
        return allocate_or_null(size, alignment);
    } catch (...) {  // a handler says no by throwing; the nothrow forms say it by null
        return nullptr;
    }
}

void release(void* block) noexcept {
    oubliette::crypto::wiping_free(block, nullptr, 0);
}

std::size_t size_of(std::align_val_t alignment) noexcept {
    return static_cast<std::size_t>(alignment);
}

}  // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}
void* operator new[](std::size_t size) {
    return allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, size_of(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, size_of(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
    return try_allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
    return try_allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment,
                   const std::nothrow_t& /*tag*/) noexcept {
    return try_allocate(size, size_of(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment,
                     const std::nothrow_t& /*tag*/) noexcept {
    return try_allocate(size, size_of(alignment));
}

void operator delete(void* block) noexcept {
    release(block);
}
void operator delete[](void* block) noexcept {
    release(block);
}
void operator delete(void* block, std::size_t /*size*/) noexcept {
    release(block);
}
void operator delete[](void* block, std::size_t /*size*/) noexcept {
    release(block);
}
void operator delete(void* block, std::align_val_t /*alignment*/) noexcept {
    release(block);
}
void operator delete[](void* block, std::align_val_t /*alignment*/) noexcept {
    release(block);
}
void operator delete(void* block, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
    release(block);
}
void operator delete[](void* block, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
    release(block);
}
void operator delete(void* block, const std::nothrow_t& /*tag*/) noexcept {
    release(block);
}
void operator delete[](void* block, const std::nothrow_t& /*tag*/) noexcept {
    release(block);
}
void operator delete(void* block, std::align_val_t /*alignment*/,
                     const std::nothrow_t& /*tag*/) noexcept {
    release(block);
}
void operator delete[](void* block, std::align_val_t /*alignment*/,
                       const std::nothrow_t& /*tag*/) noexcept {
    release(block);
}
