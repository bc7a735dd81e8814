#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/kdf.hpp"
#include "vault/keys/ids.hpp"
#include "vault/result.hpp"

// `seal.slots` of a keeper (KEYS 4.3): independent wraps of one random KEK. The unseal secrets may
// be escrowed and backed up for ever; only the cell must never be copied.
//
//   file := "OBLSEAL1" | version:u8 = 1 | suite:u8 = 1 | 0^2 | vault id 16 | keeper id 16 |
//           count:u16 | count x slot | SHA-256 of everything before: 32
//   slot := type:u8 | kek generation:u8 | 0^2 | salt 16 | argon2 memory KiB:u32 |
//           argon2 passes:u32 | box(wrapping key, structural, KEK 32) 98 B
//   type := 1 passphrase (Argon2id) | 2 key file | 3 credential; others reserved, so refused
//   memory and passes are 0 for types 2 and 3
//   wrapping key := Argon2id(passphrase, salt) for type 1;
//           BLAKE2b-256(key = secret 32 B, "obl/seal/1" | type | salt) for types 2 and 3
//   associated data := "obl1" | 0x13 | type:u8 | kek generation:u8 | vault id | keeper id | salt
//
// The SHA-256 finds damage, not forgery: a forged slot does not open. Generations wrap around:
// a is newer than b if (a - b) mod 256 is below 128. Written aside, fsync, rename, fsync of the
// directory. Not thread-safe for one directory.

namespace oubliette::keys {

enum class SealType : std::uint8_t { passphrase = 1, keyfile = 2, credential = 3 };

inline constexpr std::size_t kSealSlotCountMax = 32;
inline constexpr std::uint64_t kPassphraseMemoryMax = 4ULL << 30;  // bytes
inline constexpr std::uint32_t kPassphrasePassesMax = 64;
inline constexpr std::size_t kPassphraseSizeMax = 1'024;  // bytes

// What opens a vault. Wiped. Move-only.
struct SealSecret {
    SealType type = SealType::keyfile;
    crypto::SecretBytes secret;  // passphrase text, or the 32 bytes of a key file or credential

    [[nodiscard]] SealSecret duplicate() const {
        return {type, crypto::SecretBytes{secret.expose()}};
    }
};
// "passphrase", "keyfile", "credential".
[[nodiscard]] std::string_view name_of(SealType type) noexcept;

// Reads `keyfile:PATH`, `passphrase` (OUBLIETTE_PASSPHRASE_FILE, else the terminal, without echo)
// or `credential(s)` ($CREDENTIALS_DIRECTORY/oubliette.kek: 32 bytes, or as in a key file). With
// `create`, a missing key file is made (0600, parent 0700, 32 random bytes in lower-case hex and a
// newline), and a passphrase from the terminal is asked twice.
// Throws Fault{configuration} with the remedy: unknown kind, missing or malformed file, a key or
// passphrase file that others can read, no terminal; Fault{storage} while creating.
[[nodiscard]] SealSecret read_seal_secret(const std::string& spec, bool create);

// One more wrap of `kek` is written beside the others in `directory`/seal.slots; durable when it
// returns. `cost` is for passphrases and is stored in the slot.
// REQUIRES: cost is within the limits above and memory is whole KiB.
// Throws Fault{configuration} (memory for the passphrase cannot be had, no room for a slot),
// Fault{corrupt} (what is there is damaged or another keeper's), Fault{storage}; the old file is
// untouched then.
void write_seal_slot(const std::filesystem::path& directory, const VaultId& vault,
                     const KeeperId& keeper, std::uint8_t kek_generation, const crypto::Kek& kek,
                     const SealSecret& secret, crypto::PassphraseCost cost = {});

// Removes all slots of other generations: the end of a re-seal. Throws as write_seal_slot does.
// REQUIRES: a slot of `kek_generation` exists.
void keep_seal_generation(const std::filesystem::path& directory, const VaultId& vault,
                          const KeeperId& keeper, std::uint8_t kek_generation);

// A KEK and the generation it was wrapped as.
struct OpenedKek {
    crypto::Kek kek;
    std::uint8_t generation = 0;
};

// The KEKs that `secret` opens, one per generation, newest first (two while a re-seal is under
// way). Empty if none: wrong secret. Throws Fault{configuration} if the file is missing or the
// memory for the passphrase cannot be had, Fault{corrupt}, Fault{storage}.
[[nodiscard]] std::vector<OpenedKek> open_seal_generations(const std::filesystem::path& directory,
                                                           const VaultId& vault,
                                                           const KeeperId& keeper,
                                                           const SealSecret& secret);

// The same without the generations.
[[nodiscard]] std::vector<crypto::Kek> open_seal_slots(const std::filesystem::path& directory,
                                                       const VaultId& vault, const KeeperId& keeper,
                                                       const SealSecret& secret);

}  // namespace oubliette::keys
