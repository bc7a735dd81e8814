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

struct MadeVault {
    std::vector<NamedKey> keys;  // app(s), privacy_officer, key_operator, policy_admin, auditor
    std::string receipt_keys;    // key file of vault/receipt_check.hpp
};

// Nothing is left behind when it throws. Throws CommandError, Fault.
[[nodiscard]] MadeVault make_vault(const NewVault& wanted);

// Writes each key and a newline (0600), receipt-keys.json and a copy of ca.pem. Throws
// CommandError.
void write_keys(const std::filesystem::path& directory, const std::filesystem::path& data,
                const MadeVault& made);

}  // namespace oubliette::tools
