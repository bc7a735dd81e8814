#pragma once

#include "crypto/secret.hpp"

// Deterministic authenticated encryption for tokens (KEYS 5.4):
//   iv := BLAKE2b-192(key = mac key, associated data | payload);  ct := XChaCha20(enc key, iv) ^
//   payload
// Equal inputs give equal outputs; that is all it reveals. Thread-safe.

namespace oubliette::crypto {

inline constexpr std::size_t kSivSize = 24;  // bytes

// Writes iv | ct. REQUIRES: out.size() == kSivSize + payload.size(); associated data of one fixed
// width per use, so that (ad, payload) has one reading; no overlap.
void seal_siv(KeyView mac_key, KeyView encryption_key, ByteView associated_data, ByteView payload,
              ByteSpan out) noexcept;

// Writes the payload and returns true, or returns false and leaves `payload` zero.
// REQUIRES: sealed.size() == kSivSize + payload.size(); no overlap.
[[nodiscard]] bool open_siv(KeyView mac_key, KeyView encryption_key, ByteView associated_data,
                            ByteView sealed, ByteSpan payload) noexcept;

}  // namespace oubliette::crypto
