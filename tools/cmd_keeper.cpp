#include <CLI/CLI.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/confirmation.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string id;
    std::string directory;
    std::string replaces;
    std::string confirm;
    unsigned wait_s = 60;
    bool is_lost = false;
    bool is_json = false;
};

bool flag(const boost::json::value& object, const char* name) {
    const auto* const members = object.if_object();
    const auto* const found = members == nullptr ? nullptr : members->if_contains(name);
    return found != nullptr && found->is_bool() && found->get_bool();
}

std::string number(const boost::json::value& object, const char* name) {
    const auto* const members = object.if_object();
    const auto* const found = members == nullptr ? nullptr : members->if_contains(name);
    return found == nullptr ? std::string{} : boost::json::serialize(*found);
}

HttpRequest post(const std::string& path, const boost::json::object& body) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = path;
    request.body = boost::json::serialize(body);
    return request;
}

Exit run_list(const Options& options) {
    HttpRequest request;
    request.path = "/v1/keepers";
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(request));
    const auto* const object = answer.if_object();
    const auto* const keepers = object == nullptr ? nullptr : object->if_contains("keepers");
    if (options.is_json || keepers == nullptr || !keepers->is_array()) {
        print(boost::json::serialize(answer));
        return Exit::done;
    }
    for (const boost::json::value& keeper : keepers->get_array()) {
        const std::string id = string_member(keeper, "id");
        print((id.empty() ? std::string{"unknown id"} : id) + "\t" +
              string_member(keeper, "state") + "\t" +
              (flag(keeper, "online") ? "online" : "offline") + "\tepoch " +
              number(keeper, "epoch") + "\t" + string_member(keeper, "directory"));
        const std::string trouble = string_member(keeper, "trouble");
        if (!trouble.empty()) say("  " + trouble);
    }
    return Exit::done;
}

Exit run_enrol(const Options& options) {
    boost::json::object body{{"directory", options.directory}};
    if (!options.replaces.empty()) body["replaces"] = options.replaces;
    HttpRequest request = post("/v1/keepers", body);
    request.prefer = "wait=" + std::to_string(options.wait_s);
    HttpsClient client = make_client(options.server);
    const HttpAnswer answer = client.call(request);
    const boost::json::value keeper = accepted_json(answer);
    if (options.is_json) {
        print(boost::json::serialize(keeper));
    } else {
        print(string_member(keeper, "id") + " " + string_member(keeper, "state"));
    }
    if (answer.status != 202) return Exit::done;
    say("registered, and still being filled: erasures wait for it; see `oubliette keeper list`");
    return Exit::not_final;
}

Exit run_expel(const Options& options) {
    confirm_typed(options.id, options.confirm,
                  "An expelled keeper never comes back. Type its id again to expel it");
    HttpRequest request;
    request.method = HttpMethod::delete_;
    request.path = "/v1/keepers/" + percent_encode(options.id);
    if (options.is_lost) request.path += "?lost=true";
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(request));
    if (options.is_json) print(boost::json::serialize(answer));
    const bool is_destroyed = flag(answer, "destroyed");
    if (!options.is_json) {
        print(options.id + " expelled" + (is_destroyed ? ", its anchors are overwritten" : ""));
    }
    if (!is_destroyed) {
        say("whoever finds it, and has the seal, can read what was alive when it was last there: "
            "destroy its disk");
    }
    if (options.is_lost && !flag(answer, "new_bank")) {
        say("a keeper is away: new people are taken in again when all keepers are there");
    }
    return Exit::done;
}

Exit run_scrub(const Options& options) {
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(post("/v1/keepers/scrub", {})));
    if (options.is_json) {
        print(boost::json::serialize(answer));
    } else {
        print(number(answer, "pages") + " pages read, " + number(answer, "repaired") +
              " repaired since the start, " + number(answer, "unrepairable") + " unrepairable");
    }
    return number(answer, "unrepairable") == "0" ? Exit::done : Exit::failed;
}

CLI::App& add_action(CLI::App& parent, const char* name, const char* words, Options& options) {
    CLI::App& action = *parent.add_subcommand(name, words);
    action.add_flag("--json", options.is_json, "The answer as JSON");
    add_server_options(action, options.server);
    return action;
}

}  // namespace

void add_keeper(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("keeper", "Who keeps the keys");
    verb.require_subcommand(1);

    CLI::App& list = add_action(verb, "list", "List keepers, the expelled ones too", *options);
    add_example(list, "oubliette keeper list --key-file keys/key_operator.key");
    list.final_callback([options, &chosen] { chosen = [options] { return run_list(*options); }; });

    CLI::App& enrol = add_action(verb, "enrol", "Make one more keeper and fill it", *options);
    enrol
        .add_option("DIR", options->directory,
                    "Directory on the server, absolute, empty or new, on a disk of its own")
        ->required();
    enrol.add_option("--replaces", options->replaces, "Id of a keeper to expel in the same step");
    enrol.add_option("--wait", options->wait_s, "Seconds to wait until it is filled")
        ->check(CLI::Range(0U, 60U))
        ->capture_default_str();
    add_example(enrol,
                "oubliette keeper enrol /disk3/keeper --key-file keys/key_operator.key\n"
                "  (to replace a keeper that works, enrol first and expel afterwards)");
    enrol.final_callback(
        [options, &chosen] { chosen = [options] { return run_enrol(*options); }; });

    CLI::App& expel = add_action(verb, "expel", "Expel a keeper for ever", *options);
    expel.add_option("ID", options->id, "As `keeper list` shows it")->required();
    expel.add_flag("--lost", options->is_lost, "It is gone for good and cannot be reached");
    expel.add_option("--confirm", options->confirm, "ID once more; without it a terminal is asked");
    add_example(expel,
                "oubliette keeper expel 00112233445566778899aabbccddeeff --lost \\\n"
                "    --key-file keys/key_operator.key");
    expel.final_callback(
        [options, &chosen] { chosen = [options] { return run_expel(*options); }; });

    CLI::App& scrub =
        add_action(verb, "scrub", "Read every page of every keeper now, and repair", *options);
    add_example(scrub, "oubliette keeper scrub --key-file keys/key_operator.key");
    scrub.final_callback(
        [options, &chosen] { chosen = [options] { return run_scrub(*options); }; });
}

}  // namespace oubliette::tools
