#pragma once

#include <string>

#include "tools/commands.hpp"

// What `recipient cut-off`, `region cut-off` and `tenant exit` share: a request that destroys a
// whole group of keys and answers with an erasure object.

namespace oubliette::tools {

struct CutOffOptions {
    ServerOptions server;
    std::string name;
    std::string confirm;
    std::string output;
    unsigned wait_s = 30;
    bool is_json = false;
    bool is_dry_run = false;
};

// All options but the name's own.
void add_cut_off_options(CLI::App& verb, CutOffOptions& options);

// Asks for the name again, sends `request`, writes the answer to --out. `what` is for people:
// "all tokens of recipient shop".
[[nodiscard]] Exit run_cut_off(const CutOffOptions& options, HttpRequest request,
                               const std::string& what);

}  // namespace oubliette::tools
