#pragma once

#include <utility>

#include "crypto/bytes.hpp"

// Owners of secret bytes. No ==, <<, hash, JSON or iteration: `expose()` is the only way to the
// bytes, and tests/tidy_test.cpp lists every file allowed to write that word. Everything here is
// wiped when it is destroyed or moved from. Not thread-safe: one owner at a time.

namespace oubliette::crypto {

using KeyView = std::span<const Byte, 32>;

// Overwrites `bytes` with zeros; the compiler may not remove it.
void wipe(ByteSpan bytes) noexcept;

// Fills `bytes` with unpredictable bytes of the kernel, by way of a pool per thread (0.2 us for
// 32 bytes). A forked child never repeats its parent's. Aborts when the kernel gives none.
void random_bytes(ByteSpan bytes) noexcept;

// A 32-byte key. The tag makes each role its own type, so that a page key cannot be passed as an
// item key. Move-only.
template <class Tag>
class Key {
public:
    static constexpr std::size_t kSize = 32;  // bytes

    [[nodiscard]] static Key generate() noexcept {
        Key key;
        random_bytes(key.bytes_);
        return key;
    }

    Key() noexcept = default;  // all zero: a place to derive into
    explicit Key(KeyView bytes) noexcept { copy_from(bytes.data()); }
    Key(Key&& other) noexcept {
        copy_from(other.bytes_.data());
        wipe(other.bytes_);
    }
    Key& operator=(Key&& other) noexcept {
        if (this != &other) {
            copy_from(other.bytes_.data());
            wipe(other.bytes_);
        }
        return *this;
    }
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;
    ~Key() { wipe(bytes_); }

    // A second owner of the same key, asked for by name because copies of keys should be seen.
    [[nodiscard]] Key duplicate() const noexcept { return Key{KeyView{bytes_}}; }

    [[nodiscard]] KeyView expose() const noexcept { return KeyView{bytes_}; }
    [[nodiscard]] std::span<Byte, 32> expose_mut() noexcept { return bytes_; }

private:
    void copy_from(const Byte* source) noexcept {
        for (std::size_t i = 0; i < kSize; ++i) bytes_[i] = source[i];
    }

    ByteArray<kSize> bytes_{};
};

using Seed = Key<struct SeedTag>;          // a node of the GGM tree; never used as a key itself
using PageKey = Key<struct PageKeyTag>;    // one version of one tree page
using Kek = Key<struct KekTag>;            // a keeper's key-encryption key
using Anchor = Key<struct AnchorTag>;      // what a keeper destroys
using ItemKey = Key<struct ItemKeyTag>;    // leaf below a person
using ValueKey = Key<struct ValueKeyTag>;  // item key AND retention-day key AND region key
using SubKey = Key<struct SubKeyTag>;      // result of a KDF context, named where it is used

// Variable-length secret, for plaintext. Its size is fixed at construction: growth would leave a
// copy behind. Not a std::string with a wiping allocator: short strings (a phone number) live
// inside the string object, where the allocator never sees them.
class SecretBytes {
public:
    SecretBytes() noexcept = default;
    explicit SecretBytes(std::size_t size) : bytes_(size) {}
    explicit SecretBytes(ByteView copy) : bytes_(copy.begin(), copy.end()) {}
    SecretBytes(SecretBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    SecretBytes& operator=(SecretBytes&& other) noexcept {
        if (this != &other) {
            wipe(bytes_);
            bytes_ = std::exchange(other.bytes_, {});
        }
        return *this;
    }
    SecretBytes(const SecretBytes&) = delete;
    SecretBytes& operator=(const SecretBytes&) = delete;
    ~SecretBytes() { wipe(bytes_); }

    // Forgets the bytes from `size` on (they are wiped). REQUIRES: size <= this->size().
    void truncate(std::size_t size) noexcept {
        wipe(ByteSpan{bytes_}.subspan(size));
        bytes_.resize(size);
    }

    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] ByteView expose() const noexcept { return bytes_; }
    [[nodiscard]] ByteSpan expose_mut() noexcept { return bytes_; }

private:
    Bytes bytes_;
};

}  // namespace oubliette::crypto
