#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <string>
#include <vector>

#include <sodium.h>

#include "tools/commands.hpp"
#include "vault/result.hpp"

// The one binary. A verb is added by writing cmd_<verb>.cpp, declaring its add_<verb>() in
// commands.hpp and listing it here.

namespace oubliette::tools {

namespace {

void add_verbs(CLI::App& program, Run& chosen) {
    // The vault itself.
    add_init(program, chosen);
    add_serve(program, chosen);
    add_backup(program, chosen);
    add_restore(program, chosen);
    add_forensic(program, chosen);
    add_status(program, chosen);
    add_doctor(program, chosen);
    add_keeper(program, chosen);
    add_rotate(program, chosen);
    // Those who use it.
    add_tokenize(program, chosen);
    add_detokenize(program, chosen);
    add_erase(program, chosen);
    // Those who govern it.
    add_client(program, chosen);
    add_policy(program, chosen);
    add_hold(program, chosen);
    add_order(program, chosen);
    add_audit(program, chosen);
    add_receipt(program, chosen);
    add_recipient(program, chosen);
    add_region(program, chosen);
    add_retention(program, chosen);
    add_tenant(program, chosen);
    // To try it.
    add_demo(program, chosen);
    add_people(program, chosen);
    // To learn it.
    add_manual(program, chosen);
    add_completion(program, chosen);
}

// The deepest verb that was recognised.
const CLI::App& chosen_verb(const CLI::App& program) {
    const CLI::App* verb = &program;
    for (auto below = verb->get_subcommands(); !below.empty(); below = verb->get_subcommands()) {
        verb = below.front();
    }
    return *verb;
}

// The first word of the command line that nothing knows, with what it may have meant.
std::string explain_unknown(const CLI::App& program) {
    const CLI::App& verb = chosen_verb(program);
    const std::vector<std::string> left = program.remaining(true);
    if (left.empty()) return {};
    std::vector<std::string> known;
    for (const CLI::App* below : verb.get_subcommands(nullptr)) known.push_back(below->get_name());
    for (const CLI::Option* option : verb.get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    // An option may hold a secret behind '='; only its name is repeated.
    const std::string typed = left.front().substr(0, left.front().find('='));
    std::string line = "'" + typed + "' is not known here";
    const std::string meant = nearest(typed, known);
    if (!meant.empty()) line += "; did you mean '" + meant + "'?";
    return line;
}

Exit usage_error(const CLI::App& program, const CLI::ParseError& error) {
    std::string line = explain_unknown(program);
    if (line.empty()) line = error.what();
    const CLI::App& verb = chosen_verb(program);
    std::string name;
    for (const CLI::App* at = &verb; at->get_parent() != nullptr; at = at->get_parent()) {
        name = " " + at->get_name() + name;
    }
    say(line);
    say("see: oubliette" + name + " --help");
    return Exit::usage;
}

Exit run_program(int argc, char** argv) {
    CLI::App program("Oubliette keeps personal data so that it can be forgotten", "oubliette");
    program.require_subcommand(1);
    program.set_version_flag("--version", "oubliette " OUBLIETTE_VERSION);
    program.set_help_all_flag("--help-all", "Help of every verb");
    Run chosen;
    add_verbs(program, chosen);
    try {
        program.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return static_cast<Exit>(program.exit(help));
    } catch (const CLI::ParseError& error) {
        return usage_error(program, error);
    }
    return chosen();
}

}  // namespace

}  // namespace oubliette::tools

int main(int argc, char** argv) {
    using oubliette::tools::Exit;
    try {
        // A server that hangs up must be an error of one call, not the end of the process.
        (void)std::signal(SIGPIPE, SIG_IGN);
        if (sodium_init() < 0) {
            oubliette::tools::say("libsodium cannot be started");
            return static_cast<int>(Exit::failed);
        }
        return static_cast<int>(oubliette::tools::run_program(argc, argv));
    } catch (const oubliette::tools::CommandError& error) {
        oubliette::tools::say(error.what());
        return static_cast<int>(error.exit());
    } catch (const oubliette::Fault& fault) {
        oubliette::tools::say(fault.what());
        return static_cast<int>(Exit::failed);
    } catch (const std::bad_alloc&) {
        oubliette::tools::say("out of memory");
        return static_cast<int>(Exit::failed);
    } catch (const std::exception&) {
        // Its words may quote data.
        oubliette::tools::say("internal error");
        return static_cast<int>(Exit::failed);
    }
}
