#include <CLI/CLI.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string key;
    bool is_json = false;
};

Exit run_rotate(const Options& options) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/keys/rotate";
    request.body = boost::json::serialize(boost::json::object{{"key", options.key}});
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(request));
    if (options.is_json) {
        print(boost::json::serialize(answer));
        return Exit::done;
    }
    for (const auto& member : answer.as_object()) {
        const bool is_text = member.value().is_string();
        print(std::string(member.key()) + ": " +
              (is_text ? std::string(member.value().get_string())
                       : boost::json::serialize(member.value())));
    }
    return Exit::done;
}

}  // namespace

void add_rotate(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("rotate", "Put a fresh key in place of one in use");
    verb.add_option("KEY", options->key,
                    "anchor: every keeper's (daily by itself); bank: new people get their keys "
                    "from a fresh seed; audit: the log's signing key")
        ->required()
        ->check(CLI::IsMember({"anchor", "bank", "audit"}));
    verb.add_flag("--json", options->is_json, "The answer as JSON");
    add_server_options(verb, options->server);
    add_example(verb, "oubliette rotate bank --key-file keys/key_operator.key");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_rotate(*options); }; });
}

}  // namespace oubliette::tools
