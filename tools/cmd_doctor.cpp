#include <CLI/CLI.hpp>
#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/doctor/examine.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    std::string data;
    std::string backup;
    bool is_json = false;
    bool is_strict = false;
};

std::string as_json(const Findings& findings) {
    boost::json::array list;
    for (const Finding& finding : findings) {
        list.push_back({{"level", name_of(finding.level)},
                        {"check", finding.check},
                        {"fact", finding.fact},
                        {"remedy", finding.remedy}});
    }
    return boost::json::serialize(
        boost::json::object{{"findings", std::move(list)},
                            {"problems", count_of(findings, Level::problem)},
                            {"warnings", count_of(findings, Level::warning)}});
}

std::string as_line(const Finding& finding) {
    constexpr std::size_t kLevelWidth = 8;  // of PROBLEM and a blank
    constexpr std::size_t kCheckWidth = 17;
    std::string line{name_of(finding.level)};
    line.resize(kLevelWidth, ' ');
    line += finding.check;
    line.resize(std::max(line.size() + 1, kLevelWidth + kCheckWidth), ' ');
    line += finding.fact;
    if (!finding.remedy.empty()) line += "; " + finding.remedy;
    return line;
}

Exit run_doctor(const Options& options) {
    Examination examination;
    examination.data = options.data;
    if (!options.backup.empty()) examination.backup = options.backup;
    examination.machine.now = SystemClock{}.now();
    const Findings findings = examine(examination);
    if (options.is_json) {
        print(as_json(findings));
    } else {
        for (const Finding& finding : findings) print(as_line(finding));
    }
    const std::size_t problems = count_of(findings, Level::problem);
    const std::size_t warnings = count_of(findings, Level::warning);
    say(std::to_string(problems) + " problems, " + std::to_string(warnings) + " warnings");
    const bool is_sound = problems == 0 && (warnings == 0 || !options.is_strict);
    return is_sound ? Exit::done : Exit::unsound;
}

}  // namespace

void add_doctor(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "doctor", "Examine a vault on this machine: keepers, disks, seal, certificate, clock");
    verb.add_option("--data", options->data, "Directory that `init` made")->required();
    verb.add_option("--backup", options->backup, "The newest backup, to say how old it is");
    verb.add_flag("--strict", options->is_strict, "Exit with 9 for warnings, too");
    verb.add_flag("--json", options->is_json, "One JSON object");
    add_example(verb, "oubliette doctor --data /srv/vault --backup /mnt/backup/today");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_doctor(*options); }; });
}

}  // namespace oubliette::tools
