#include "vault/backup_signature.hpp"

#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"
#include "crypto/kdf.hpp"
#include "vault/backup.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLine = "obl-backup-1 ";
constexpr std::string_view kLabel = "obl/backup/1";
constexpr std::size_t kSignatureFileSizeMax = 256;              // bytes
constexpr std::size_t kManifestSizeMax = std::size_t{1} << 20;  // bytes

Bytes signed_bytes(const fs::path& directory) {
    const auto manifest = keys::read_small_file(directory / kBackupManifest, kManifestSizeMax);
    if (!manifest) {
        throw Fault{FaultKind::corrupt, "backup " + directory.string() + " has no manifest.json"};
    }
    Bytes bytes;
    ByteWriter{bytes}.bytes(bytes_of(kLabel)).bytes(*manifest);
    return bytes;
}

// nullopt unless the file is exactly one line of ours.
std::optional<crypto::Signature> read_signature(const fs::path& directory) {
    const auto file = keys::read_small_file(directory / kBackupSignature, kSignatureFileSizeMax);
    if (!file) return std::nullopt;
    std::string_view line = text_of(*file);
    if (!line.starts_with(kLine) || !line.ends_with('\n')) return std::nullopt;
    line.remove_prefix(kLine.size());
    line.remove_suffix(1);
    const auto signature = crypto::base64_decode(line);
    if (!signature || signature->size() != sizeof(crypto::Signature)) return std::nullopt;
    return ByteReader{*signature}.array<64>();
}

}  // namespace

keys::Path backup_sign_path() noexcept {
    return keys::system_path(keys::kVaultTenant,
                             static_cast<std::uint8_t>(keys::SystemKind::backup_sign), 0, 0);
}

crypto::SigningKey backup_signing_key(const keys::Derived& leaf) {
    OBL_ASSERT(leaf.state == keys::NodeState::whole);
    const auto seed = crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system,
                                            keys::subkey::kSigningSeed);
    return crypto::SigningKey{seed.expose()};
}

void sign_backup(const fs::path& directory, const crypto::SigningKey& key) {
    const crypto::Signature signature = key.sign(signed_bytes(directory));
    const std::string line = std::string{kLine} + crypto::base64_encode(signature) + "\n";
    keys::replace_file(directory / kBackupSignature, bytes_of(line));
}

void check_backup_signature(const fs::path& directory, const crypto::PublicKey& key) {
    const auto signature = read_signature(directory);
    if (signature && crypto::verify(key, signed_bytes(directory), *signature)) return;
    throw Fault{FaultKind::corrupt,
                "backup " + directory.string() +
                    ": manifest.sig is not the signature of this vault; the backup was changed or "
                    "is not from here: use another backup"};
}

}  // namespace oubliette
