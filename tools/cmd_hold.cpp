#include <CLI/CLI.hpp>

#include "tools/confirmation.hpp"
#include "tools/exception_command.hpp"

namespace oubliette::tools {

namespace {

struct Options : ExceptionOptions {
    std::string subject;
    std::string ground;
    std::string review;
    std::string law;
    std::string evidence;
    std::string extends;
    std::vector<std::string> categories;
    std::vector<std::string> fields;
    bool bars_telling = false;
};

std::string path_of(const Options& options, const char* act) {
    return "/v1/holds/" + percent_encode(options.id) + "/" + act;
}

Exit run_place(const Options& options) {
    boost::json::object body{{"subject", options.subject}, {"ground", options.ground}};
    put_text(body, "review", options.review);
    put_text(body, "law", options.law);
    put_text(body, "evidence_sha256", options.evidence);
    put_text(body, "extends", options.extends);
    put_texts(body, "categories", options.categories);
    put_texts(body, "fields", options.fields);
    if (options.bars_telling) body["bars_telling"] = true;
    return send_exception(options, "/v1/holds", body);
}

Exit run_release(const Options& options) {
    confirm_typed(options.id, options.confirm,
                  "Type the id again: an erasure that waited for this hold destroys what it kept");
    return send_exception(options, path_of(options, "release"), {});
}

void add_place_options(CLI::App& place, Options& options) {
    place.add_option("SUBJECT", options.subject, "The application's id of the person")->required();
    place.add_option("--ground", options.ground, "A hold rule of the policy")->required();
    place.add_option("--review", options.review, "Date on which it ends, 2026-12-31")->required();
    place.add_option("--category", options.categories, "What it keeps; may be repeated")
        ->take_all();
    place.add_option("--field", options.fields, "The same, field by field; may be repeated")
        ->take_all();
    place.add_option("--law", options.law, "Needed where one person places a hold alone");
    place.add_option("--evidence-sha256", options.evidence, "SHA-256 of the evidence file, hex");
    place.add_option("--extends", options.extends, "Id of the hold that this one goes on from");
    place.add_flag("--bars-telling", options.bars_telling, "The person may not be told");
}

}  // namespace

void add_hold(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("hold", "Legal holds: what must be kept, and why");
    verb.require_subcommand(1);

    CLI::App& place = add_exception_verb(verb, "place", "Place a hold on a person", *options);
    add_place_options(place, *options);
    add_example(place,
                "oubliette hold place c-1 --ground legal_obligation --category orders \\\n"
                "    --review 2026-12-31 --law \"tax code, article 12\" \\\n"
                "    --key-file keys/privacy_officer.key");
    place.final_callback(
        [options, &chosen] { chosen = [options] { return run_place(*options); }; });

    CLI::App& list = add_exception_verb(verb, "list", "List holds", *options);
    add_example(list, "oubliette hold list --key-file keys/privacy_officer.key");
    list.final_callback([options, &chosen] {
        chosen = [options] {
            return list_exceptions(*options, "/v1/holds", "holds", {"ground", "review", "subject"});
        };
    });

    CLI::App& approve = add_exception_verb(verb, "approve", "Approve a hold", *options);
    approve.add_option("ID", options->id, "Id of the hold")->required();
    add_example(approve, "oubliette hold approve ho_... --key-file keys/legal.key");
    approve.final_callback([options, &chosen] {
        chosen = [options] { return send_exception(*options, path_of(*options, "approve"), {}); };
    });

    CLI::App& release = add_exception_verb(
        verb, "release", "Release a hold: what only it kept from erasure is destroyed", *options);
    release.add_option("ID", options->id, "Id of the hold")->required();
    release.add_option("--confirm", options->confirm,
                       "ID once more; without it a terminal is asked");
    add_example(release, "oubliette hold release ho_... --key-file keys/legal.key");
    release.final_callback(
        [options, &chosen] { chosen = [options] { return run_release(*options); }; });
}

}  // namespace oubliette::tools
