#include <CLI/CLI.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/confirmation.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string subject;
    std::string ground = "no_longer_using";
    std::string confirm;
    std::string output;
    unsigned wait_s = 5;
    bool is_json = false;
    bool is_dry_run = false;
};

Exit run_erase(const Options& options) {
    if (options.subject.empty()) throw CommandError(Exit::usage, "SUBJECT is empty");
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/subjects/" + percent_encode(options.subject) + "/erase";
    request.prefer = "wait=" + std::to_string(options.wait_s);
    request.body = boost::json::serialize(boost::json::object{{"ground", options.ground}});
    if (options.is_dry_run) {
        say("would send POST /v1/subjects/{subject}/erase with ground " + options.ground +
            "; nothing was done");
        return Exit::done;
    }
    confirm_typed(options.subject, options.confirm, "Type the subject again to erase it");
    HttpsClient client = make_client(options.server);
    const HttpAnswer answer = client.call(request);
    const boost::json::value erasure = accepted_json(answer);
    if (!options.output.empty()) create_file(options.output, answer.body + "\n", 0600);
    const std::string state = string_member(erasure, "state");
    if (options.is_json) {
        print(boost::json::serialize(erasure));
    } else {
        print(string_member(erasure, "id") + " " + state);
    }
    if (answer.status != 202) return Exit::done;
    say("not final yet; ask again with GET /v1/erasures/" + string_member(erasure, "id"));
    return Exit::not_final;
}

}  // namespace

void add_erase(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "erase", "Erase a person for ever: here, on all keepers and in all backups");
    verb.add_option("SUBJECT", options->subject, "The application's id of the person")->required();
    verb.add_option("--ground", options->ground, "Why")->capture_default_str();
    verb.add_option("--wait", options->wait_s, "Seconds to wait until it is final")
        ->check(CLI::Range(0U, 110U))
        ->capture_default_str();
    verb.add_option("--confirm", options->confirm,
                    "SUBJECT once more; without it a terminal is asked");
    verb.add_option("--out", options->output,
                    "File to make with the whole answer (receipt and its opening `r`, which is "
                    "given only once)");
    verb.add_flag("--dry-run", options->is_dry_run, "Say what would be asked, and do nothing");
    verb.add_flag("--json", options->is_json, "The whole erasure object on stdout");
    add_server_options(verb, options->server);
    add_example(verb,
                "oubliette erase c-1 --confirm c-1 --out c-1.receipt.json \\\n"
                "    --key-file keys/privacy_officer.key");
    verb.final_callback([options, &chosen] { chosen = [options] { return run_erase(*options); }; });
}

}  // namespace oubliette::tools
