#include <CLI/CLI.hpp>

#include "tools/cut_off_command.hpp"

namespace oubliette::tools {

namespace {

Exit run_cut_off_recipient(const CutOffOptions& options) {
    HttpRequest request;
    request.method = HttpMethod::delete_;
    request.path = "/v1/recipients/" + percent_encode(options.name) + "/tokens";
    return run_cut_off(options, request, "all tokens of recipient " + options.name);
}

}  // namespace

void add_recipient(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<CutOffOptions>();
    CLI::App& verb = *program.add_subcommand("recipient", "Whom the policy lets receive data");
    verb.require_subcommand(1);
    CLI::App& cut_off =
        *verb.add_subcommand("cut-off", "Destroy all tokens a recipient was ever given");
    cut_off.add_option("NAME", options->name, "Name of the recipient in the policy")->required();
    add_cut_off_options(cut_off, *options);
    add_example(cut_off, "oubliette recipient cut-off shop --key-file keys/policy_admin.key");
    cut_off.final_callback(
        [options, &chosen] { chosen = [options] { return run_cut_off_recipient(*options); }; });
}

}  // namespace oubliette::tools
