#include "crypto/sign.hpp"

#include <sodium.h>

namespace oubliette::crypto {

SigningKey::SigningKey(KeyView seed) noexcept {
    (void)crypto_sign_ed25519_seed_keypair(public_key_.data(), secret_.data(), seed.data());
}

SigningKey::SigningKey(SigningKey&& other) noexcept
    : secret_(other.secret_), public_key_(other.public_key_) {
    wipe(other.secret_);
}

SigningKey& SigningKey::operator=(SigningKey&& other) noexcept {
    if (this != &other) {
        secret_ = other.secret_;
        public_key_ = other.public_key_;
        wipe(other.secret_);
    }
    return *this;
}

SigningKey::~SigningKey() {
    wipe(secret_);
}

Signature SigningKey::sign(ByteView message) const noexcept {
    Signature signature{};
    (void)crypto_sign_ed25519_detached(signature.data(), nullptr, message.data(), message.size(),
                                       secret_.data());
    return signature;
}

bool verify(const PublicKey& key, ByteView message, const Signature& signature) noexcept {
    return crypto_sign_ed25519_verify_detached(signature.data(), message.data(), message.size(),
                                               key.data()) == 0;
}

}  // namespace oubliette::crypto
