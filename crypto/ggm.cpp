#include "crypto/ggm.hpp"

#include <algorithm>

#include <sodium.h>

#include "crypto/assert.hpp"

namespace oubliette::crypto {
namespace {

// "pkt\x01" | 0^8. Fixed: a seed is expanded in one way only.
constexpr ByteArray<crypto_stream_chacha20_ietf_NONCEBYTES> kNonce{'p', 'k', 't', 1};
static_assert(crypto_stream_chacha20_ietf_KEYBYTES == Seed::kSize);

void expand(const Byte* seed, ByteArray<64>& children) noexcept {
    (void)crypto_stream_chacha20_ietf(children.data(), children.size(), kNonce.data(), seed);
}

}  // namespace

void ggm_step(KeyView seed, std::span<Byte, 32> left, std::span<Byte, 32> right) noexcept {
    ByteArray<64> children{};
    expand(seed.data(), children);
    std::copy_n(children.begin(), 32, left.begin());
    std::copy_n(children.begin() + 32, 32, right.begin());
    wipe(children);
}

Seed ggm_descend(KeyView seed, std::uint64_t path, unsigned depth) noexcept {
    OBL_ASSERT(depth <= 64);
    Seed node{seed};
    ByteArray<64> children{};
    for (unsigned level = depth; level-- > 0;) {
        expand(node.expose().data(), children);
        const bool right = (path >> level & 1) != 0;
        std::copy_n(children.begin() + (right ? 32 : 0), 32, node.expose_mut().begin());
    }
    wipe(children);
    return node;
}

}  // namespace oubliette::crypto
