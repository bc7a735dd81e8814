#pragma once

#include <memory>

#include "api/server.hpp"
#include "api/service.hpp"
#include "tools/vault_config.hpp"

namespace oubliette::tools {

// A vault behind its HTTPS front, in this process. Destroying it drains, then closes the vault.
class RunningVault {
public:
    // `listen` "ADDRESS:PORT"; port 0 takes a free one. Serves when it returns.
    // Throws CommandError, Fault.
    RunningVault(const std::filesystem::path& data, const VaultConfig& config,
                 const std::string& listen);
    ~RunningVault();
    RunningVault(const RunningVault&) = delete;
    RunningVault& operator=(const RunningVault&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept { return server_->bound_port(); }
    [[nodiscard]] VaultStatus status() const { return vault_->status(); }

private:
    SystemClock clock_;
    std::unique_ptr<Vault> vault_;
    std::unique_ptr<api::Service> service_;
    std::unique_ptr<api::Server> server_;
};

}  // namespace oubliette::tools
