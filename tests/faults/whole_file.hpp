#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>

#include "crypto/bytes.hpp"

namespace oubliette::faults {

[[nodiscard]] inline Bytes read_whole(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}

}  // namespace oubliette::faults
