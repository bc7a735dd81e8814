#pragma once

#include <filesystem>
#include <optional>

#include "tools/doctor/finding.hpp"

// Looks at a vault on this machine: configuration, keepers, disks, seal, certificate, process.
// Beside a server or without one; changes nothing.

namespace oubliette::tools {

struct Examination {
    std::filesystem::path data;
    std::optional<std::filesystem::path> backup;  // the newest backup, if the caller knows it
    Machine machine;
};

// In a fixed order. A configuration that cannot be read is a finding, and then the only one.
[[nodiscard]] Findings examine(const Examination& examination);

}  // namespace oubliette::tools
