#include "tools/exception_command.hpp"

#include <CLI/CLI.hpp>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace oubliette::tools {

CLI::App& add_exception_verb(CLI::App& parent, const char* name, const char* words,
                             ExceptionOptions& options) {
    CLI::App& verb = *parent.add_subcommand(name, words);
    verb.add_flag("--json", options.is_json, "The answer as JSON");
    add_server_options(verb, options.server);
    return verb;
}

Exit send_exception(const ExceptionOptions& options, const std::string& path,
                    const boost::json::object& body) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = path;
    request.body = boost::json::serialize(body);
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(request));
    if (options.is_json) {
        print(boost::json::serialize(answer));
    } else {
        print(string_member(answer, "id") + " " + string_member(answer, "state"));
    }
    const std::string blocked = string_member(answer, "blocked_by");
    if (!blocked.empty()) say("it has no effect yet (" + blocked + "): others must approve it");
    return Exit::done;
}

Exit list_exceptions(const ExceptionOptions& options, const std::string& path,
                     const std::string& name, const std::vector<std::string>& columns) {
    HttpRequest request;
    request.method = HttpMethod::get;
    request.path = path;
    HttpsClient client = make_client(options.server);
    const boost::json::value answer = accepted_json(client.call(request));
    const auto* const members = answer.if_object();
    const auto* const list = members == nullptr ? nullptr : members->if_contains(name);
    if (options.is_json || list == nullptr || !list->is_array()) {
        print(boost::json::serialize(answer));
        return Exit::done;
    }
    for (const boost::json::value& one : list->get_array()) {
        std::string line = string_member(one, "id") + "\t" + string_member(one, "state");
        for (const std::string& column : columns) line += "\t" + string_member(one, column);
        print(line);
    }
    return Exit::done;
}

void put_text(boost::json::object& body, const char* name, const std::string& text) {
    if (!text.empty()) body[name] = text;
}

void put_texts(boost::json::object& body, const char* name, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    boost::json::array array;
    for (const std::string& text : texts) array.emplace_back(text);
    body[name] = std::move(array);
}

}  // namespace oubliette::tools
