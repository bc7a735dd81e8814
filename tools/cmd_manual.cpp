#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>

#include "tools/commands.hpp"
#include "tools/manual/completion.hpp"
#include "tools/manual/man_page.hpp"

// Man pages and completions, made of the same descriptions as --help.

namespace oubliette::tools {

namespace {

OptionDoc doc_of(const CLI::Option& option) {
    OptionDoc doc;
    doc.is_positional = option.get_positional();
    if (doc.is_positional) {
        doc.names.push_back(option.get_name(true));
    } else {
        for (const std::string& name : option.get_snames()) doc.names.push_back("-" + name);
        for (const std::string& name : option.get_lnames()) doc.names.push_back("--" + name);
    }
    if (option.get_type_size() != 0) doc.value = option.get_type_name();
    doc.variable = option.get_envname();
    doc.default_value = option.get_default_str();
    doc.description = option.get_description();
    doc.is_required = option.get_required();
    return doc;
}

// What stands below "Example:" in a verb's --help.
std::string example_of(const CLI::App& verb) {
    const std::string footer = verb.get_footer();
    const std::string before = "Example:\n";
    if (!footer.starts_with(before)) return {};
    const std::string lines = footer.substr(before.size(), footer.find("\n\n") - before.size());
    std::string out;
    for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        const std::string line = lines.substr(at, end - at);
        out += (line.starts_with("  ") ? line.substr(2) : line) + "\n";
        at = end + 1;
    }
    return out;
}

VerbDoc doc_of(const CLI::App& verb) {
    VerbDoc doc;
    doc.name = verb.get_name();
    doc.description = verb.get_description();
    doc.example = example_of(verb);
    const bool is_program = verb.get_parent() == nullptr;
    for (const CLI::Option* option : verb.get_options()) {
        const bool is_help = option == verb.get_help_ptr() || option == verb.get_help_all_ptr();
        if (is_program || !is_help) doc.options.push_back(doc_of(*option));
    }
    for (const CLI::App* below : verb.get_subcommands(nullptr)) {
        doc.verbs.push_back(doc_of(*below));
    }
    return doc;
}

void write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out{file, std::ios::binary};
    out << text << std::flush;
    if (!out) throw CommandError{Exit::failed, "cannot write " + file.string()};
}

Exit run_manual(const CLI::App& program, const std::filesystem::path& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) throw CommandError{Exit::failed, "cannot make " + directory.string()};
    const VerbDoc doc = doc_of(program);
    const Release release{OUBLIETTE_VERSION, OUBLIETTE_DATE};
    write(directory / "oubliette.1", main_page(doc, release));
    for (const VerbDoc& verb : doc.verbs) {
        write(directory / ("oubliette-" + verb.name + ".1"), verb_page(doc, verb, release));
    }
    return Exit::done;
}

Exit run_completion(const CLI::App& program, const std::string& shell) {
    const auto script = completion_script(doc_of(program), shell);
    if (!script) throw CommandError{Exit::usage, "no such shell; say bash, zsh or fish"};
    print(*script);
    return Exit::done;
}

}  // namespace

void add_manual(CLI::App& program, Run& chosen) {
    auto directory = std::make_shared<std::string>();
    CLI::App& verb = *program.add_subcommand("manual", "Write the man pages into a directory");
    verb.add_option("DIR", *directory, "Directory, made if it is not there")->required();
    add_example(verb, "oubliette manual ~/.local/share/man/man1");
    verb.final_callback([directory, &program, &chosen] {
        chosen = [directory, &program] { return run_manual(program, *directory); };
    });
}

void add_completion(CLI::App& program, Run& chosen) {
    auto shell = std::make_shared<std::string>();
    CLI::App& verb = *program.add_subcommand("completion", "Print what completes verbs in a shell");
    verb.add_option("SHELL", *shell, "bash, zsh or fish")->required();
    add_example(verb, "oubliette completion bash > /etc/bash_completion.d/oubliette");
    verb.final_callback([shell, &program, &chosen] {
        chosen = [shell, &program] { return run_completion(program, *shell); };
    });
}

}  // namespace oubliette::tools
