#include "crypto/box.hpp"

#include <algorithm>

#include <sodium.h>

#include "crypto/assert.hpp"
#include "crypto/hash.hpp"

namespace oubliette::crypto {
namespace {

constexpr Byte kVersion = 1;
constexpr Byte kSuite = 1;
constexpr std::size_t kTagSize = crypto_aead_chacha20poly1305_ietf_ABYTES;
constexpr std::size_t kKeySize = crypto_aead_chacha20poly1305_ietf_KEYBYTES;
constexpr std::size_t kCommitmentOffset = kBoxSaltOffset + kBoxSaltSize;
constexpr std::size_t kAssociatedDataSizeMax = 0xFFFF;

// Zero is safe because a box key encrypts one message: the salt is in its derivation.
constexpr ByteArray<crypto_aead_chacha20poly1305_ietf_NPUBBYTES> kNonce{};

// The 64 bytes that a box is made from, wiped.
class BoxKeys {
public:
    BoxKeys(KeyView key, Commitment commitment, ByteView salt, ByteView associated_data) noexcept {
        const ByteArray<3> header{kVersion, kSuite, static_cast<Byte>(commitment)};
        const std::size_t size = associated_data.size();
        const ByteArray<2> size_le{static_cast<Byte>(size), static_cast<Byte>(size >> 8)};
        blake2b_keyed(key, {header, salt, size_le, associated_data}, okm_);
    }
    BoxKeys(const BoxKeys&) = delete;
    BoxKeys& operator=(const BoxKeys&) = delete;
    ~BoxKeys() { wipe(okm_); }

    [[nodiscard]] const Byte* encryption_key() const noexcept { return okm_.data(); }
    [[nodiscard]] ByteView commitment(Commitment kind) const noexcept {
        return ByteView{okm_}.subspan(kKeySize, static_cast<std::size_t>(kind));
    }

private:
    ByteArray<64> okm_{};
};

}  // namespace

void seal_box_into(KeyView key, Commitment commitment, std::span<const Byte, kBoxSaltSize> salt,
                   ByteView plaintext, ByteView associated_data, ByteSpan out) noexcept {
    OBL_ASSERT(plaintext.size() <= kBoxPlaintextSizeMax);
    OBL_ASSERT(associated_data.size() <= kAssociatedDataSizeMax);
    OBL_ASSERT(out.size() == plaintext.size() + box_overhead(commitment));

    const BoxKeys keys{key, commitment, salt, associated_data};
    const ByteView tag_of_key = keys.commitment(commitment);
    out[0] = kVersion;
    out[1] = kSuite;
    std::ranges::copy(salt, out.subspan(kBoxSaltOffset).begin());
    std::ranges::copy(tag_of_key, out.subspan(kCommitmentOffset).begin());
    const ByteSpan sealed = out.subspan(kCommitmentOffset + tag_of_key.size());
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plaintext.data(),
                                                    plaintext.size(), nullptr, 0, nullptr,
                                                    kNonce.data(), keys.encryption_key());
}

Bytes seal_box(KeyView key, Commitment commitment, ByteView plaintext, ByteView associated_data) {
    Bytes out(plaintext.size() + box_overhead(commitment));
    ByteArray<kBoxSaltSize> salt{};
    random_bytes(salt);
    seal_box_into(key, commitment, salt, plaintext, associated_data, out);
    return out;
}

bool open_box_into(KeyView key, Commitment commitment, ByteView box, ByteView associated_data,
                   ByteSpan out) noexcept {
    OBL_ASSERT(associated_data.size() <= kAssociatedDataSizeMax);
    OBL_ASSERT(box.size() == out.size() + box_overhead(commitment));
    std::ranges::fill(out, Byte{0});
    if (box[0] != kVersion || box[1] != kSuite) return false;

    const BoxKeys keys{key, commitment, box.subspan(kBoxSaltOffset, kBoxSaltSize), associated_data};
    const ByteView expected = keys.commitment(commitment);
    // Before the decryption: a box that opens under two keys must not get so far.
    if (!equal_constant_time(expected, box.subspan(kCommitmentOffset, expected.size()))) {
        return false;
    }
    const ByteView sealed = box.subspan(kCommitmentOffset + expected.size());
    OBL_ASSERT(sealed.size() == out.size() + kTagSize);
    const int refused = crypto_aead_chacha20poly1305_ietf_decrypt(
        out.data(), nullptr, nullptr, sealed.data(), sealed.size(), nullptr, 0, kNonce.data(),
        keys.encryption_key());
    if (refused != 0) wipe(out);
    return refused == 0;
}

std::optional<SecretBytes> open_box(KeyView key, Commitment commitment, ByteView box,
                                    ByteView associated_data) {
    const std::size_t overhead = box_overhead(commitment);
    if (box.size() < overhead || box.size() - overhead > kBoxPlaintextSizeMax) return std::nullopt;
    SecretBytes plaintext(box.size() - overhead);
    if (!open_box_into(key, commitment, box, associated_data, plaintext.expose_mut())) {
        return std::nullopt;
    }
    return plaintext;
}

}  // namespace oubliette::crypto
