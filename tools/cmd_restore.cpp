#include <CLI/CLI.hpp>
#include <memory>

#include "tools/commands.hpp"
#include "tools/process.hpp"
#include "tools/restore.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    RestoreOptions restore;
    bool is_drill = false;
    bool is_json = false;
};

void show(const DrillReport& report, bool is_json) {
    for (const std::string& line : report.keepers_unusable) say("WARNING: " + line);
    print(is_json ? drill_json(report) : drill_text(report));
}

Exit run_restore(const Options& options) {
    if (options.is_drill == !options.restore.data.empty()) {
        throw CommandError(Exit::usage,
                           "give --data NEW to restore into it, or --drill to change nothing");
    }
    harden_process();
    const keys::SealSecret seal = keys::read_seal_secret(options.restore.seal, false);
    if (options.is_drill) {
        DrillOptions drill;
        drill.backup = options.restore.backup;
        drill.keepers = options.restore.keepers;
        const DrillReport report = run_drill(drill, seal);
        show(report, options.is_json);
        return report.passed() ? Exit::done : Exit::failed;
    }
    show(restore_vault(options.restore, seal), options.is_json);
    const std::string data = options.restore.data.string();
    say("restored into " + data + "; serve it with: oubliette serve --data " + data);
    say("API keys and policies are those of the backup; clients need the new " + data +
        "/tls/ca.pem");
    return Exit::done;
}

}  // namespace

void add_restore(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "restore", "Make a vault of a backup, or with --drill only see what would open");
    verb.add_option("DIR", options->restore.backup, "Directory that `backup` wrote")->required();
    verb.add_option("--data", options->restore.data,
                    "New directory for the data; the server must be stopped");
    verb.add_flag("--drill", options->is_drill,
                  "Open everything with the present keepers and report; changes nothing, runs "
                  "beside a server");
    verb.add_option("--keeper", options->restore.keepers, "Directory of a keeper, once for each")
        ->required()
        ->take_all();
    verb.add_option("--seal", options->restore.seal,
                    "What opens the keepers: keyfile:PATH, passphrase or credentials")
        ->required();
    verb.add_flag("--json", options->is_json, "The report as JSON on stdout");
    add_example(
        verb,
        "oubliette restore /backup/2022-11-22 --drill --keeper /disk1/keeper \\\n"
        "    --keeper /disk2/keeper --seal keyfile:/etc/oubliette/seal.key\n"
        "  (a drill ends with 0 only if nothing is damaged and nobody erased opens, else 1)");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_restore(*options); }; });
}

}  // namespace oubliette::tools
