#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "vault/clock.hpp"

// What `doctor` says: one finding a line. Facts name files and numbers of the machine, never
// anything of a person, a key or a token.

namespace oubliette::tools {

enum class Level : std::uint8_t {
    ok,
    unknown,  // cannot be seen from here: no permission, or the system does not tell
    warning,  // works, but promises less than it could
    problem,  // a promise does not hold, or soon will not
};
// "OK", "UNKNOWN", "WARNING", "PROBLEM".
[[nodiscard]] std::string_view name_of(Level level) noexcept;

struct Finding {
    Level level = Level::ok;
    std::string_view check;  // which check, a word that stays the same: scripts look for it
    std::string fact;
    std::string remedy;  // empty if there is nothing to do
};
using Findings = std::vector<Finding>;

[[nodiscard]] std::size_t count_of(const Findings& findings, Level level) noexcept;

// Where the system tells about itself; tests bring their own.
struct Machine {
    std::filesystem::path proc = "/proc";
    std::filesystem::path sys = "/sys";
    Timestamp now;
};

}  // namespace oubliette::tools
