#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/stat.h>

// What the system says about one file. A link is what it points to.

namespace oubliette::tools {

// nullopt if there is none or it cannot be seen.
[[nodiscard]] std::optional<struct stat> stat_of(const std::filesystem::path& file) noexcept;
// True if we may not look whether it is there.
[[nodiscard]] bool is_hidden(const std::filesystem::path& file) noexcept;

// True if anybody but the owner may read, write or enter.
[[nodiscard]] bool is_open_to_others(const struct stat& file) noexcept;
// "0755".
[[nodiscard]] std::string mode_text(const struct stat& file);

}  // namespace oubliette::tools
