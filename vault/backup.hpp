#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crypto/hash.hpp"
#include "vault/clock.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/store/store.hpp"

// A backup: a directory with a copy of the data plane and the list of what it is. Never a cell,
// never a key: whoever has only a backup has nothing.
//
//   DIR/data.mdb       the compacted store
//   DIR/manifest.json  {"format":1, "storage_format":1, "vault":HEX, "tenant":NAME,
//                       "generation":N, "sequence":N, "log_size":N, "log_root":HEX,
//                       "created":"2026-11-22T10:00:00Z",
//                       "settings":{"listen":"127.0.0.1:8443", "cell_class":"software"},
//                       "files":[{"name":"data.mdb", "size":BYTES, "sha256":HEX}]}
//   DIR/manifest.sig   the vault's signature over manifest.json: backup_signature.hpp
//   DIR/INCOMPLETE     only while it is being written: such a DIR is no backup
//
// The digests find damage and mixed-up files, the signature what others made. Members that are not
// known are ignored in format 1; a change that an older program must not ignore is a new format.

namespace oubliette {

inline constexpr const char* kBackupManifest = "manifest.json";
inline constexpr const char* kBackupIncomplete = "INCOMPLETE";

struct BackupFile {
    std::string name;
    std::uint64_t size = 0;  // bytes
    crypto::Hash sha256{};
};

// What a restored vault should be started with.
struct BackupSettings {
    std::string listen = "127.0.0.1:8443";
    bool accept_besteffort = false;
};

struct BackupManifest {
    keys::VaultId vault{};
    std::string tenant;
    keys::StateRecord state;
    Timestamp created;
    BackupSettings settings;
    std::vector<BackupFile> files;
};

// The manifest of the store in `directory`, with digests of the files that are there.
// Throws Fault{storage}, Fault{corrupt}, Fault{configuration} (no complete vault).
[[nodiscard]] BackupManifest describe_backup(const std::filesystem::path& directory, Timestamp now,
                                             const BackupSettings& settings);
// Durable when it returns. Throws Fault{storage}.
void write_manifest(const std::filesystem::path& directory, const BackupManifest& manifest);

// Throws Fault{configuration} with the remedy: no such directory, INCOMPLETE, no manifest, a newer
// format; Fault{corrupt}: the manifest cannot be read.
[[nodiscard]] BackupManifest read_manifest(const std::filesystem::path& directory);
// Throws Fault{corrupt} naming the file that is missing or has another size or digest.
void check_backup_files(const std::filesystem::path& directory, const BackupManifest& manifest);

// Opens the store read-only and compares it with its manifest: format, vault, state, log.
// Throws Fault{configuration}, Fault{corrupt}.
[[nodiscard]] std::unique_ptr<store::Store> open_backup_store(
    const std::filesystem::path& directory, const BackupManifest& manifest);

}  // namespace oubliette
