#include <CLI/CLI.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "tools/commands.hpp"
#include "tools/durable_file.hpp"

// Impact assessments of purposes, and the count of people whose data went abroad.

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string purpose;
    std::string risk;
    std::string paper;
};

Exit call_and_print(const Options& options, HttpRequest request) {
    HttpsClient client = make_client(options.server);
    print(boost::json::serialize(accepted_json(client.call(request))));
    return Exit::done;
}

Exit run_record(const Options& options) {
    const std::string paper = read_file(options.paper);
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/assessments";
    request.body = boost::json::serialize(boost::json::object{
        {"purpose", options.purpose},
        {"risk", options.risk},
        {"paper_sha256", crypto::hex_encode(crypto::sha256({bytes_of(paper)}))}});
    return call_and_print(options, std::move(request));
}

Exit run_approve(const Options& options) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/assessments/" + percent_encode(options.purpose) + "/approve";
    request.body = "{}";
    return call_and_print(options, std::move(request));
}

Exit run_get(const Options& options, const char* path) {
    HttpRequest request;
    request.path = path;
    return call_and_print(options, std::move(request));
}

}  // namespace

void add_assessment(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *program.add_subcommand("assessment", "Impact assessments of the policy's purposes");
    verb.require_subcommand(1);

    CLI::App& record = *verb.add_subcommand("record", "Record what an assessment found");
    record.add_option("PURPOSE", options->purpose, "Name in the policy")->required();
    record.add_option("--risk", options->risk, "low or high; high blocks the purpose")
        ->required()
        ->check(CLI::IsMember({"low", "high"}));
    record.add_option("--paper", options->paper, "The assessment; only its hash is kept")
        ->required();
    add_server_options(record, options->server);
    add_example(record, "oubliette assessment record promote --risk high --paper pia.pdf");
    record.final_callback(
        [options, &chosen] { chosen = [options] { return run_record(*options); }; });

    CLI::App& approve = *verb.add_subcommand("approve", "Let a purpose work in spite of its risk");
    approve.add_option("PURPOSE", options->purpose, "Name in the policy")->required();
    add_server_options(approve, options->server);
    add_example(approve, "oubliette assessment approve promote --key-file keys/legal.key");
    approve.final_callback(
        [options, &chosen] { chosen = [options] { return run_approve(*options); }; });

    CLI::App& list = *verb.add_subcommand("list", "All assessments on record");
    add_server_options(list, options->server);
    add_example(list, "oubliette assessment list");
    list.final_callback([options, &chosen] {
        chosen = [options] { return run_get(*options, "/v1/assessments"); };
    });
}

void add_report(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("report", "What regulators ask for");
    verb.require_subcommand(1);
    CLI::App& exports =
        *verb.add_subcommand("exports", "People whose data went abroad, by receiver and year");
    add_server_options(exports, options->server);
    add_example(exports, "oubliette report exports --key-file keys/auditor.key");
    exports.final_callback([options, &chosen] {
        chosen = [options] { return run_get(*options, "/v1/reports/exports"); };
    });
}

}  // namespace oubliette::tools
