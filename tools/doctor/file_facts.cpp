#include "tools/doctor/file_facts.hpp"

#include <cerrno>
#include <cstdio>

namespace oubliette::tools {

std::optional<struct stat> stat_of(const std::filesystem::path& file) noexcept {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) return std::nullopt;
    return status;
}

bool is_hidden(const std::filesystem::path& file) noexcept {
    struct stat status {};
    return ::stat(file.c_str(), &status) != 0 && errno == EACCES;
}

bool is_open_to_others(const struct stat& file) noexcept {
    return (file.st_mode & 077U) != 0;
}

std::string mode_text(const struct stat& file) {
    char text[8];
    std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(file.st_mode & 07777U));
    return text;
}

}  // namespace oubliette::tools
