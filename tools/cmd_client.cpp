#include <CLI/CLI.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string id;
    std::vector<std::string> roles;
    std::string recipient;
    std::string output;
    bool is_json = false;
};

std::string joined(const boost::json::value* roles) {
    std::string text;
    if (roles == nullptr || !roles->is_array()) return text;
    for (const boost::json::value& role : roles->get_array()) {
        if (!role.is_string()) continue;
        if (!text.empty()) text.push_back(',');
        text += std::string(role.get_string());
    }
    return text;
}

Exit run_enrol(const Options& options) {
    boost::json::object body{{"id", options.id}};
    body["roles"] = boost::json::array(options.roles.begin(), options.roles.end());
    if (!options.recipient.empty()) body["recipient"] = options.recipient;
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/clients";
    request.body = boost::json::serialize(body);
    HttpsClient client = make_client(options.server);
    // Before anything is enrolled: a key that cannot be kept would be lost.
    if (!options.output.empty()) create_file(options.output, "", 0600);
    boost::json::value answer;
    std::string key;
    try {
        answer = accepted_json(client.call(request));
        key = string_member(answer, "key");
        if (key.empty()) throw CommandError(Exit::failed, "the vault's answer holds no key");
        if (!options.output.empty()) replace_file(options.output, key + "\n", 0600);
    } catch (...) {
        if (!options.output.empty() && key.empty()) (void)std::remove(options.output.c_str());
        throw;
    }
    if (!options.output.empty()) answer.as_object().erase("key");
    if (options.is_json) {
        print(boost::json::serialize(answer));
    } else if (options.output.empty()) {
        say("the key of " + options.id + ", shown this once:");
        print(key);
    } else {
        say("the key of " + options.id + " is in " + options.output);
    }
    return Exit::done;
}

Exit run_list(const Options& options) {
    HttpRequest request;
    request.path = "/v1/clients";
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(request));
    const auto* const object = answer.if_object();
    const auto* const clients = object == nullptr ? nullptr : object->if_contains("clients");
    if (options.is_json || clients == nullptr || !clients->is_array()) {
        print(boost::json::serialize(answer));
        return Exit::done;
    }
    for (const boost::json::value& entry : clients->get_array()) {
        const auto* const roles =
            entry.is_object() ? entry.get_object().if_contains("roles") : nullptr;
        print(string_member(entry, "id") + "\t" + joined(roles) + "\t" +
              string_member(entry, "recipient"));
    }
    return Exit::done;
}

Exit run_revoke(const Options& options) {
    HttpRequest request;
    request.method = HttpMethod::delete_;
    request.path = "/v1/clients/" + percent_encode(options.id);
    HttpsClient client = make_client(options.server);
    expect_accepted(client.call(request));
    if (options.is_json) {
        print(boost::json::serialize(boost::json::object{{"id", options.id}, {"revoked", true}}));
    } else {
        say("client " + options.id + " is revoked");
    }
    return Exit::done;
}

CLI::App& add_action(CLI::App& parent, const char* name, const char* words, Options& options) {
    CLI::App& action = *parent.add_subcommand(name, words);
    action.add_flag("--json", options.is_json, "The answer as JSON");
    add_server_options(action, options.server);
    return action;
}

}  // namespace

void add_client(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("client", "Who may call the vault");
    verb.require_subcommand(1);

    CLI::App& enrol = add_action(verb, "enrol", "Enrol a client and get its key", *options);
    enrol.add_option("ID", options->id, "Name of the client")->required();
    enrol.add_option("--role", options->roles, "Role: app, auditor, ...; may be repeated")
        ->required()
        ->take_all();
    enrol.add_option("--recipient", options->recipient, "Recipient of the policy it acts for");
    enrol.add_option("--out", options->output, "File to make for the key (default: stdout)");
    add_example(enrol,
                "oubliette client enrol shop --role app --recipient web --out shop.key \\\n"
                "    --key-file keys/policy_admin.key");
    enrol.final_callback(
        [options, &chosen] { chosen = [options] { return run_enrol(*options); }; });

    CLI::App& list = add_action(verb, "list", "List clients", *options);
    add_example(list, "oubliette client list --key-file keys/policy_admin.key");
    list.final_callback([options, &chosen] { chosen = [options] { return run_list(*options); }; });

    CLI::App& revoke = add_action(verb, "revoke", "Revoke a client at once", *options);
    revoke.add_option("ID", options->id, "Name of the client")->required();
    add_example(revoke, "oubliette client revoke shop --key-file keys/policy_admin.key");
    revoke.final_callback(
        [options, &chosen] { chosen = [options] { return run_revoke(*options); }; });
}

}  // namespace oubliette::tools
