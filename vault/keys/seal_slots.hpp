#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crypto/kdf.hpp"
#include "vault/result.hpp"

// `seal.slots` of a keeper (KEYS 4.3): independent wraps of one random KEK. The unseal secrets may
// be escrowed and backed up for ever; only the cell must never be copied.
//
//   file := "OBLSEAL1" | version:u8 = 1 | suite:u8 = 1 | 0^2 | vault id 16 | keeper id 16 |
//           count:u16 | count x slot | SHA-256 of everything before: 32
//   slot := type:u8 | kek generation:u8 | 0^2 | salt 16 | argon2 memory KiB:u32 |
//           argon2 passes:u32 | box(wrapping key, structural, KEK 32) 114 B
//   type := 1 passphrase (Argon2id) | 2 key file | 3 credential; others reserved
//   wrapping key := Argon2id(passphrase, salt) for type 1;
//           BLAKE2b-256(key = secret 32 B, "obl/seal/1" | type | salt) for types 2 and 3
//   associated data := "obl1" | 0x13 | type:u8 | kek generation:u8 | vault id | keeper id | salt
//
// Written aside, fsync, rename, fsync of the directory.

namespace oubliette::keys {

enum class SealType : std::uint8_t { passphrase = 1, keyfile = 2, credential = 3 };

// What opens a vault. Wiped. Move-only.
struct SealSecret {
    SealType type = SealType::keyfile;
    crypto::SecretBytes secret;  // passphrase text, or the 32 bytes of a key file or credential

    [[nodiscard]] SealSecret duplicate() const { return {type, crypto::SecretBytes{secret.expose()}}; }
};
[[nodiscard]] std::string_view name_of(SealType type) noexcept;

// Reads `keyfile:PATH`, `passphrase` (OUBLIETTE_PASSPHRASE_FILE, else the terminal) or
// `credential(s)` ($CREDENTIALS_DIRECTORY/oubliette.kek). With `create`, a missing key file is made
// (0600, parent 0700, 32 random bytes in lower-case hex and a newline).
// Throws Fault{configuration} with the remedy: unknown kind, missing or malformed file, a key file
// that others can read, no terminal.
[[nodiscard]] SealSecret read_seal_secret(const std::string& spec, bool create);

// One more wrap of `kek` is written beside the others in `directory`/seal.slots.
void write_seal_slot(const std::filesystem::path& directory, ByteArray<16> vault,
                     ByteArray<16> keeper, std::uint8_t kek_generation, const crypto::Kek& kek,
                     const SealSecret& secret);

// All KEKs that `secret` opens, newest generation first (two while a re-seal is under way).
// Empty if none: wrong secret. Throws Fault{configuration} if the file is missing, Fault{corrupt}.
[[nodiscard]] std::vector<crypto::Kek> open_seal_slots(const std::filesystem::path& directory,
                                                       ByteArray<16> vault, ByteArray<16> keeper,
                                                       const SealSecret& secret);

}  // namespace oubliette::keys
