#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/manual/verb_doc.hpp"

// What a shell offers when the tab key is pressed: verbs, options, and files for the rest.

namespace oubliette::tools {

// For bash, zsh or fish; nullopt for any other shell.
[[nodiscard]] std::optional<std::string> completion_script(const VerbDoc& program,
                                                           std::string_view shell);

}  // namespace oubliette::tools
