#pragma once

#include "crypto/secret.hpp"

// One step of the Goldreich-Goldwasser-Micali tree (KEYS 4.1), 0.12 us:
//   left | right = ChaCha20-IETF(key = seed, nonce = "pkt\x01" | 0^8, counter 0), 64 bytes
// Knowing a child tells nothing about its sibling or its parent. Thread-safe.

namespace oubliette::crypto {

// Writes both children. The outputs may overlap the input.
void ggm_step(KeyView seed, std::span<Byte, 32> left, std::span<Byte, 32> right) noexcept;

// The descendant of `seed` reached by the low `depth` bits of `path`, highest of them first
// (0 = left). REQUIRES: depth <= 64.
[[nodiscard]] Seed ggm_descend(KeyView seed, std::uint64_t path, unsigned depth) noexcept;

}  // namespace oubliette::crypto
