#include "crypto/hash.hpp"

#include <sodium.h>

#include "crypto/assert.hpp"

namespace oubliette::crypto {
namespace {

// The state holds the key (as a first block) and whatever was hashed last.
class Blake2bState {
public:
    Blake2bState(const Byte* key, std::size_t key_size, std::size_t out_size) noexcept {
        const int refused = crypto_generichash_blake2b_init(&state_, key, key_size, out_size);
        OBL_ASSERT(refused == 0);
    }
    Blake2bState(const Blake2bState&) = delete;
    Blake2bState& operator=(const Blake2bState&) = delete;
    ~Blake2bState() { sodium_memzero(&state_, sizeof state_); }

    void finish(std::initializer_list<ByteView> parts, ByteSpan out) noexcept {
        for (const ByteView part : parts) {
            (void)crypto_generichash_blake2b_update(&state_, part.data(), part.size());
        }
        (void)crypto_generichash_blake2b_final(&state_, out.data(), out.size());
    }

private:
    crypto_generichash_blake2b_state state_;
};

}  // namespace

Hash blake2b(std::initializer_list<ByteView> parts) noexcept {
    Hash out{};
    Blake2bState{nullptr, 0, out.size()}.finish(parts, out);
    return out;
}

void blake2b_keyed(KeyView key, std::initializer_list<ByteView> parts, ByteSpan out) noexcept {
    OBL_ASSERT(out.size() >= crypto_generichash_blake2b_BYTES_MIN);
    OBL_ASSERT(out.size() <= crypto_generichash_blake2b_BYTES_MAX);
    Blake2bState{key.data(), key.size(), out.size()}.finish(parts, out);
}

Hash sha256(std::initializer_list<ByteView> parts) noexcept {
    crypto_hash_sha256_state state;
    (void)crypto_hash_sha256_init(&state);
    for (const ByteView part : parts) {
        (void)crypto_hash_sha256_update(&state, part.data(), part.size());
    }
    Hash out{};
    (void)crypto_hash_sha256_final(&state, out.data());
    return out;
}

Sha256::Sha256() noexcept {
    crypto_hash_sha256_init(&state_);
}

void Sha256::update(ByteView piece) noexcept {
    if (!piece.empty()) crypto_hash_sha256_update(&state_, piece.data(), piece.size());
}

Hash Sha256::digest() noexcept {
    Hash hash{};
    crypto_hash_sha256_final(&state_, hash.data());
    return hash;
}

bool equal_constant_time(ByteView a, ByteView b) noexcept {
    return a.size() == b.size() && (a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace oubliette::crypto
