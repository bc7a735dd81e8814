#pragma once

#include <string>

#include "tools/manual/verb_doc.hpp"

// Man pages in the language of man(7).

namespace oubliette::tools {

struct Release {
    std::string version;
    std::string date;  // YYYY-MM-DD
};

// oubliette(1): what the program is, its verbs, environment, exit codes.
[[nodiscard]] std::string main_page(const VerbDoc& program, const Release& release);
// oubliette-VERB(1): one verb with those below it.
[[nodiscard]] std::string verb_page(const VerbDoc& program, const VerbDoc& verb,
                                    const Release& release);

}  // namespace oubliette::tools
