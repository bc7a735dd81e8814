#pragma once

#include <string>

// The typed confirmation of what cannot be undone.

namespace oubliette::tools {

// Returns if `typed`, or without it what is typed on the terminal, is `expected`.
// `question` ends in what is to be typed: "Type the subject again to erase it".
// Throws CommandError(usage): nothing was typed and there is no terminal, or something else was.
void confirm_typed(const std::string& expected, std::string typed, const std::string& question);

}  // namespace oubliette::tools
