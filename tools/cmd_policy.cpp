#include <CLI/CLI.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tools/cmd_policy_explain.hpp"
#include "tools/commands.hpp"
#include "tools/durable_file.hpp"
#include "vault/policy/diff.hpp"
#include "vault/policy/document.hpp"
#include "vault/policy/lint.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string file;
    std::string before;  // diff only
    bool is_json = false;
    bool is_online = false;  // lint only
};

HttpAnswer post_policy(const Options& options, const std::string& path) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = path;
    request.body = read_file(options.file);
    HttpsClient client = make_client(options.server);
    return client.call(request);
}

// The same for findings of this program and of a vault:
// {"findings":[{"code","severity","pointer","line","column","message"}...]}.
boost::json::array findings_json(const std::vector<policy::Finding>& all) {
    boost::json::array findings;
    for (const policy::Finding& finding : all) {
        const bool is_error = finding.severity == policy::Severity::error;
        findings.push_back(boost::json::object{{"code", finding.code},
                                               {"severity", is_error ? "error" : "warning"},
                                               {"pointer", finding.pointer},
                                               {"line", finding.line},
                                               {"column", finding.column},
                                               {"message", finding.message}});
    }
    return findings;
}

std::shared_ptr<const policy::Document> parse_here(const std::string& text,
                                                   std::vector<policy::Finding>& findings) {
    policy::ParseOutcome outcome = policy::parse_document(text);
    findings.insert(findings.end(), outcome.findings.begin(), outcome.findings.end());
    return outcome.document;
}

boost::json::value lint_here(const std::string& text) {
    std::vector<policy::Finding> findings;
    if (const auto document = parse_here(text, findings)) {
        const auto found = policy::lint(*document, SystemClock().now());
        findings.insert(findings.end(), found.begin(), found.end());
    }
    return boost::json::object{{"findings", findings_json(findings)}};
}

boost::json::array changes_json(const std::vector<policy::Change>& all) {
    boost::json::array changes;
    for (const policy::Change& change : all) {
        boost::json::array purposes;
        for (const std::string& purpose : change.purposes) purposes.emplace_back(purpose);
        changes.push_back(boost::json::object{{"kind", policy::word_of(change.kind)},
                                              {"clause", policy::clause_of(change.kind)},
                                              {"pointer", change.pointer},
                                              {"object", change.object},
                                              {"text", change.text},
                                              {"asks_again", change.asks_again},
                                              {"purposes", purposes}});
    }
    return changes;
}

boost::json::value diff_here(const std::string& before, const std::string& now) {
    std::vector<policy::Finding> findings;
    const auto from = parse_here(before, findings);
    if (!from) throw CommandError(Exit::input, "the policy before has mistakes; lint it");
    const auto to = parse_here(now, findings);
    boost::json::object answer{{"from", from->head.version}};
    if (to) {
        const auto found = policy::check_changes(*from, *to, SystemClock().now());
        findings.insert(findings.end(), found.begin(), found.end());
        answer["to"] = to->head.version;
        answer["changes"] = changes_json(policy::diff(*from, *to));
    }
    answer["findings"] = findings_json(findings);
    return answer;
}

std::string number_member(const boost::json::value& object, std::string_view name) {
    const auto* const member =
        object.is_object() ? object.get_object().if_contains({name.data(), name.size()}) : nullptr;
    return member == nullptr ? "0" : boost::json::serialize(*member);
}

// One line for each finding; how many of them are errors.
std::size_t print_findings(const Options& options, const boost::json::array& findings) {
    std::size_t error_count = 0;
    for (const boost::json::value& finding : findings) {
        const std::string severity = string_member(finding, "severity");
        if (severity != "warning") ++error_count;
        if (options.is_json) continue;
        print(options.file + ":" + number_member(finding, "line") + ":" +
              number_member(finding, "column") + ": " + severity + ": " +
              string_member(finding, "code") + ": " + string_member(finding, "message"));
    }
    return error_count;
}

const boost::json::array* find_findings(const boost::json::value& answer) {
    const auto* const object = answer.if_object();
    const auto* const findings = object == nullptr ? nullptr : object->if_contains("findings");
    return findings == nullptr ? nullptr : findings->if_array();
}

Exit run_lint(const Options& options) {
    const boost::json::value answer = options.is_online
                                          ? accepted_json(post_policy(options, "/v1/policy/lint"))
                                          : lint_here(read_file(options.file));
    const boost::json::array* const findings = find_findings(answer);
    if (findings == nullptr) {
        throw CommandError(Exit::failed, "the vault's answer holds no findings; is --url right?");
    }
    const std::size_t error_count = print_findings(options, *findings);
    if (options.is_json) print(boost::json::serialize(answer));
    say(options.file + ": " + std::to_string(error_count) + " errors, " +
        std::to_string(findings->size() - error_count) + " warnings");
    return error_count == 0 ? Exit::done : Exit::refused;
}

Exit run_diff(const Options& options) {
    const boost::json::value answer =
        options.before.empty() ? accepted_json(post_policy(options, "/v1/policy/diff"))
                               : diff_here(read_file(options.before), read_file(options.file));
    const boost::json::array* const findings = find_findings(answer);
    if (findings == nullptr) {
        throw CommandError(Exit::failed, "the vault's answer holds no findings; is --url right?");
    }
    const boost::json::value* const changes = answer.get_object().if_contains("changes");
    std::size_t change_count = 0;
    if (changes != nullptr && changes->is_array()) {
        for (const boost::json::value& change : changes->get_array()) {
            ++change_count;
            if (options.is_json) continue;
            print(string_member(change, "kind") + " (" + string_member(change, "clause") + ") " +
                  string_member(change, "object") + ": " + string_member(change, "text"));
        }
    }
    const std::size_t error_count = print_findings(options, *findings);
    if (options.is_json) print(boost::json::serialize(answer));
    say(options.file + ": " + std::to_string(change_count) + " material changes, " +
        std::to_string(error_count) + " errors");
    return error_count == 0 ? Exit::done : Exit::refused;
}

Exit run_publish(const Options& options) {
    const HttpAnswer answer = post_policy(options, "/v1/policy/publish");
    boost::json::error_code error;
    const boost::json::value problem = boost::json::parse(answer.body, error);
    const boost::json::array* const findings = error ? nullptr : find_findings(problem);
    if (answer.status >= 400 && findings != nullptr) {
        const std::size_t error_count = print_findings(options, *findings);
        if (options.is_json) print(boost::json::serialize(problem));
        say(options.file + " is not published: " + std::to_string(error_count) +
            (error_count == 1 ? " error" : " errors"));
        return Exit::refused;
    }
    const boost::json::value published = accepted_json(answer);
    if (options.is_json) {
        print(boost::json::serialize(published));
    } else {
        say(options.file + " is published");
    }
    return Exit::done;
}

CLI::App& add_action(CLI::App& parent, const char* name, const char* words,
                     const std::shared_ptr<Options>& options) {
    CLI::App& action = *parent.add_subcommand(name, words);
    action.add_option("FILE", options->file, "Policy document, JSON")->required();
    action.add_flag("--json", options->is_json, "The answer as JSON");
    add_server_options(action, options->server);
    return action;
}

}  // namespace

void add_policy(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand("policy", "Check and publish the policy document");
    verb.require_subcommand(1);

    CLI::App& lint = add_action(verb, "lint", "Look for mistakes; publishes nothing", options);
    lint.add_flag("--online", options->is_online,
                  "Ask the vault at --url (else this program looks by itself)");
    add_example(lint, "oubliette policy lint policy.json");
    lint.final_callback([options, &chosen] { chosen = [options] { return run_lint(*options); }; });

    CLI::App& diff = add_action(verb, "diff", "What a new version changes for people", options);
    diff.add_option("BEFORE", options->before,
                    "The version before it (else the newest of the vault at --url)");
    add_example(diff, "oubliette policy diff policy-4.json policy-3.json");
    diff.final_callback([options, &chosen] { chosen = [options] { return run_diff(*options); }; });

    add_policy_explain(verb, chosen);

    CLI::App& publish = add_action(verb, "publish", "Put a new version into force", options);
    add_example(publish, "oubliette policy publish policy.json --key-file keys/policy_admin.key");
    publish.final_callback(
        [options, &chosen] { chosen = [options] { return run_publish(*options); }; });
}

}  // namespace oubliette::tools
