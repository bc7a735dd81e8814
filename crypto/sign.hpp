#pragma once

#include "crypto/secret.hpp"

// Ed25519 (RFC 8032). Thread-safe.

namespace oubliette::crypto {

using PublicKey = ByteArray<32>;
using Signature = ByteArray<64>;

// Holds the 64-byte expanded secret (seed and public key); wiped. Move-only.
class SigningKey {
public:
    // The key pair of a 32-byte seed (RFC 8032 private key).
    explicit SigningKey(KeyView seed) noexcept;
    SigningKey(SigningKey&& other) noexcept;
    SigningKey& operator=(SigningKey&& other) noexcept;
    SigningKey(const SigningKey&) = delete;
    SigningKey& operator=(const SigningKey&) = delete;
    ~SigningKey();

    [[nodiscard]] const PublicKey& public_key() const noexcept { return public_key_; }
    [[nodiscard]] Signature sign(ByteView message) const noexcept;

private:
    ByteArray<64> secret_{};
    PublicKey public_key_{};
};

[[nodiscard]] bool verify(const PublicKey& key, ByteView message,
                          const Signature& signature) noexcept;

}  // namespace oubliette::crypto
