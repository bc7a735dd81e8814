#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// Looks for known values in files, as UTF-8, as UTF-16 (little-endian) and as hex digits of the
// UTF-8: what a thief with a copy of the disk would try first. Not thread-safe.

namespace oubliette::tools {

class ClearTextScan {
public:
    static constexpr std::size_t kValueSizeMin = 8;  // bytes; shorter ones occur by chance

    // Values shorter than kValueSizeMin are left out.
    explicit ClearTextScan(const std::vector<std::string>& values);

    [[nodiscard]] std::size_t value_count() const noexcept { return value_count_; }
    // True if `bytes` holds one of the values.
    [[nodiscard]] bool finds_in(std::string_view bytes) const noexcept;

    struct Result {
        std::size_t file_count = 0;
        std::uint64_t size = 0;  // bytes looked at; holes count
        std::vector<std::filesystem::path> hits;
    };
    // All regular files below `directory`. Throws CommandError failed if one cannot be read.
    [[nodiscard]] Result scan(const std::filesystem::path& directory) const;

private:
    void add(std::string needle);

    std::size_t value_count_ = 0;
    std::size_t size_max_ = 0;
    std::unordered_multimap<std::uint64_t, std::string> needles_;  // by their first eight bytes
};

}  // namespace oubliette::tools
