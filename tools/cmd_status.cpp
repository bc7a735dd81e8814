#include <CLI/CLI.hpp>

#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    bool is_json = false;
};

std::string line_of(const boost::json::value& value) {
    return value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
}

Exit run_status(const Options& options) {
    HttpsClient client = make_client(options.server);
    HttpRequest request;
    request.path = "/v1/status";
    const boost::json::value status = accepted_json(client.call(request));
    if (options.is_json || !status.is_object()) {
        print(boost::json::serialize(status));
        return Exit::done;
    }
    for (const auto& member : status.get_object()) {
        print(std::string(member.key()) + ": " + line_of(member.value()));
    }
    return Exit::done;
}

}  // namespace

void add_status(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("status", "Ask a running vault how it is");
    verb.add_flag("--json", options->is_json, "The whole answer as JSON");
    add_server_options(verb, options->server);
    add_example(verb, "oubliette status --ca keys/ca.pem --key-file keys/key_operator.key");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_status(*options); }; });
}

}  // namespace oubliette::tools
