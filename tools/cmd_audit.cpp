#include <CLI/CLI.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/durable_file.hpp"
#include "tools/log_check.hpp"
#include "tools/log_export.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string directory;  // verify: empty = online
    std::string vkey;
    std::string state;
    bool is_json = false;
};

std::vector<audit::VerifierKey> parse_keys(std::string_view lines) {
    std::vector<audit::VerifierKey> keys;
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 1, lines.size()));
        if (line.empty()) continue;
        auto key = audit::parse_vkey(line);
        if (!key) {
            throw CommandError(Exit::input,
                               "a verifier key cannot be read; it looks like "
                               "oubliette.<vault>+<8 hex digits>+<base64>");
        }
        keys.push_back(std::move(*key));
    }
    if (keys.empty()) throw CommandError(Exit::input, "there is no verifier key; give --vkey");
    return keys;
}

std::vector<audit::VerifierKey> keys_of(const Options& options, LogSource& source) {
    if (options.vkey.empty()) {
        say("WARNING: no key is pinned, so that the log says itself whose it is; give --vkey");
        return parse_keys(source.offered_keys());
    }
    if (audit::parse_vkey(options.vkey)) return parse_keys(options.vkey);
    return parse_keys(read_file(options.vkey));
}

// The checkpoint that the last run left.
std::optional<audit::Checkpoint> earlier_of(const Options& options) {
    if (options.state.empty()) return std::nullopt;
    const auto note = read_file_if_there(options.state);
    if (!note) return std::nullopt;
    auto checkpoint = audit::parse_checkpoint(*note);
    if (!checkpoint) {
        throw CommandError(Exit::input, options.state +
                                            " holds no checkpoint; name the file of an earlier "
                                            "run, or remove it to begin anew");
    }
    return checkpoint;
}

boost::json::object json_of(const LogReport& report, const Options& options) {
    boost::json::object json{{"proven", !report.flaw.has_value()},
                             {"pinned", !options.vkey.empty()},
                             {"origin", report.checkpoint.origin},
                             {"size", report.checkpoint.size},
                             {"lost_entries", report.lost_entries}};
    boost::json::array origins;
    for (const auto& [index, origin] : report.origins) {
        origins.push_back(boost::json::object{
            {"index", index}, {"generation", origin.generation}, {"lost_size", origin.lost_size}});
    }
    json["origins"] = std::move(origins);
    boost::json::array rotations;
    for (const auto& [index, rotation] : report.rotations) {
        const std::string name =
            report.checkpoint.origin.substr(0, report.checkpoint.origin.rfind('/'));
        rotations.push_back(
            boost::json::object{{"index", index},
                                {"kid", rotation.kid},
                                {"retired", rotation.is_retired},
                                {"vkey", audit::encode_vkey({name, rotation.public_key})}});
    }
    json["key_rotations"] = std::move(rotations);
    if (report.flaw) {
        json["flaw"] = report.flaw->what;
        if (report.flaw->index) json["index"] = *report.flaw->index;
    }
    return json;
}

void tell(const LogReport& report) {
    if (report.flaw) {
        const auto& index = report.flaw->index;
        return say("NOT PROVEN: " + report.flaw->what +
                   (index ? " (entry " + std::to_string(*index) + ")" : ""));
    }
    if (report.lost_entries > 0) {
        say("WARNING: an older copy of the data was put in place, as the log declares; the last " +
            std::to_string(report.lost_entries) + " entries seen before are gone");
    }
    print(report.checkpoint.origin + ": " + std::to_string(report.checkpoint.size) +
          " entries, whole and signed");
}

Exit run_verify(const Options& options) {
    const auto source = options.directory.empty() ? open_log_server(options.server)
                                                  : open_log_folder(options.directory);
    const auto keys = keys_of(options, *source);
    const auto earlier = earlier_of(options);
    const LogReport report = check_log(*source, keys, earlier);
    if (options.is_json) print(boost::json::serialize(json_of(report, options)));
    if (!options.is_json || report.flaw) tell(report);
    if (report.flaw) return Exit::not_proven;  // what was seen before stays what counts
    if (!options.state.empty()) replace_file(options.state, report.note, 0644);
    return Exit::done;
}

Exit run_export(const Options& options) {
    const auto source = open_log_server(options.server);
    const ExportedLog exported = export_log(*source, options.directory);
    if (options.is_json) {
        print(boost::json::serialize(boost::json::object{{"directory", options.directory},
                                                         {"entries", exported.entries},
                                                         {"files", exported.files}}));
    } else {
        say("audit log: " + std::to_string(exported.entries) + " entries, " +
            std::to_string(exported.files) + " new files in " + options.directory);
    }
    return Exit::done;
}

}  // namespace

void add_audit(CLI::App& program, Run& chosen) {
    CLI::App& verb = *program.add_subcommand("audit", "The audit log, for outsiders to verify");
    verb.require_subcommand(1);

    auto verify_options = std::make_shared<Options>();
    CLI::App& verify = *verb.add_subcommand(
        "verify", "Verify the whole log of a running vault, or an exported one");
    verify.add_option("DIR", verify_options->directory,
                      "What `audit export` wrote (default: ask the vault)");
    verify.add_option("--vkey", verify_options->vkey, "The log's verifier key, or a file of them");
    verify.add_option("--state", verify_options->state,
                      "File that keeps the checkpoint seen last: the log may only grow");
    verify.add_flag("--json", verify_options->is_json, "The report as JSON on stdout");
    add_server_options(verify, verify_options->server);
    add_example(verify, "oubliette audit verify --vkey log.vkey --state log.seen --ca keys/ca.pem");
    verify.final_callback([verify_options, &chosen] {
        chosen = [verify_options] { return run_verify(*verify_options); };
    });

    auto export_options = std::make_shared<Options>();
    CLI::App& exporting = *verb.add_subcommand(
        "export", "Write the log as files that any verifier of tiled logs reads");
    exporting.add_option("DIR", export_options->directory, "Directory; what is new is added")
        ->required();
    exporting.add_flag("--json", export_options->is_json, "Summary as JSON on stdout");
    add_server_options(exporting, export_options->server);
    add_example(exporting, "oubliette audit export /srv/log --ca keys/ca.pem");
    exporting.final_callback([export_options, &chosen] {
        chosen = [export_options] { return run_export(*export_options); };
    });
}

}  // namespace oubliette::tools
