#pragma once

#include <optional>

#include "crypto/secret.hpp"

// Box v1 (KEYS 5.2): authenticated encryption that commits to key, header, salt and associated
// data. DO NOT CHANGE: it is on disk and in backups.
//
//   box := version:u8 = 1 | suite:u8 = 1 | salt:16 | commitment:c | ciphertext:n | tag:16
//   okm := BLAKE2b-512(key = K, version | suite | c:u8 | salt | associated data size:u16le | ad)
//   encryption key = okm[0..31], commitment = okm[32..32+c-1]; ChaCha20-Poly1305-IETF, nonce 0^12,
//   no associated data of its own (it is in the derivation).
//
// The nonce is fixed because the encryption key is used once: the 128-bit random salt makes it
// so, also when a restored data plane uses an item number again. Thread-safe; sodium_init() first.

namespace oubliette::crypto {

// Size of the commitment in bytes. `structural` for pages, roots, cells and seals, where an
// attacker may choose between keys; `value` for everything else.
enum class Commitment : std::uint8_t { value = 16, structural = 32 };

inline constexpr std::size_t kBoxSaltSize = 16;               // bytes
inline constexpr std::size_t kBoxSaltOffset = 2;              // where the salt begins in a box
inline constexpr std::size_t kBoxPlaintextSizeMax = 1 << 16;  // bytes; longer ones: crypto/chunks

[[nodiscard]] constexpr std::size_t box_overhead(Commitment commitment) noexcept {
    return 2 + kBoxSaltSize + static_cast<std::size_t>(commitment) + 16;
}

// Writes the box of `plaintext` to `out` with the given salt.
// REQUIRES: out.size() == plaintext.size() + box_overhead(commitment); salt is random and was never
// used with this key; plaintext.size() <= kBoxPlaintextSizeMax; associated_data.size() < 65,536;
// `out` does not overlap the inputs.
void seal_box_into(KeyView key, Commitment commitment, std::span<const Byte, kBoxSaltSize> salt,
                   ByteView plaintext, ByteView associated_data, ByteSpan out) noexcept;

// The same with a fresh random salt.
[[nodiscard]] Bytes seal_box(KeyView key, Commitment commitment, ByteView plaintext,
                             ByteView associated_data);

// Writes the plaintext to `out` and returns true, or returns false and leaves `out` zero: wrong
// key, associated data, version, suite, or a changed byte; it does not say which.
// REQUIRES: out.size() + box_overhead(commitment) == box.size(). Never a partial plaintext.
[[nodiscard]] bool open_box_into(KeyView key, Commitment commitment, ByteView box,
                                 ByteView associated_data, ByteSpan out) noexcept;

// The same into a buffer of its own; nullopt also when the box is too short.
[[nodiscard]] std::optional<SecretBytes> open_box(KeyView key, Commitment commitment, ByteView box,
                                                  ByteView associated_data);

}  // namespace oubliette::crypto
