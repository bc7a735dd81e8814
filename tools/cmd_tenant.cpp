#include <CLI/CLI.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/cut_off_command.hpp"

namespace oubliette::tools {

namespace {

Exit run_exit(const CutOffOptions& options) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/tenant/exit";
    request.body = boost::json::serialize(boost::json::object{{"tenant", options.name}});
    return run_cut_off(options, request, "everything of tenant " + options.name);
}

}  // namespace

void add_tenant(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<CutOffOptions>();
    CLI::App& verb = *program.add_subcommand("tenant", "The tenant as a whole");
    verb.require_subcommand(1);
    CLI::App& exit = *verb.add_subcommand(
        "exit", "Destroy everything: people, values, tokens and clients, in all backups too");
    exit.add_option("NAME", options->name, "Name of the tenant")->required();
    add_cut_off_options(exit, *options);
    add_example(exit,
                "oubliette tenant exit example --out exit.receipt.json \\\n"
                "    --key-file keys/key_operator.key");
    exit.final_callback([options, &chosen] { chosen = [options] { return run_exit(*options); }; });
}

}  // namespace oubliette::tools
