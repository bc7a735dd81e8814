#include "tools/confirmation.hpp"

#include <cstdio>
#include <unistd.h>

#include "tools/cli.hpp"

namespace oubliette::tools {
namespace {

std::string ask_on_terminal(const std::string& question) {
    const std::string prompt = "This cannot be undone. " + question + ": ";
    (void)std::fputs(prompt.c_str(), stderr);
    char typed[1'024];
    if (std::fgets(typed, sizeof typed, stdin) == nullptr) return {};
    std::string text = typed;
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
}

}  // namespace

void confirm_typed(const std::string& expected, std::string typed, const std::string& question) {
    if (typed.empty() && ::isatty(STDIN_FILENO) == 1) typed = ask_on_terminal(question);
    if (typed == expected) return;
    throw CommandError(
        Exit::usage, typed.empty()
                         ? "this cannot be undone: repeat it with --confirm and the same id or name"
                         : "--confirm does not say the same; nothing was done");
}

}  // namespace oubliette::tools
