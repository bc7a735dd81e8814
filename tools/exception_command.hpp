#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "tools/commands.hpp"

// What `hold` and `order` share: acts on an exception by its id, and lists of them.

namespace oubliette::tools {

struct ExceptionOptions {
    ServerOptions server;
    std::string id;
    std::string confirm;
    bool is_json = false;
};

// A verb below `parent` with --json and the server's options.
CLI::App& add_exception_verb(CLI::App& parent, const char* name, const char* words,
                             ExceptionOptions& options);

// Sends the body to `path` (POST) and prints id and state, or the whole answer with --json.
[[nodiscard]] Exit send_exception(const ExceptionOptions& options, const std::string& path,
                                  const boost::json::object& body);
// Prints each element of the array `name` that GET `path` answers: id, state, and `columns`.
[[nodiscard]] Exit list_exceptions(const ExceptionOptions& options, const std::string& path,
                                   const std::string& name,
                                   const std::vector<std::string>& columns);

// Puts a member into `body` unless it is empty.
void put_text(boost::json::object& body, const char* name, const std::string& text);
void put_texts(boost::json::object& body, const char* name, const std::vector<std::string>& texts);

}  // namespace oubliette::tools
