#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

// Small files, whole and durable. Errors are CommandError failed naming file and cause.

namespace oubliette::tools {

inline constexpr std::size_t kSmallFileSizeMax = std::size_t{16} << 20;  // bytes

// The content, or nullopt if there is no such file. Throws CommandError input if it is over the
// limit or cannot be read.
[[nodiscard]] std::optional<std::string> read_file_if_there(const std::string& path);
// The same for a file that must be there: Throws CommandError input.
[[nodiscard]] std::string read_file(const std::string& path);

// `path` holds `content` or what it held before, also after a power cut: writes a neighbour, syncs,
// renames, syncs the folder. On an error the neighbour is removed.
void replace_file(const std::string& path, std::string_view content, mode_t mode);

// A file that must not exist yet, durable on return; removed again on an error.
void create_file(const std::string& path, std::string_view content, mode_t mode);

void sync_folder_of(const std::string& path);

}  // namespace oubliette::tools
