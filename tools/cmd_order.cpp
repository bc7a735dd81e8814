#include <CLI/CLI.hpp>

#include "tools/exception_command.hpp"

namespace oubliette::tools {

namespace {

struct Options : ExceptionOptions {
    std::string basis;
    std::string authority;
    std::string country;
    std::string expires;
    std::string paper;
    std::string permit;
    std::string evidence;
    std::vector<std::string> subjects;
    std::vector<std::string> fields;
    bool is_public = false;
};

std::string path_of(const Options& options, const char* act) {
    return "/v1/orders/" + percent_encode(options.id) + "/" + act;
}

Exit run_open(const Options& options) {
    boost::json::object body{{"basis", options.basis}, {"authority", options.authority}};
    put_text(body, "country", options.country);
    put_text(body, "expires", options.expires);
    put_text(body, "paper_sha256", options.paper);
    put_text(body, "permit_sha256", options.permit);
    put_texts(body, "subjects", options.subjects);
    put_texts(body, "fields", options.fields);
    if (options.is_public) body["public"] = true;
    return send_exception(options, "/v1/orders", body);
}

void add_open_options(CLI::App& open, Options& options) {
    open.add_option("--basis", options.basis, "An order rule of the policy")->required();
    open.add_option("--authority", options.authority, "Who demands it")->required();
    open.add_option("--subject", options.subjects, "Whom it covers; may be repeated")
        ->required()
        ->take_all();
    open.add_option("--field", options.fields, "What it covers; may be repeated")
        ->required()
        ->take_all();
    open.add_option("--expires", options.expires,
                    "Its end, 2026-12-31T12:00:00Z (default: as late as the policy allows)");
    open.add_option("--paper-sha256", options.paper, "SHA-256 of the paper, hex");
    open.add_option("--permit-sha256", options.permit, "SHA-256 of the regulator's permit, hex");
    open.add_option("--country", options.country, "Of an authority abroad, like DE");
    open.add_flag("--public", options.is_public, "It will be published: one more approval");
}

// An act that needs nothing but the id.
void add_act(CLI::App& verb, const std::shared_ptr<Options>& options, Run& chosen, const char* name,
             const char* words) {
    CLI::App& act = add_exception_verb(verb, name, words, *options);
    act.add_option("ID", options->id, "Id of the order")->required();
    add_example(act, std::string{"oubliette order "} + name + " or_... --key-file keys/legal.key");
    act.final_callback([options, &chosen, name] {
        chosen = [options, name] { return send_exception(*options, path_of(*options, name), {}); };
    });
}

}  // namespace

void add_order(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *program.add_subcommand("order", "Disclosure orders of authorities, and break-glass");
    verb.require_subcommand(1);

    CLI::App& open = add_exception_verb(verb, "open", "Open an order", *options);
    add_open_options(open, *options);
    add_example(open,
                "oubliette order open --basis criminal_case --authority \"district court\" \\\n"
                "    --subject c-1 --field real_name --paper-sha256 $(sha256sum < order.pdf | "
                "cut -c-64) \\\n    --key-file keys/privacy_officer.key");
    open.final_callback([options, &chosen] { chosen = [options] { return run_open(*options); }; });

    CLI::App& list = add_exception_verb(verb, "list", "List orders", *options);
    add_example(list, "oubliette order list --key-file keys/privacy_officer.key");
    list.final_callback([options, &chosen] {
        chosen = [options] {
            return list_exceptions(*options, "/v1/orders", "orders",
                                   {"basis", "expires", "notice_due"});
        };
    });
    add_act(verb, options, chosen, "approve", "Approve an order");
    add_act(verb, options, chosen, "close", "End an order for good");

    CLI::App& notice =
        add_exception_verb(verb, "notice", "Record that the person was told", *options);
    notice.add_option("ID", options->id, "Id of the order")->required();
    notice
        .add_option("--evidence-sha256", options->evidence, "SHA-256 of what they were told, hex")
        ->required();
    add_example(notice,
                "oubliette order notice or_... --evidence-sha256 HEX --key-file "
                "keys/privacy_officer.key");
    notice.final_callback([options, &chosen] {
        chosen = [options] {
            return send_exception(*options, path_of(*options, "notice"),
                                  {{"evidence_sha256", options->evidence}});
        };
    });
}

}  // namespace oubliette::tools
