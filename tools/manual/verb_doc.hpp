#pragma once

#include <string>
#include <vector>

// What there is to say of a verb, apart from the library that parses command lines: man pages and
// completions are made of this, so that they cannot differ from --help.

namespace oubliette::tools {

struct OptionDoc {
    std::vector<std::string> names;  // "--json", "-h"; of a positional its name alone
    std::string value;               // "TEXT", "" for a flag
    std::string variable;            // of the environment, "" if none
    std::string default_value;
    std::string description;
    bool is_required = false;
    bool is_positional = false;
};

struct VerbDoc {
    std::string name;  // one word
    std::string description;
    std::string example;  // lines of shell, "" if none
    std::vector<OptionDoc> options;
    std::vector<VerbDoc> verbs;
};

}  // namespace oubliette::tools
