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
    std::string output;
    bool is_json = false;
    // open
    std::string type;
    std::string subject;
    std::string ground;
    std::string channel = "web";
    std::string slot;
    std::string purpose;
    std::vector<std::string> fields;
    // verify
    std::string method;
    std::string field;
    std::string code;
    std::string value;
    // refuse, verify
    std::string evidence;
    bool fee_settled = false;
};

std::string path_of(const Options& options, std::string_view step) {
    std::string path = "/v1/requests/" + percent_encode(options.id);
    return step.empty() ? path : path + "/" + std::string{step};
}

// Those that were given.
void add_texts(boost::json::object& body,
               std::initializer_list<std::pair<std::string_view, const std::string*>> texts) {
    for (const auto& [name, text] : texts) {
        if (!text->empty()) body[name] = *text;
    }
}

HttpAnswer send(const Options& options, HttpMethod method, std::string path,
                const boost::json::object& body = {}) {
    HttpRequest request;
    request.method = method;
    request.path = std::move(path);
    if (method == HttpMethod::post) request.body = boost::json::serialize(body);
    HttpsClient client = make_client(options.server);
    return client.call(request);
}

// Id, type, state and what is next, of one request.
void print_request(const boost::json::value& request) {
    print(string_member(request, "id") + "\t" + string_member(request, "type") + "\t" +
          string_member(request, "state") + "\t" + string_member(request, "due"));
}

// The request itself, or the one inside an answer about it.
const boost::json::value& request_in(const boost::json::value& answer) {
    const auto* const members = answer.if_object();
    const auto* const inside = members == nullptr ? nullptr : members->if_contains("request");
    return inside != nullptr && inside->is_object() ? *inside : answer;
}

Exit show(const Options& options, const HttpAnswer& answer) {
    const boost::json::value json = accepted_json(answer);
    if (!options.output.empty()) create_file(options.output, answer.body + "\n", 0600);
    if (options.is_json) {
        print(answer.body);
    } else {
        print_request(request_in(json));
        const std::string code = string_member(json, "code");
        if (!code.empty()) print("code\t" + code);
    }
    if (answer.status != 202) return Exit::done;
    say("the vault finishes it by itself; see `oubliette request show`");
    return Exit::not_final;
}

Exit run_open(const Options& options) {
    boost::json::object body{{"type", options.type}, {"subject", options.subject}};
    add_texts(body, {{"ground", &options.ground},
                     {"channel", &options.channel},
                     {"slot", &options.slot},
                     {"purpose", &options.purpose}});
    if (!options.fields.empty()) {
        boost::json::array fields;
        for (const std::string& field : options.fields) fields.emplace_back(field);
        body["fields"] = std::move(fields);
    }
    return show(options, send(options, HttpMethod::post, "/v1/requests", body));
}

Exit run_verify(const Options& options) {
    boost::json::object body{{"method", options.method}};
    add_texts(body, {{"field", &options.field},
                     {"code", &options.code},
                     {"value", &options.value},
                     {"evidence_sha256", &options.evidence}});
    return show(options, send(options, HttpMethod::post, path_of(options, "verify"), body));
}

Exit run_accept(const Options& options) {
    boost::json::object body;
    if (options.fee_settled) body["fee_settled"] = true;
    return show(options, send(options, HttpMethod::post, path_of(options, "accept"), body));
}

Exit run_refuse(const Options& options) {
    const boost::json::object body{{"code", options.code}, {"evidence_sha256", options.evidence}};
    return show(options, send(options, HttpMethod::post, path_of(options, "refuse"), body));
}

// name=value, as often as given.
Exit run_execute(const Options& options) {
    boost::json::object body;
    boost::json::object fields;
    for (const std::string& pair : options.fields) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos) {
            throw CommandError(Exit::usage, "--field takes NAME=VALUE");
        }
        fields[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    if (!fields.empty()) body["fields"] = std::move(fields);
    return show(options, send(options, HttpMethod::post, path_of(options, "execute"), body));
}

Exit run_step(const Options& options, std::string_view step) {
    return show(options, send(options, HttpMethod::post, path_of(options, step)));
}

// What is one document: the whole of it on stdout, or in a file.
Exit run_document(const Options& options, std::string_view step) {
    const HttpAnswer answer = send(options, HttpMethod::get, path_of(options, step));
    expect_accepted(answer);
    if (options.output.empty()) {
        print(answer.body);
    } else {
        create_file(options.output, answer.body + "\n", 0600);
        say("written to " + options.output);
    }
    return Exit::done;
}

Exit run_list(const Options& options) {
    std::string after;
    do {
        const std::string path =
            after.empty() ? "/v1/requests" : "/v1/requests?after=" + percent_encode(after);
        const HttpAnswer answer = send(options, HttpMethod::get, path);
        const boost::json::value page = accepted_json(answer);
        const auto& requests = page.as_object().at("requests").as_array();
        for (const boost::json::value& request : requests) {
            if (options.is_json) {
                print(boost::json::serialize(request));
            } else {
                print_request(request);
            }
        }
        after = string_member(page, "next");
    } while (!after.empty());
    return Exit::done;
}

using OptionsPtr = std::shared_ptr<Options>;

// A verb below `request` that acts on one request.
CLI::App& add_step(CLI::App& verb, const OptionsPtr& options, const char* name, const char* help,
                   bool needs_id = true) {
    CLI::App& step = *verb.add_subcommand(name, help);
    if (needs_id) step.add_option("ID", options->id, "Id of the request")->required();
    step.add_flag("--json", options->is_json, "The whole answer on stdout");
    add_server_options(step, options->server);
    return step;
}

template <class Act>
void run_with(CLI::App& step, const OptionsPtr& options, Run& chosen, Act act) {
    step.final_callback(
        [options, &chosen, act] { chosen = [options, act] { return act(*options); }; });
}

void add_open(CLI::App& verb, const OptionsPtr& options, Run& chosen) {
    CLI::App& step = add_step(verb, options, "open", "A person asks for something", false);
    step.add_option("TYPE", options->type,
                    "access, portability, rectification, erasure, restriction, lift_restriction, "
                    "objection, withdraw, explain, pause or resume")
        ->required()
        ->check(CLI::IsMember({"access", "portability", "rectification", "erasure", "restriction",
                               "lift_restriction", "objection", "withdraw", "explain", "pause",
                               "resume"}));
    step.add_option("SUBJECT", options->subject, "The application's id of the person")->required();
    step.add_option("--ground", options->ground, "Why");
    step.add_option("--channel", options->channel, "How it came")->capture_default_str();
    step.add_option("--slot", options->slot, "Consent slot, for withdraw");
    step.add_option("--purpose", options->purpose, "Purpose, for objection");
    step.add_option("--field", options->fields, "Field that is wrong, for rectification");
    add_example(step, "oubliette request open access c-1 --key-file keys/privacy_officer.key");
    run_with(step, options, chosen, run_open);
}

void add_verify(CLI::App& verb, const OptionsPtr& options, Run& chosen) {
    CLI::App& step = add_step(verb, options, "verify", "Prove who asks");
    step.add_option("METHOD", options->method, "session, code, match or document")->required();
    step.add_option("--field", options->field, "Stored contact or value");
    step.add_option("--code", options->code,
                    "The code that the person got; without it one is made");
    step.add_option("--value", options->value, "What the person says, for match");
    step.add_option("--evidence-sha256", options->evidence, "Of the paper, for document");
    run_with(step, options, chosen, run_verify);
}

void add_decisions(CLI::App& verb, const OptionsPtr& options, Run& chosen) {
    CLI::App& accept = add_step(verb, options, "accept", "Accept what is proved");
    accept.add_flag("--fee-settled", options->fee_settled, "Beyond the free requests of a year");
    run_with(accept, options, chosen, run_accept);
    CLI::App& refuse = add_step(verb, options, "refuse", "Refuse with a reason of the list");
    refuse.add_option("--code", options->code, "Reason, from the policy's list")->required();
    refuse.add_option("--evidence-sha256", options->evidence, "Of what shows it")->required();
    run_with(refuse, options, chosen, run_refuse);
    const std::pair<const char*, const char*> steps[] = {
        {"extend", "Extend the time for the answer, once"},
        {"withdraw", "The person takes it back"}};
    for (const auto& [name, help] : steps) {
        CLI::App& step = add_step(verb, options, name, help);
        run_with(step, options, chosen, [name = std::string_view{name}](const Options& given) {
            return run_step(given, name);
        });
    }
    CLI::App& execute = add_step(verb, options, "execute", "Do what was asked");
    execute.add_option("--field", options->fields, "NAME=VALUE that is right, for rectification");
    execute.add_option("--out", options->output,
                       "File to make with the whole answer (`r` of an erasure is given only once)");
    run_with(execute, options, chosen, run_execute);
}

void add_documents(CLI::App& verb, const OptionsPtr& options, Run& chosen) {
    struct Document {
        const char* name;
        const char* step;
        const char* help;
    };
    const Document documents[] = {{"show", "", "One request"},
                                  {"plan", "plan", "What executing would do"},
                                  {"certificate", "certificate", "What was done, with the receipt"},
                                  {"package", "package", "What is held on the person; given once"}};
    for (const Document& document : documents) {
        CLI::App& step = add_step(verb, options, document.name, document.help);
        step.add_option("--out", options->output, "File to make instead of stdout");
        run_with(step, options, chosen,
                 [name = std::string_view{document.step}](const Options& given) {
                     return run_document(given, name);
                 });
    }
    CLI::App& list = add_step(verb, options, "list", "All requests", false);
    run_with(list, options, chosen, run_list);
}

}  // namespace

void add_request(CLI::App& program, Run& chosen) {
    const auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("request", "What people ask of the vault");
    verb.require_subcommand(1);
    add_open(verb, options, chosen);
    add_verify(verb, options, chosen);
    add_decisions(verb, options, chosen);
    add_documents(verb, options, chosen);
}

}  // namespace oubliette::tools
