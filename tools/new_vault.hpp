#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tools/vault_config.hpp"

// Making a vault: keepers, data, certificate, first policy, one key per role. `init` and `demo`
// share it.

namespace oubliette::tools {

struct NewVault {
    std::filesystem::path data;
    std::vector<std::filesystem::path> keepers;
    std::string seal;  // as --seal
    std::string tenant;
    std::string policy_json;
    std::vector<std::string> apps;  // recipients; empty: the first internal one
    bool accept_besteffort = false;
};

struct NamedKey {
    std::string file;  // "app.key"
    std::string text;  // "obk_..."
};

// Makes it and returns the keys, in the order app(s), privacy_officer, key_operator, policy_admin,
// auditor. Nothing is left behind when it throws. Throws CommandError, Fault.
[[nodiscard]] std::vector<NamedKey> make_vault(const NewVault& wanted);

// Writes each key and a newline (0600) and a copy of ca.pem. Throws CommandError.
void write_keys(const std::filesystem::path& directory, const std::filesystem::path& data,
                const std::vector<NamedKey>& keys);

}  // namespace oubliette::tools
