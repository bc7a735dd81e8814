#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

// What all verbs share: how they end and how they speak. Data goes to stdout, talk to stderr, every
// line of talk begins with "oubliette: ", without a capital and without a period. No message holds
// a personal value, a token or a key.

namespace oubliette::tools {

// How a process ends. Documented in README.md and relied on by scripts: append only.
enum class Exit : int {
    done = 0,
    failed = 1,  // the machine or the server let us down: disk, 5xx, an answer we cannot read
    usage = 2,   // the command line is wrong
    items_refused = 3,  // the vault refused at least one item of a table
    refused = 4,        // the vault refused the request (4xx)
    unreachable = 5,    // no connection, or no trustworthy one
    input = 6,          // a file given to us cannot be used as it is
    not_final = 7,      // accepted, but not final within the time waited
    not_proven = 8,     // a log does not verify, or not with the one seen before
    unsound = 9,        // `doctor` found problems
    interrupted = 130,  // SIGINT or SIGTERM; work that can be resumed was recorded
};

// A verb cannot go on. `what` is one line that names the remedy; main() prints it and exits.
class CommandError : public std::runtime_error {
public:
    CommandError(Exit exit, const std::string& what) : std::runtime_error(what), exit_(exit) {}
    [[nodiscard]] Exit exit() const noexcept { return exit_; }

private:
    Exit exit_;
};

// One line on stderr with the prefix.
void say(std::string_view line);

// The member of `known` that `typed` was most likely meant to be, or empty if none is near.
[[nodiscard]] std::string nearest(std::string_view typed, std::span<const std::string> known);

// ": <the system's words for errno>", to end a message about a file.
[[nodiscard]] std::string system_words(int error_number);

// After this, SIGINT and SIGTERM only make is_interrupted() true; a second one ends the process.
void catch_interrupts();
[[nodiscard]] bool is_interrupted() noexcept;

}  // namespace oubliette::tools
