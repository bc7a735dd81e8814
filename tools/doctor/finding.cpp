#include "tools/doctor/finding.hpp"

#include <algorithm>

namespace oubliette::tools {

std::string_view name_of(Level level) noexcept {
    switch (level) {
    case Level::ok: return "OK";
    case Level::unknown: return "UNKNOWN";
    case Level::warning: return "WARNING";
    case Level::problem: return "PROBLEM";
    }
    return "UNKNOWN";
}

std::size_t count_of(const Findings& findings, Level level) noexcept {
    return static_cast<std::size_t>(std::ranges::count(findings, level, &Finding::level));
}

}  // namespace oubliette::tools
