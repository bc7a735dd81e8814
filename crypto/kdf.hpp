#pragma once

#include <optional>
#include <string_view>

#include "crypto/secret.hpp"

// Key derivation (KEYS 5.1): crypto_kdf_derive_from_key of libsodium, that is BLAKE2b with the
// subkey number and an 8-byte context as salt and personalisation. Thread-safe.

namespace oubliette::crypto {

// Every context in use. A new use takes a new context or a new subkey number of the registry in
// vault/keys/registry.hpp, never an old pair.
enum class KdfContext : std::uint8_t {
    subject,    // "oblsubj1"
    item,       // "oblitem1"
    audit,      // "oblaud_1"
    index,      // "oblidx_1"
    token,      // "obltok_1"
    root,       // "oblroot1"
    cell,       // "oblcell1"
    retention,  // "oblret_1"
    receipt,    // "oblrcpt1"
    system,     // "oblsys_1"
};

// The 8 bytes of `context`.
[[nodiscard]] std::string_view context_bytes(KdfContext context) noexcept;

// Subkey `number` of `key` under `context`, 32 bytes.
[[nodiscard]] SubKey derive_subkey(KeyView key, KdfContext context, std::uint64_t number) noexcept;

// Argon2id (RFC 9106) over a passphrase. The defaults take about 1.2 s.
struct PassphraseCost {
    std::uint64_t memory_bytes = 256ULL << 20;
    std::uint32_t passes = 3;
};
inline constexpr std::size_t kPassphraseSaltSize = 16;  // bytes

// nullopt when the memory cannot be had. REQUIRES: passes >= 1, memory_bytes >= 8 KiB.
[[nodiscard]] std::optional<Kek> derive_from_passphrase(ByteView passphrase,
                                                        ByteArray<kPassphraseSaltSize> salt,
                                                        PassphraseCost cost);

}  // namespace oubliette::crypto
