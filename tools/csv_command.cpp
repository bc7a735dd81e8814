#include "tools/csv_command.hpp"

#include <CLI/CLI.hpp>

#include "tools/commands.hpp"

namespace oubliette::tools {

void add_csv_options(CLI::App& verb, CsvOptions& options, CsvFlags& flags) {
    verb.add_option("--csv", options.input, "CSV file with a header row (RFC 4180, UTF-8)")
        ->required();
    verb.add_option("--out", options.output,
                    "File to write; progress is kept in OUT.state, the same command resumes")
        ->required();
    verb.add_option("--purpose", options.purpose, "Purpose of the policy")->required();
    verb.add_option("--on-error", flags.on_error,
                    "stop: end at the first refused value; report: leave it empty, list it in "
                    "OUT.errors")
        ->check(CLI::IsMember({"stop", "report"}))
        ->capture_default_str();
    verb.add_option("--batch", options.batch_items, "Values per request, 1 to 10000")
        ->capture_default_str();
    verb.add_option("--connections", options.connections, "Requests at a time, 1 to 64")
        ->capture_default_str();
    verb.add_option("--delimiter", flags.delimiter, "One of , ; | or 'tab'")->capture_default_str();
    verb.add_flag("--force", flags.is_forced, "Begin anew, whatever OUT and OUT.state hold");
    verb.add_flag("--json", flags.is_json, "Summary as JSON on stdout");
    verb.add_flag("--quiet", flags.is_quiet, "No progress, no summary on stderr");
    add_server_options(verb, options.server);
}

void apply_csv_flags(const CsvFlags& flags, CsvOptions& options) {
    const std::string delimiter = flags.delimiter == "tab" ? "\t" : flags.delimiter;
    if (delimiter.size() != 1 || std::string_view(",;|\t").find(delimiter) == std::string::npos) {
        throw CommandError(Exit::usage, "--delimiter must be one of , ; | or tab");
    }
    options.delimiter = delimiter[0];
    options.on_error = flags.on_error == "stop" ? OnError::stop : OnError::report;
    options.force = flags.is_forced ? CsvForce::overwrite : CsvForce::keep_existing;
    options.talk = flags.is_quiet ? Talk::quiet : Talk::normal;
}

}  // namespace oubliette::tools
