#include "tools/running_vault.hpp"

#include "tools/cli.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScratch = "staging";  // backups on their way; emptied at start

// vault.json follows the keepers. It is read again, because somebody may have edited it.
void remember_keepers(const fs::path& data, const std::vector<fs::path>& keepers) {
    VaultConfig config = read_vault_config(data);
    config.keepers = keepers;
    write_vault_config(data, config);
}

}  // namespace

RunningVault::RunningVault(const fs::path& data, const VaultConfig& config,
                           const std::string& listen) {
    const keys::SealSecret seal = keys::read_seal_secret(config.seal, false);
    VaultOptions vault = vault_options(data, config);
    vault.plane.keepers_changed = [data](const std::vector<fs::path>& keepers) {
        remember_keepers(data, keepers);
    };
    vault_ = Vault::open(vault, seal, clock_);
    const fs::path scratch = data / kScratch;
    fs::remove_all(scratch);
    service_ = std::make_unique<api::Service>(*vault_, scratch);

    api::ServerOptions options;
    options.listen = {listen};
    options.tls.certificate = config.certificate;
    options.tls.key = config.key;
    options.tls.client_ca = config.client_ca;
    server_ = std::make_unique<api::Server>(
        options,
        [this](const api::Request& request, std::size_t body_size) {
            return service_->check_header(request, body_size);
        },
        [this](const api::ExchangePtr& exchange) { service_->handle(exchange); });
    server_->start();
}

RunningVault::~RunningVault() {
    server_->stop();
    vault_.reset();
}

}  // namespace oubliette::tools
