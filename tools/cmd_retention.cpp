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
    std::string catch_up;
    std::string confirm;
    bool is_json = false;
    bool is_dry_run = false;
};

std::int64_t integer_member(const boost::json::value& object, std::string_view name) {
    const auto* const members = object.if_object();
    const auto* const value = members == nullptr ? nullptr : members->if_contains(name);
    return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

// Calls `visit` with each element of the array member `name`.
template <class Visit>
void for_each(const boost::json::value& report, std::string_view name, Visit visit) {
    const auto* const members = report.if_object();
    const auto* const list = members == nullptr ? nullptr : members->if_contains(name);
    if (list == nullptr || !list->is_array()) return;
    for (const boost::json::value& item : list->get_array()) visit(item);
}

// category, day, values, and what keeps them.
void print_report(const boost::json::value& report) {
    for_each(report, "days", [](const boost::json::value& day) {
        print(string_member(day, "category") + "\t" + string_member(day, "day") + "\t" +
              std::to_string(integer_member(day, "values")) + "\t" + string_member(day, "blocked"));
    });
    for_each(report, "by_person", [](const boost::json::value& ended) {
        print(string_member(ended, "category") + "\tby person\t" +
              std::to_string(integer_member(ended, "values")) + "\t");
    });
    say("what ended before " + string_member(report, "day_floor") + " goes; today is " +
        string_member(report, "today") + "; " + std::to_string(integer_member(report, "people")) +
        " people looked at");
}

Exit run_sweep(const Options& options) {
    if (!options.catch_up.empty() && !options.is_dry_run) {
        confirm_typed(options.catch_up, options.confirm,
                      "Type the date again to destroy what ended before it");
    }
    boost::json::object body{{"dry_run", options.is_dry_run}};
    if (!options.catch_up.empty()) body["catch_up"] = options.catch_up;
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/retention/run";
    request.body = boost::json::serialize(body);
    HttpsClient client = make_client(options.server);
    const HttpAnswer answer = client.call(request);
    if (problem_code(answer) == "VALUE_INVALID") {
        throw CommandError(Exit::refused,
                           "--catch-up must be a date after the day floor and at least two days "
                           "ago; see `oubliette retention run --dry-run`");
    }
    const boost::json::value report = accepted_json(answer);
    if (options.is_json) {
        print(boost::json::serialize(report));
    } else {
        print_report(report);
    }
    return Exit::done;
}

}  // namespace

void add_retention(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("retention", "What has ended and must go");
    verb.require_subcommand(1);
    CLI::App& run = *verb.add_subcommand(
        "run", "Destroy the keys of values that have ended, as the vault does by itself each day");
    run.add_flag("--dry-run", options->is_dry_run, "Only count what would go, and say why not");
    run.add_option("--catch-up", options->catch_up,
                   "First lift the day floor to this date (2026-11-22), after a long rest; needs "
                   "the key of a key_operator");
    run.add_option("--confirm", options->confirm,
                   "The date of --catch-up once more; without it a terminal is asked");
    run.add_flag("--json", options->is_json, "The report as JSON");
    add_server_options(run, options->server);
    add_example(run, "oubliette retention run --dry-run --key-file keys/privacy_officer.key");
    run.final_callback([options, &chosen] { chosen = [options] { return run_sweep(*options); }; });
}

}  // namespace oubliette::tools
