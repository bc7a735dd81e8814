#include <CLI/CLI.hpp>

#include <boost/json/serialize.hpp>

#include "tools/cut_off_command.hpp"

namespace oubliette::tools {

namespace {

Exit run_cut_off_recipient(const CutOffOptions& options) {
    HttpRequest request;
    request.method = HttpMethod::delete_;
    request.path = "/v1/recipients/" + percent_encode(options.name) + "/tokens";
    return run_cut_off(options, request, "all tokens of recipient " + options.name);
}

struct StandingOptions {
    ServerOptions server;
    std::string name;
};

Exit run_standing(const StandingOptions& options, const char* what) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/recipients/" + percent_encode(options.name) + "/" + what;
    request.body = "{}";
    HttpsClient client = make_client(options.server);
    expect_accepted(client.call(request));
    say("recipient " + options.name + (what[0] == 's' ? " is suspended" : " may receive again"));
    return Exit::done;
}

Exit run_list(const StandingOptions& options) {
    HttpRequest request;
    request.path = "/v1/recipients";
    HttpsClient client = make_client(options.server);
    print(boost::json::serialize(accepted_json(client.call(request))));
    return Exit::done;
}

void add_standing(CLI::App& verb, Run& chosen) {
    auto options = std::make_shared<StandingOptions>();
    CLI::App& suspend =
        *verb.add_subcommand("suspend", "Refuse a recipient everything, from the next request on");
    suspend.add_option("NAME", options->name, "Name of the recipient in the policy")->required();
    add_server_options(suspend, options->server);
    add_example(suspend, "oubliette recipient suspend shop --key-file keys/policy_admin.key");
    suspend.final_callback(
        [options, &chosen] { chosen = [options] { return run_standing(*options, "suspend"); }; });

    CLI::App& resume = *verb.add_subcommand("resume", "End a suspension");
    resume.add_option("NAME", options->name, "Name of the recipient in the policy")->required();
    add_server_options(resume, options->server);
    add_example(resume, "oubliette recipient resume shop --key-file keys/policy_admin.key");
    resume.final_callback(
        [options, &chosen] { chosen = [options] { return run_standing(*options, "resume"); }; });

    CLI::App& list = *verb.add_subcommand("list", "All recipients and how they stand");
    add_server_options(list, options->server);
    add_example(list, "oubliette recipient list --key-file keys/auditor.key");
    list.final_callback([options, &chosen] { chosen = [options] { return run_list(*options); }; });
}

}  // namespace

void add_recipient(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<CutOffOptions>();
    CLI::App& verb = *program.add_subcommand("recipient", "Whom the policy lets receive data");
    verb.require_subcommand(1);
    add_standing(verb, chosen);
    CLI::App& cut_off =
        *verb.add_subcommand("cut-off", "Destroy all tokens a recipient was ever given");
    cut_off.add_option("NAME", options->name, "Name of the recipient in the policy")->required();
    add_cut_off_options(cut_off, *options);
    add_example(cut_off, "oubliette recipient cut-off shop --key-file keys/policy_admin.key");
    cut_off.final_callback(
        [options, &chosen] { chosen = [options] { return run_cut_off_recipient(*options); }; });
}

}  // namespace oubliette::tools
