#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "tools/commands.hpp"
#include "tools/process.hpp"
#include "tools/running_vault.hpp"
#include "tools/service_notice.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    std::string data;
    std::string listen;
};

void warn(const VaultStatus& status) {
    for (const std::string& warning : warnings_of(status)) say("WARNING: " + warning);
    for (const auto& keeper : status.plane.keepers) {
        if (keeper.online || keeper.directory.empty()) continue;
        say("WARNING: keeper " + keeper.directory.string() + ": " + keeper.trouble);
    }
    if (status.rolled_back) say("this is generation " + std::to_string(status.generation));
    if (status.policy_version == 0) {
        say("WARNING: a newer policy was published than this copy holds; nothing is disclosed "
            "until it is published again");
    }
}

Exit run_serve(const Options& options) {
    harden_process();
    const VaultConfig config = read_vault_config(options.data);
    catch_interrupts();
    const RunningVault vault{options.data, config,
                             options.listen.empty() ? config.listen : options.listen};
    warn(vault.status());
    say("ready on port " + std::to_string(vault.port()));
    notify_service_manager("READY=1");
    while (!is_interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds{50});
    notify_service_manager("STOPPING=1");
    say("draining");
    return Exit::done;
}

}  // namespace

void add_serve(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *program.add_subcommand("serve", "Serve a vault over HTTPS, in the foreground");
    verb.add_option("--data", options->data, "Directory that `init` made")->required();
    verb.add_option("--listen", options->listen,
                    "ADDRESS:PORT (default: that of vault.json, 127.0.0.1:8443)");
    add_example(verb, "oubliette serve --data /srv/vault --listen 127.0.0.1:8443");
    verb.final_callback([options, &chosen] { chosen = [options] { return run_serve(*options); }; });
}

}  // namespace oubliette::tools
