#include "tools/manual/completion.hpp"

#include <algorithm>
#include <functional>

namespace oubliette::tools {
namespace {

// Calls `visit` with each verb and the words that lead to it, the program itself first.
void visit_verbs(const VerbDoc& verb, const std::string& words,
                 const std::function<void(const VerbDoc&, const std::string&)>& visit) {
    visit(verb, words);
    for (const VerbDoc& below : verb.verbs) {
        visit_verbs(below, words.empty() ? below.name : words + " " + below.name, visit);
    }
}

std::string candidates_of(const VerbDoc& verb) {
    std::string out;
    const auto add = [&out](const std::string& word) { out += (out.empty() ? "" : " ") + word; };
    for (const VerbDoc& below : verb.verbs) add(below.name);
    for (const OptionDoc& option : verb.options) {
        if (option.is_positional) continue;
        for (const std::string& name : option.names) add(name);
    }
    return out;
}

// Follows the words that are verbs; an option, its value or a file ends no path. In zsh it runs as
// well, so it uses nothing that only bash has.
std::string bash_script(const VerbDoc& program) {
    std::string cases;
    std::string verbs;
    visit_verbs(program, {}, [&](const VerbDoc& verb, const std::string& words) {
        cases += "        '" + words + "') offered='" + candidates_of(verb) + "' ;;\n";
        if (!words.empty()) verbs += "            '" + words + "') verb=$next ;;\n";
    });
    return "# Completion of oubliette(1) for bash.\n"
           "_oubliette() {\n"
           "    local verb='' next='' word='' offered='' current=${COMP_WORDS[COMP_CWORD]}\n"
           "    for word in \"${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}\"; do\n"
           "        next=${verb:+$verb }$word\n"
           "        case $next in\n" +
           verbs +
           "        esac\n"
           "    done\n"
           "    case $verb in\n" +
           cases +
           "    esac\n"
           "    COMPREPLY=($(compgen -W \"$offered\" -- \"$current\"))\n"
           "}\n"
           "complete -o default -F _oubliette oubliette\n";
}

std::string zsh_script(const VerbDoc& program) {
    return "#compdef oubliette\n"
           "autoload -U +X bashcompinit && bashcompinit\n" +
           bash_script(program);
}

// A string between single quotes of fish.
std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

std::string fish_condition(const VerbDoc& verb, const std::string& words) {
    if (words.empty()) return "__fish_use_subcommand";
    std::string out;
    for (std::size_t at = 0; at < words.size();) {
        const std::size_t end = std::min(words.find(' ', at), words.size());
        out += (out.empty() ? "" : "; and ") + std::string{"__fish_seen_subcommand_from "} +
               words.substr(at, end - at);
        at = end + 1;
    }
    if (verb.verbs.empty()) return out;
    out += "; and not __fish_seen_subcommand_from";
    for (const VerbDoc& below : verb.verbs) out += " " + below.name;
    return out;
}

std::string fish_script(const VerbDoc& program) {
    std::string out = "# Completion of oubliette(1) for fish.\n";
    visit_verbs(program, {}, [&out](const VerbDoc& verb, const std::string& words) {
        const std::string start =
            "complete -c oubliette -n " + quoted(fish_condition(verb, words)) + " ";
        for (const VerbDoc& below : verb.verbs) {
            out += start + "-f -a " + below.name + " -d " + quoted(below.description) + "\n";
        }
        for (const OptionDoc& option : verb.options) {
            if (option.is_positional) continue;
            std::string names;
            for (const std::string& name : option.names) {
                const bool is_long = name.starts_with("--");
                names += is_long ? "-l " + name.substr(2) + " " : "-s " + name.substr(1) + " ";
            }
            const std::string value = option.value.empty() ? "" : "-r ";
            out += start + names + value + "-d " + quoted(option.description) + "\n";
        }
    });
    return out;
}

}  // namespace

std::optional<std::string> completion_script(const VerbDoc& program, std::string_view shell) {
    if (shell == "bash") return bash_script(program);
    if (shell == "zsh") return zsh_script(program);
    if (shell == "fish") return fish_script(program);
    return std::nullopt;
}

}  // namespace oubliette::tools
