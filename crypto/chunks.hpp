#pragma once

#include <optional>

#include "crypto/secret.hpp"

// Chunked sealing v1 (KEYS 5.1): values longer than a box takes. DO NOT CHANGE: it is on disk and
// in backups. The first byte tells it from a box, which begins with 0x01.
//
//   chunked := version:u8 = 0x81 | suite:u8 = 1 | stream header:24 | commitment:16 | chunk+
//   chunk   := encrypted tag:1 | ciphertext:n | mac:16
//   n       = 65,536 in every chunk but the last; 1 to 65,536 in the last; at least two chunks
//   commitment := BLAKE2b-128(key = K, "obl/chunks/1" | version | suite | stream header |
//                             associated data size:u16le | ad)
//
// Chunks are those of crypto_secretstream_xchacha20poly1305 of libsodium, keyed with K itself and
// the stream header, each with `ad` as its associated data: tag MESSAGE (0), the last FINAL (3).
// The chain of nonces refuses chunks that were changed, swapped, repeated or left out; FINAL
// refuses a missing end and anything after it. The commitment is there because secretstream, like
// Poly1305, has none; its label keeps it apart from the derivation of a box under the same key.
// The stream header is random, so K may be used again. Thread-safe; sodium_init() first.

namespace oubliette::crypto {

inline constexpr std::size_t kChunkHeaderSize = 24;               // bytes; random
inline constexpr std::size_t kChunkPlaintextSize = 1 << 16;       // bytes
inline constexpr std::size_t kChunkedPlaintextSizeMax = 1 << 30;  // bytes

// The size of the chunked form of `plaintext_size` bytes.
// REQUIRES: kChunkPlaintextSize < plaintext_size <= kChunkedPlaintextSizeMax.
[[nodiscard]] constexpr std::size_t chunked_size(std::size_t plaintext_size) noexcept {
    const std::size_t chunks = (plaintext_size + kChunkPlaintextSize - 1) / kChunkPlaintextSize;
    return 2 + kChunkHeaderSize + 16 + chunks * 17 + plaintext_size;
}

// The size of the plaintext in `chunked_size` bytes; nullopt when no plaintext has that size.
[[nodiscard]] std::optional<std::size_t> chunked_plaintext_size(std::size_t chunked_size) noexcept;

// Writes the chunked form of `plaintext` to `out` with the given stream header.
// REQUIRES: out.size() == chunked_size(plaintext.size()) and that function's limits; header is
// random and was never used with this key; associated_data.size() < 65,536; no overlap.
void seal_chunks_into(KeyView key, std::span<const Byte, kChunkHeaderSize> header,
                      ByteView plaintext, ByteView associated_data, ByteSpan out) noexcept;

// The same with a fresh random header.
[[nodiscard]] Bytes seal_chunks(KeyView key, ByteView plaintext, ByteView associated_data);

// The plaintext; or nullopt, which does not say why: wrong key or associated data, a changed,
// missing, repeated or moved chunk, a missing end, trailing bytes. Never a partial plaintext.
[[nodiscard]] std::optional<SecretBytes> open_chunks(KeyView key, ByteView chunked,
                                                     ByteView associated_data);

}  // namespace oubliette::crypto
