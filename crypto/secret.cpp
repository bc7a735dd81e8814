#include "crypto/secret.hpp"

#include <sodium.h>

namespace oubliette::crypto {

void wipe(ByteSpan bytes) noexcept {
    if (!bytes.empty()) sodium_memzero(bytes.data(), bytes.size());
}

}  // namespace oubliette::crypto
