#include <CLI/CLI.hpp>
#include <iostream>

#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string input;
    bool is_json = false;
};

// From a file or standard input, never from the command line: other users see that.
std::string read_token(const Options& options) {
    std::string token;
    if (options.input.empty()) {
        std::getline(std::cin, token);
    } else {
        token = read_file(options.input);
    }
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
    if (token.empty()) {
        throw CommandError(Exit::usage, "no token; give one line on standard input, or --in FILE");
    }
    return token;
}

Exit run_inspect(const Options& options) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/tokens/inspect";
    request.body = R"({"token":)";
    append_json_string(request.body, read_token(options));
    request.body += "}";
    HttpsClient client = make_client(options.server);
    const boost::json::value facts = accepted_json(client.call(request));
    if (options.is_json || !facts.is_object()) {
        print(boost::json::serialize(facts));
        return Exit::done;
    }
    for (const auto& [name, value] : facts.get_object()) {
        const std::string text =
            value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
        print(std::string(name) + ": " + text);
    }
    return Exit::done;
}

}  // namespace

void add_token(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("token", "Tokens, without what they stand for");
    verb.require_subcommand(1);
    CLI::App& inspect =
        *verb.add_subcommand("inspect", "Kind, key, recipient, expiry and state of a token");
    inspect.add_option("--in", options->input, "File with the token; default: standard input");
    inspect.add_flag("--json", options->is_json, "The whole answer as JSON");
    add_server_options(inspect, options->server);
    add_example(inspect, "oubliette token inspect --key-file keys/key_operator.key < token.txt");
    inspect.final_callback(
        [options, &chosen] { chosen = [options] { return run_inspect(*options); }; });
}

}  // namespace oubliette::tools
