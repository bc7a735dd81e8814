#include <CLI/CLI.hpp>

#include "tools/cut_off_command.hpp"

namespace oubliette::tools {

namespace {

Exit run_cut_off_region(const CutOffOptions& options) {
    HttpRequest request;
    request.method = HttpMethod::delete_;
    request.path = "/v1/regions/" + percent_encode(options.name) + "/key";
    return run_cut_off(options, request, "all values of home region " + options.name);
}

}  // namespace

void add_region(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<CutOffOptions>();
    CLI::App& verb = *program.add_subcommand("region", "Where people are at home");
    verb.require_subcommand(1);
    CLI::App& cut_off =
        *verb.add_subcommand("cut-off", "Destroy all values of the people of a home region");
    cut_off.add_option("NAME", options->name, "Name of the region in the policy")->required();
    add_cut_off_options(cut_off, *options);
    add_example(cut_off, "oubliette region cut-off eu --key-file keys/key_operator.key");
    cut_off.final_callback(
        [options, &chosen] { chosen = [options] { return run_cut_off_region(*options); }; });
}

}  // namespace oubliette::tools
