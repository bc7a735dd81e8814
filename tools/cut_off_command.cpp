#include "tools/cut_off_command.hpp"

#include <CLI/CLI.hpp>

#include <boost/json/serialize.hpp>

#include "tools/confirmation.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {

void add_cut_off_options(CLI::App& verb, CutOffOptions& options) {
    verb.add_option("--confirm", options.confirm, "NAME once more; without it a terminal is asked");
    verb.add_option("--wait", options.wait_s, "Seconds to wait until it is final")
        ->check(CLI::Range(0U, 60U))
        ->capture_default_str();
    verb.add_option("--out", options.output,
                    "File to make with the whole answer (receipt and its opening `r`, which is "
                    "given only once)");
    verb.add_flag("--dry-run", options.is_dry_run, "Say what would be asked, and do nothing");
    verb.add_flag("--json", options.is_json, "The whole erasure object on stdout");
    add_server_options(verb, options.server);
}

Exit run_cut_off(const CutOffOptions& options, HttpRequest request, const std::string& what) {
    if (options.name.empty()) throw CommandError(Exit::usage, "NAME is empty");
    request.prefer = "wait=" + std::to_string(options.wait_s);
    if (options.is_dry_run) {
        say("would destroy " + what + "; nothing was done");
        return Exit::done;
    }
    confirm_typed(options.name, options.confirm,
                  "Type the name again to destroy " + what + " for ever");
    HttpsClient client = make_client(options.server);
    const HttpAnswer answer = client.call(request);
    if (problem_code(answer) == "VALUE_INVALID") {
        throw CommandError(Exit::refused,
                           options.name + " is not what this vault is for; nothing was destroyed");
    }
    const boost::json::value erasure = accepted_json(answer);
    if (!options.output.empty()) create_file(options.output, answer.body + "\n", 0600);
    if (options.is_json) {
        print(boost::json::serialize(erasure));
    } else {
        print(string_member(erasure, "id") + " " + string_member(erasure, "state"));
    }
    if (answer.status != 202) return Exit::done;
    say("not final yet: a keeper is away; nothing opens any more, and the rest follows by itself");
    return Exit::not_final;
}

}  // namespace oubliette::tools
