#include "tools/cmd_policy_explain.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace oubliette::tools {

namespace {

struct ExplainOptions {
    ServerOptions server;
    std::string subject;
    std::string field;
    std::string purpose;
    std::string recipient;
    std::string at;
    std::string entry;
    bool is_json = false;
};

bool is_number(const std::string& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string number_of(const boost::json::value& object, std::string_view name) {
    const auto* const member = object.get_object().if_contains({name.data(), name.size()});
    return member == nullptr ? "-" : boost::json::serialize(*member);
}

const boost::json::array* array_of(const boost::json::value& answer, std::string_view name) {
    const auto* const object = answer.if_object();
    const auto* const member =
        object == nullptr ? nullptr : object->if_contains({name.data(), name.size()});
    return member == nullptr ? nullptr : member->if_array();
}

bool is_true(const boost::json::value& answer, std::string_view name) {
    const auto* const member = answer.get_object().if_contains({name.data(), name.size()});
    return member != nullptr && member->is_bool() && member->get_bool();
}

boost::json::value ask_replay(const ExplainOptions& options) {
    if (!is_number(options.entry)) throw CommandError(Exit::usage, "--entry takes a number");
    HttpRequest request;
    request.path = "/v1/audit/entries/" + options.entry + "/replay";
    HttpsClient client = make_client(options.server);
    return accepted_json(client.call(request));
}

Exit print_replay(const ExplainOptions& options) {
    const boost::json::value answer = ask_replay(options);
    const bool is_same = is_true(answer, "same");
    if (options.is_json) {
        print(boost::json::serialize(answer));
    } else {
        print("entry " + options.entry + " of " + string_member(answer, "time") + ", " +
              string_member(answer, "action") + ", policy version " +
              number_of(answer, "policy_version"));
        print("recorded " + string_member(answer, "recorded") + ", replayed " +
              string_member(answer, "replayed"));
        for (const boost::json::value& step : *array_of(answer, "steps")) {
            print("step " + number_of(step, "step") + ": " +
                  (is_true(step, "refused") ? "refuses" : "passes") + " (" +
                  string_member(step, "source") + ")");
        }
    }
    say(is_same ? "the same answer" : "another answer: " + string_member(answer, "difference"));
    return is_same ? Exit::done : Exit::not_proven;
}

boost::json::value ask_decide(const ExplainOptions& options) {
    boost::json::object body{
        {"subject", options.subject}, {"field", options.field}, {"purpose", options.purpose}};
    if (!options.recipient.empty()) body["recipient"] = options.recipient;
    if (is_number(options.at) && options.at.size() <= 5) {
        body["version"] = std::stoul(options.at);
    } else if (!options.at.empty()) {
        body["at"] = options.at;
    }
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/decide";
    request.body = boost::json::serialize(body);
    HttpsClient client = make_client(options.server);
    return accepted_json(client.call(request));
}

Exit print_decision(const ExplainOptions& options) {
    const boost::json::value answer = ask_decide(options);
    const bool is_allowed = is_true(answer, "allowed");
    if (options.is_json) {
        print(boost::json::serialize(answer));
        return is_allowed ? Exit::done : Exit::refused;
    }
    print(
        (is_allowed ? "allowed as " + string_member(answer, "transform") : std::string{"refused"}) +
        " under policy version " + number_of(answer, "policy_version"));
    const auto* const reasons = array_of(answer, "reasons");
    if (reasons == nullptr) return is_allowed ? Exit::done : Exit::refused;
    for (const boost::json::value& reason : *reasons) {
        const std::string clause = string_member(reason, "clause");
        print("step " + number_of(reason, "step") + " " + string_member(reason, "code") +
              (clause.empty() ? "" : " (clause " + clause + ")") + ": " +
              string_member(reason, "reason"));
        print("    " + string_member(reason, "remedy"));
    }
    return is_allowed ? Exit::done : Exit::refused;
}

Exit run_explain(const ExplainOptions& options) {
    if (!options.entry.empty()) return print_replay(options);
    if (options.subject.empty() || options.field.empty() || options.purpose.empty()) {
        throw CommandError(
            Exit::usage, "name SUBJECT, FIELD and --purpose, or an entry of the log with --entry");
    }
    return print_decision(options);
}

Exit run_history(const ExplainOptions& options) {
    HttpRequest request;
    request.path = "/v1/policy/versions";
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(request));
    if (options.is_json) {
        print(boost::json::serialize(answer));
        return Exit::done;
    }
    const auto* const versions = array_of(answer, "versions");
    if (versions == nullptr) throw CommandError(Exit::failed, "the answer holds no versions");
    for (const boost::json::value& version : *versions) {
        print(number_of(version, "version") + " " + string_member(version, "published") + " " +
              string_member(version, "link"));
    }
    return Exit::done;
}

}  // namespace

void add_policy_explain(CLI::App& policy, Run& chosen) {
    auto options = std::make_shared<ExplainOptions>();
    CLI::App& explain = *policy.add_subcommand(
        "explain", "Why somebody's value is shown or refused, or an entry of the log again");
    explain.add_option("SUBJECT", options->subject, "Whose value");
    explain.add_option("FIELD", options->field, "Which one");
    explain.add_option("--purpose", options->purpose, "For what");
    explain.add_option("--recipient", options->recipient,
                       "For whom (else the recipient of your key)");
    explain.add_option("--at", options->at,
                       "Under this version, or as of a time like 2026-11-22T18:00:00Z");
    explain.add_option("--entry", options->entry,
                       "Replay this entry of the audit log under the policy of its time");
    explain.add_flag("--json", options->is_json, "The answer as JSON");
    add_server_options(explain, options->server);
    add_example(explain,
                "oubliette policy explain c-1 mobile --purpose promote --recipient marketing");
    explain.final_callback(
        [options, &chosen] { chosen = [options] { return run_explain(*options); }; });

    CLI::App& history = *policy.add_subcommand("history", "All published versions, as a chain");
    history.add_flag("--json", options->is_json, "The answer as JSON");
    add_server_options(history, options->server);
    add_example(history, "oubliette policy history");
    history.final_callback(
        [options, &chosen] { chosen = [options] { return run_history(*options); }; });
}

}  // namespace oubliette::tools
