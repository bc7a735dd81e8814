#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "vault/vault.hpp"

// What `init` tells `serve`: DATA/vault.json, written last, so that its presence means a whole
// vault. No secret is in it.
//
//   {"format":1, "tenant":NAME, "keepers":[DIR, ...], "seal":"keyfile:PATH",
//    "cell_class":"software"|"besteffort", "listen":"127.0.0.1:8443",
//    "tls":{"certificate":PATH, "key":PATH, "client_ca":PATH or ""}}

namespace oubliette::tools {

struct VaultConfig {
    std::string tenant;
    std::vector<std::filesystem::path> keepers;
    std::string seal;
    bool accept_besteffort = false;
    std::string listen = "127.0.0.1:8443";
    std::filesystem::path certificate;
    std::filesystem::path key;
    std::filesystem::path client_ca;
};

// Throws CommandError input: missing ("oubliette init" is the remedy), malformed, unknown member.
[[nodiscard]] VaultConfig read_vault_config(const std::filesystem::path& data);
// Durable and whole when it returns. Throws CommandError failed.
void write_vault_config(const std::filesystem::path& data, const VaultConfig& config);

// A seal as vault.json holds it: a key file's path made absolute, so that `serve` works from any
// directory.
[[nodiscard]] std::string absolute_seal(const std::string& seal);
// Throws CommandError input if a keeper lies in `data` or `data` in a keeper; links are followed.
void check_keepers_apart(const std::filesystem::path& data,
                         const std::vector<std::filesystem::path>& keepers);

// Options of the vault in `data`.
[[nodiscard]] VaultOptions vault_options(const std::filesystem::path& data,
                                         const VaultConfig& config);

}  // namespace oubliette::tools
