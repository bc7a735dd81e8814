#include "crypto/siv.hpp"

#include <sodium.h>

#include "crypto/assert.hpp"
#include "crypto/hash.hpp"

namespace oubliette::crypto {

namespace {

static_assert(kSivSize == crypto_stream_xchacha20_NONCEBYTES);

// XChaCha20 in either direction.
void apply_stream(KeyView key, ByteView iv, ByteView in, ByteSpan out) noexcept {
    if (in.empty()) return;  // libsodium takes no null pointers
    (void)crypto_stream_xchacha20_xor(out.data(), in.data(), in.size(), iv.data(), key.data());
}

}  // namespace

void seal_siv(KeyView mac_key, KeyView encryption_key, ByteView associated_data, ByteView payload,
              ByteSpan out) noexcept {
    OBL_ASSERT(out.size() == kSivSize + payload.size());
    const ByteSpan iv = out.first(kSivSize);
    blake2b_keyed(mac_key, {associated_data, payload}, iv);
    apply_stream(encryption_key, iv, payload, out.subspan(kSivSize));
}

bool open_siv(KeyView mac_key, KeyView encryption_key, ByteView associated_data, ByteView sealed,
              ByteSpan payload) noexcept {
    OBL_ASSERT(sealed.size() == kSivSize + payload.size());
    const ByteView iv = sealed.first(kSivSize);
    apply_stream(encryption_key, iv, sealed.subspan(kSivSize), payload);
    ByteArray<kSivSize> expected{};
    blake2b_keyed(mac_key, {associated_data, payload}, expected);
    const bool genuine = equal_constant_time(iv, expected);
    // The iv of a forged payload is a tag an attacker could use: it does not stay on the stack.
    wipe(expected);
    if (!genuine) wipe(payload);
    return genuine;
}

}  // namespace oubliette::crypto
