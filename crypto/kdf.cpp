#include "crypto/kdf.hpp"

#include <sodium.h>

#include "crypto/assert.hpp"

namespace oubliette::crypto {
namespace {

// In the order of KdfContext.
constexpr std::array<std::string_view, 10> kContexts{
    "oblsubj1", "oblitem1", "oblaud_1", "oblidx_1", "obltok_1",
    "oblroot1", "oblcell1", "oblret_1", "oblrcpt1", "oblsys_1",
};

constexpr bool contexts_are_distinct() {
    for (std::size_t i = 0; i < kContexts.size(); ++i) {
        if (kContexts[i].size() != crypto_kdf_CONTEXTBYTES) return false;
        for (std::size_t j = 0; j < i; ++j) {
            if (kContexts[i] == kContexts[j]) return false;
        }
    }
    return true;
}
static_assert(contexts_are_distinct());
static_assert(static_cast<std::size_t>(KdfContext::system) + 1 == kContexts.size());
static_assert(kPassphraseSaltSize == crypto_pwhash_argon2id_SALTBYTES);

}  // namespace

std::string_view context_bytes(KdfContext context) noexcept {
    const auto number = static_cast<std::size_t>(context);
    OBL_ASSERT(number < kContexts.size());
    return kContexts[number];
}

SubKey derive_subkey(KeyView key, KdfContext context, std::uint64_t number) noexcept {
    SubKey subkey;
    const std::span<Byte, SubKey::kSize> out = subkey.expose_mut();
    const int refused = crypto_kdf_derive_from_key(out.data(), out.size(), number,
                                                   context_bytes(context).data(), key.data());
    OBL_ASSERT(refused == 0);
    return subkey;
}

std::optional<Kek> derive_from_passphrase(ByteView passphrase, ByteArray<kPassphraseSaltSize> salt,
                                          PassphraseCost cost) {
    OBL_ASSERT(cost.passes >= crypto_pwhash_argon2id_OPSLIMIT_MIN);
    OBL_ASSERT(cost.memory_bytes >= crypto_pwhash_argon2id_MEMLIMIT_MIN);
    // libsodium takes no null pointer, not even for an empty passphrase.
    const std::string_view text = passphrase.empty() ? std::string_view{""} : text_of(passphrase);
    Kek kek;
    const std::span<Byte, Kek::kSize> out = kek.expose_mut();
    const int refused =
        crypto_pwhash_argon2id(out.data(), out.size(), text.data(), text.size(), salt.data(),
                               cost.passes, cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
    if (refused != 0) return std::nullopt;
    return kek;
}

}  // namespace oubliette::crypto
