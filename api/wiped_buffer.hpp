#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

#include "crypto/secret.hpp"

// A text buffer that grows at its end and is wiped whenever bytes leave it: on growth, on clear()
// and on destruction. Meant to be kept and used again, so that answers cost no allocation.
// Not thread-safe.

namespace oubliette::api {

class WipedBuffer {
public:
    WipedBuffer() noexcept = default;
    WipedBuffer(const WipedBuffer&) = delete;
    WipedBuffer& operator=(const WipedBuffer&) = delete;
    ~WipedBuffer() { wipe_used(); }

    void append(std::string_view text) {
        if (text.empty()) return;
        reserve(size_ + text.size());
        std::memcpy(bytes_.get() + size_, text.data(), text.size());
        size_ += text.size();
    }
    void append(ByteView bytes) { append(text_of(bytes)); }
    void append(char letter) {
        reserve(size_ + 1);
        bytes_[size_++] = static_cast<Byte>(letter);
    }

    // Room for `capacity` bytes in all; what is there stays.
    void reserve(std::size_t capacity) {
        if (capacity <= capacity_) return;
        const std::size_t grown = std::max({capacity, capacity_ * 2, kSmallest});
        auto bytes = std::make_unique<Byte[]>(grown);
        if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
        wipe_used();
        bytes_ = std::move(bytes);
        capacity_ = grown;
    }

    // Forgets the bytes, keeps the memory up to `keep_max` bytes of it.
    void clear(std::size_t keep_max = kKeepMax) noexcept {
        wipe_used();
        size_ = 0;
        if (capacity_ > keep_max) {
            bytes_.reset();
            capacity_ = 0;
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] ByteView bytes() const noexcept { return {bytes_.get(), size_}; }
    [[nodiscard]] std::string_view text() const noexcept { return text_of(bytes()); }

private:
    static constexpr std::size_t kSmallest = 512;
    static constexpr std::size_t kKeepMax = 64 * 1024;  // a rare big answer must not stay for ever

    void wipe_used() noexcept { crypto::wipe({bytes_.get(), size_}); }

    std::unique_ptr<Byte[]> bytes_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace oubliette::api
