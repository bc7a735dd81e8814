#pragma once

#include <filesystem>

#include "crypto/sign.hpp"
#include "vault/keys/tree.hpp"

// Who made a backup: a signature over the exact bytes of its manifest, whose digests cover the
// rest. The seed of the signing key is a leaf of the key tree, so that the vault's keepers, and
// nobody without them, can sign and say which key is the right one. Thread-safe.
//
//   DIR/manifest.sig := "obl-backup-1 " base64(signature 64) "\n"
//   signature := Ed25519 over "obl/backup/1" | manifest.json
//   its seed := subkey(kSigningSeed, context system) of leaf (tenant 0, class 0, kind backup_sign,
//               recipient 0, kid 0)

namespace oubliette {

inline constexpr const char* kBackupSignature = "manifest.sig";

[[nodiscard]] keys::Path backup_sign_path() noexcept;
// REQUIRES: `leaf` is whole.
[[nodiscard]] crypto::SigningKey backup_signing_key(const keys::Derived& leaf);

// Durable when it returns. Throws Fault{storage}. REQUIRES: the manifest is written.
void sign_backup(const std::filesystem::path& directory, const crypto::SigningKey& key);

// Throws Fault{corrupt} with the remedy: the signature is missing, cannot be read, or is not that
// of `key` over this manifest.
void check_backup_signature(const std::filesystem::path& directory, const crypto::PublicKey& key);

}  // namespace oubliette
