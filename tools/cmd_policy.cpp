#include <CLI/CLI.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string file;
    bool is_json = false;
};

HttpAnswer post_policy(const Options& options, const std::string& path) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = path;
    request.body = read_file(options.file);
    HttpsClient client = make_client(options.server);
    return client.call(request);
}

// {"findings":[{"code","where","text"}...]}: one line per finding.
std::size_t print_findings(const boost::json::value& answer) {
    const auto* const object = answer.if_object();
    const auto* const findings = object == nullptr ? nullptr : object->if_contains("findings");
    if (findings == nullptr || !findings->is_array()) return 0;
    for (const boost::json::value& finding : findings->get_array()) {
        print(string_member(finding, "code") + " " + string_member(finding, "where") + ": " +
              string_member(finding, "text"));
    }
    return findings->get_array().size();
}

Exit run_lint(const Options& options) {
    const boost::json::value answer = accepted_json(post_policy(options, "/v1/policy/lint"));
    std::size_t count = 0;
    if (options.is_json) {
        print(boost::json::serialize(answer));
        const auto* const object = answer.if_object();
        const auto* const findings = object == nullptr ? nullptr : object->if_contains("findings");
        if (findings != nullptr && findings->is_array()) count = findings->get_array().size();
    } else {
        count = print_findings(answer);
        say(count == 0 ? options.file + " has no findings"
                       : options.file + " has " + std::to_string(count) + " findings");
    }
    return count == 0 ? Exit::done : Exit::items_refused;
}

Exit run_publish(const Options& options) {
    const HttpAnswer answer = post_policy(options, "/v1/policy/publish");
    const boost::json::value published = accepted_json(answer);
    if (options.is_json) {
        print(boost::json::serialize(published));
    } else {
        say(options.file + " is published");
    }
    return Exit::done;
}

CLI::App& add_action(CLI::App& parent, const char* name, const char* words,
                     const std::shared_ptr<Options>& options) {
    CLI::App& action = *parent.add_subcommand(name, words);
    action.add_option("FILE", options->file, "Policy document, JSON")->required();
    action.add_flag("--json", options->is_json, "The answer as JSON");
    add_server_options(action, options->server);
    return action;
}

}  // namespace

void add_policy(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("policy", "Check and publish the policy document");
    verb.require_subcommand(1);

    CLI::App& lint = add_action(verb, "lint", "Look for mistakes; publishes nothing", options);
    add_example(lint, "oubliette policy lint policy.json --key-file keys/policy_admin.key");
    lint.final_callback([options, &chosen] { chosen = [options] { return run_lint(*options); }; });

    CLI::App& publish = add_action(verb, "publish", "Put a new version into force", options);
    add_example(publish, "oubliette policy publish policy.json --key-file keys/policy_admin.key");
    publish.final_callback(
        [options, &chosen] { chosen = [options] { return run_publish(*options); }; });
}

}  // namespace oubliette::tools
