#include <CLI/CLI.hpp>
#include <memory>

#include "tools/commands.hpp"
#include "tools/forensic/attack.hpp"
#include "tools/process.hpp"

namespace oubliette::tools {

namespace {

using Places = std::vector<std::filesystem::path>;

struct Options {
    Places data;
    Places keepers;
    Places backups;
    Places extra;
    std::vector<std::string> seals;
    Places kept_cells;
    Places cores;
    bool is_json = false;
};

forensic::AttackOptions attack_of(const Options& options) {
    forensic::AttackOptions attack;
    for (const Places* places :
         {&options.data, &options.keepers, &options.backups, &options.extra}) {
        attack.places.insert(attack.places.end(), places->begin(), places->end());
    }
    for (const std::string& seal : options.seals) {
        attack.secrets.push_back(keys::read_seal_secret(seal, false));
    }
    attack.kept_cells = options.kept_cells;
    attack.cores = options.cores;
    return attack;
}

Exit run_forensic(const Options& options) {
    harden_process();
    try {
        const forensic::Report report = forensic::Attack{attack_of(options)}.run();
        print(options.is_json ? forensic::report_json(report) : forensic::report_text(report));
        return report.verdict() == forensic::Verdict::passed ? Exit::done : Exit::failed;
    } catch (const Fault& fault) {
        throw CommandError(Exit::input, fault.what());
    }
}

}  // namespace

void add_forensic(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "forensic", "Attack a stopped vault with all its files and secrets, and count what opens");
    verb.add_option("--data", options->data, "Data directory; everything below counts")
        ->required()
        ->take_all();
    verb.add_option("--keeper", options->keepers, "Directory of a keeper, once for each")
        ->take_all();
    verb.add_option("--seal", options->seals,
                    "What opens the keepers: keyfile:PATH, passphrase or credentials; without it, "
                    "a thief who has the disks only")
        ->take_all();
    verb.add_option("--backup", options->backups, "A backup or an old copy, once for each")
        ->take_all();
    verb.add_option("--extra", options->extra, "Any other file, directory or device")->take_all();
    verb.add_option(
            "--kept-cell", options->kept_cells,
            "Old copy of an anchor.cell: the control, which must open what was erased since")
        ->take_all();
    verb.add_option("--core", options->cores, "Core dump, searched for keys")->take_all();
    verb.add_flag("--json", options->is_json, "The report as JSON on stdout");
    add_example(
        verb,
        "oubliette forensic --data /vault --keeper /disk1/keeper --keeper /disk2/keeper \\\n"
        "    --seal keyfile:/etc/oubliette/seal.key --backup /backup/2022-11-22\n"
        "  (ends with 0 only if nobody erased opens and everything living does, else 1;\n"
        "  reads only, shows no value)");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_forensic(*options); }; });
}

}  // namespace oubliette::tools
