#include <CLI/CLI.hpp>
#include <memory>

#include "tools/commands.hpp"
#include "tools/durable_file.hpp"
#include "tools/new_vault.hpp"
#include "tools/process.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    NewVault vault;
    std::string policy_file;
    std::string tls = "self-signed";
    std::string keys_out;
    std::string cell_class = "software";
};

Exit run_init(Options& options) {
    harden_process();
    options.vault.policy_json = read_file(options.policy_file);
    options.vault.accept_besteffort = options.cell_class == "besteffort";
    const MadeVault made = make_vault(options.vault);
    if (options.keys_out.empty()) {
        say("these keys are shown once and stored nowhere:");
        for (const NamedKey& key : made.keys) print(key.file + " " + key.text);
    } else {
        write_keys(options.keys_out, options.vault.data, made);
        say("keys, ca.pem and receipt-keys.json are in " + options.keys_out);
    }
    say("the vault is made; serve it with: oubliette serve --data " + options.vault.data.string());
    return Exit::done;
}

}  // namespace

void add_init(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("init", "Make a vault: keepers, data, first policy");
    verb.add_option("--data", options->vault.data, "Directory for the data; may be backed up")
        ->required();
    verb.add_option("--keeper", options->vault.keepers,
                    "Directory of a keeper, twice or more, best on two disks; never backed up")
        ->required()
        ->take_all();
    verb.add_option("--seal", options->vault.seal,
                    "What opens the keepers: keyfile:PATH, passphrase or credentials")
        ->required();
    verb.add_option("--tenant", options->vault.tenant, "Name of the tenant, as in the policy")
        ->required();
    verb.add_option("--policy", options->policy_file, "The published policy, JSON")->required();
    verb.add_option("--app", options->vault.apps,
                    "Recipient that gets an app key; may be repeated (default: the first internal)")
        ->take_all();
    verb.add_option("--tls", options->tls,
                    "Only self-signed here; put your own files in vault.json")
        ->check(CLI::IsMember({"self-signed"}))
        ->capture_default_str();
    verb.add_option("--keys-out", options->keys_out,
                    "Write the keys here (0600) instead of stdout");
    verb.add_option("--cell-class", options->cell_class,
                    "besteffort accepts file systems that cannot overwrite in place")
        ->check(CLI::IsMember({"software", "besteffort"}))
        ->capture_default_str();
    add_example(
        verb,
        "oubliette init --data /srv/vault --keeper /disk1/keeper --keeper /disk2/keeper \\\n"
        "    --seal keyfile:/etc/oubliette/seal.key --tenant overseas \\\n"
        "    --policy policy.json --keys-out keys");
    verb.final_callback([options, &chosen] { chosen = [options] { return run_init(*options); }; });
}

}  // namespace oubliette::tools
