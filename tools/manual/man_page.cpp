#include "tools/manual/man_page.hpp"

#include <string_view>

namespace oubliette::tools {
namespace {

constexpr const char* kExitCodes[][2] = {
    {"0", "done"},
    {"1", "the machine or the server failed"},
    {"2", "the command line is wrong"},
    {"3", "the vault refused at least one value of a table"},
    {"4", "the vault refused the request, or a policy has errors"},
    {"5", "no connection, or a server that cannot prove who it is"},
    {"6", "a file cannot be used as it is"},
    {"7", "accepted, but not final within the time waited"},
    {"8", "what should be proved is not"},
    {"9", "doctor found problems"},
    {"130", "interrupted; the same command goes on"},
};

constexpr const char* kVariables[][2] = {
    {"OUBLIETTE_URL", "where the vault serves, for --url"},
    {"OUBLIETTE_CA", "CA certificates to trust, for --ca"},
    {"OUBLIETTE_KEY_FILE", "file with the API key, for --key-file"},
};

// Text as troff shows it: no escape, no dash that is turned into a hyphen, and no line that is
// taken for a request.
std::string escaped(std::string_view text) {
    std::string out;
    bool is_line_start = true;
    for (const char c : text) {
        if (is_line_start && (c == '.' || c == '\'')) out += "\\&";
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
        is_line_start = c == '\n';
    }
    return out;
}

std::string heading(const std::string& page, const Release& release) {
    return ".TH \"" + page + "\" \"1\" \"" + release.date + "\" \"oubliette " + release.version +
           "\" \"User Commands\"\n";
}

std::string example_block(const std::string& lines) {
    std::string out = ".PP\n.nf\n.RS 4\n" + escaped(lines);
    if (!out.ends_with('\n')) out += '\n';
    return out + ".RE\n.fi\n";
}

std::string synopsis_of(const std::string& words, const VerbDoc& verb) {
    std::string out = ".B " + escaped(words) + "\n";
    if (!verb.verbs.empty()) return out + ".I VERB\n";
    out += "[\\fIOPTIONS\\fR]";
    for (const OptionDoc& option : verb.options) {
        if (!option.is_positional) continue;
        const std::string name = "\\fI" + escaped(option.names.front()) + "\\fR";
        out += option.is_required ? " " + name : " [" + name + "]";
    }
    return out + "\n";
}

std::string option_item(const OptionDoc& option) {
    std::string term;
    for (const std::string& name : option.names) {
        term += (term.empty() ? "" : ", ");
        term += (option.is_positional ? "\\fI" : "\\fB") + escaped(name) + "\\fR";
    }
    if (!option.is_positional && !option.value.empty()) {
        term += " \\fI" + escaped(option.value) + "\\fR";
    }
    std::string text = escaped(option.description);
    if (option.is_required && !option.is_positional) text += " (required)";
    if (!option.default_value.empty()) text += " (default: " + escaped(option.default_value) + ")";
    if (!option.variable.empty()) text += " [" + escaped(option.variable) + "]";
    return ".TP\n" + term + "\n" + text + "\n";
}

std::string options_of(const VerbDoc& verb) {
    std::string out;
    for (const OptionDoc& option : verb.options) {
        if (option.is_positional) out += option_item(option);
    }
    for (const OptionDoc& option : verb.options) {
        if (!option.is_positional) out += option_item(option);
    }
    return out;
}

std::string body_of(const VerbDoc& verb, const std::string& words) {
    std::string out = escaped(verb.description) + ".\n" + options_of(verb);
    if (!verb.example.empty()) out += example_block(verb.example);
    for (const VerbDoc& below : verb.verbs) {
        const std::string name = words + " " + below.name;
        out += ".SS \"" + escaped(name) + "\"\n" + synopsis_of(name, below);
        out += ".PP\n" + body_of(below, name);
    }
    return out;
}

template <std::size_t N>
std::string list_of(const char* const (&items)[N][2]) {
    std::string out;
    for (const auto& item : items) {
        out += std::string{".TP\n.B "} + item[0] + "\n" + escaped(item[1]) + "\n";
    }
    return out;
}

std::string upper(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

std::string ending() {
    return ".SH \"ENVIRONMENT\"\n" + list_of(kVariables) + ".SH \"EXIT STATUS\"\n" +
           list_of(kExitCodes);
}

}  // namespace

std::string main_page(const VerbDoc& program, const Release& release) {
    std::string out = heading(upper(program.name), release);
    out += ".SH \"NAME\"\n" + program.name + " \\- a vault for personal data that can forget\n";
    out += ".SH \"SYNOPSIS\"\n" + synopsis_of(program.name, program);
    out += ".SH \"DESCRIPTION\"\n" + escaped(program.description) + ".\n";
    out += options_of(program);
    out += ".SH \"VERBS\"\nEach verb has a page of its own, and says the same with \\-\\-help.\n";
    for (const VerbDoc& verb : program.verbs) {
        const std::string page = program.name + "\\-" + escaped(verb.name);
        out += ".TP\n.BR " + page + " (1)\n" + escaped(verb.description) + "\n";
    }
    return out + ending();
}

std::string verb_page(const VerbDoc& program, const VerbDoc& verb, const Release& release) {
    const std::string words = program.name + " " + verb.name;
    std::string out = heading(upper(program.name + "-" + verb.name), release);
    out += ".SH \"NAME\"\n" + program.name + "\\-" + escaped(verb.name) + " \\- " +
           escaped(verb.description) + "\n";
    out += ".SH \"SYNOPSIS\"\n" + synopsis_of(words, verb);
    out += ".SH \"DESCRIPTION\"\n" + body_of(verb, words) + ending();
    return out + ".SH \"SEE ALSO\"\n.BR " + program.name + " (1)\n";
}

}  // namespace oubliette::tools
