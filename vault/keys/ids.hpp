#pragma once

#include "crypto/bytes.hpp"

// The identities that cells, seals, receipts and the key plane share. Random, never reused.

namespace oubliette::keys {

using VaultId = ByteArray<16>;
using KeeperId = ByteArray<16>;

// How far a keeper's overwrite can be trusted (KEYS 4.5); printed on every receipt. The letters are
// on disk. R, H1 and H2 are reserved.
enum class CellClass : std::uint8_t { software = 'S', besteffort = 'B' };

}  // namespace oubliette::keys
