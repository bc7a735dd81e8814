#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <string>

#include "tools/cli.hpp"
#include "tools/vault_client.hpp"

// The verbs of `oubliette`. Each add_<verb>() lives in cmd_<verb>.cpp: it describes the verb's
// options to `program` and, when the verb was chosen, puts into `chosen` what is to be done.
// Options live in a shared struct that the closure keeps. oubliette.cpp lists all verbs and nothing
// else.

namespace oubliette::tools {

using Run = std::function<Exit()>;

void add_audit(CLI::App& program, Run& chosen);
void add_backup(CLI::App& program, Run& chosen);
void add_client(CLI::App& program, Run& chosen);
void add_completion(CLI::App& program, Run& chosen);
void add_demo(CLI::App& program, Run& chosen);
void add_detokenize(CLI::App& program, Run& chosen);
void add_doctor(CLI::App& program, Run& chosen);
void add_erase(CLI::App& program, Run& chosen);
void add_forensic(CLI::App& program, Run& chosen);
void add_hold(CLI::App& program, Run& chosen);
void add_init(CLI::App& program, Run& chosen);
void add_keeper(CLI::App& program, Run& chosen);
void add_manual(CLI::App& program, Run& chosen);
void add_order(CLI::App& program, Run& chosen);
void add_people(CLI::App& program, Run& chosen);
void add_policy(CLI::App& program, Run& chosen);
void add_receipt(CLI::App& program, Run& chosen);
void add_recipient(CLI::App& program, Run& chosen);
void add_region(CLI::App& program, Run& chosen);
void add_restore(CLI::App& program, Run& chosen);
void add_retention(CLI::App& program, Run& chosen);
void add_rotate(CLI::App& program, Run& chosen);
void add_serve(CLI::App& program, Run& chosen);
void add_status(CLI::App& program, Run& chosen);
void add_tenant(CLI::App& program, Run& chosen);
void add_tokenize(CLI::App& program, Run& chosen);

// --url, --ca, --key-file with their environment variables.
void add_server_options(CLI::App& verb, ServerOptions& server);

// "Example:" and what follows, below a verb's --help.
void add_example(CLI::App& verb, const std::string& example);

// One line or object on stdout.
void print(const std::string& text);

}  // namespace oubliette::tools
