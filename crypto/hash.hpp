#pragma once

#include <initializer_list>
#include <sodium/crypto_hash_sha256.h>
#include <string_view>

#include "crypto/secret.hpp"

// Hashes. Thread-safe.

namespace oubliette::crypto {

using Hash = ByteArray<32>;

// BLAKE2b-256 of the concatenation of `parts`. Every caller's first part is a label of ours.
[[nodiscard]] Hash blake2b(std::initializer_list<ByteView> parts) noexcept;

// Keyed BLAKE2b of the concatenation of `parts`; out.size() is 16 to 64 bytes and part of the hash.
void blake2b_keyed(KeyView key, std::initializer_list<ByteView> parts, ByteSpan out) noexcept;

// SHA-256 of the concatenation of `parts`.
[[nodiscard]] Hash sha256(std::initializer_list<ByteView> parts) noexcept;

// SHA-256 of a stream of pieces. One thread at a time.
class Sha256 {
public:
    Sha256() noexcept;
    void update(ByteView piece) noexcept;
    // The hash of everything so far; ends the object's use.
    [[nodiscard]] Hash digest() noexcept;

private:
    crypto_hash_sha256_state state_;
};

// True if equal; time does not depend on the contents. False if the sizes differ.
[[nodiscard]] bool equal_constant_time(ByteView a, ByteView b) noexcept;

}  // namespace oubliette::crypto
