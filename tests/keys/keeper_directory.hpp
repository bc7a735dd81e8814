#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdlib.h>
#include <string>

#include <sodium.h>

#include "crypto/assert.hpp"
#include "crypto/bytes.hpp"

// A directory of its own for one test, and whole-file reading and writing for the tests that damage
// files. Removed at the end.

namespace oubliette::test {

class KeeperDirectory {
public:
    // Below `parent`, by default the working directory: a disk, where /tmp may be memory.
    explicit KeeperDirectory(const std::string& parent = ".") {
        OBL_ASSERT(sodium_init() >= 0);
        std::string name = parent + "/oubliette-test-XXXXXX";
        OBL_ASSERT(::mkdtemp(name.data()) != nullptr);
        path_ = std::filesystem::absolute(name);
    }
    KeeperDirectory(const KeeperDirectory&) = delete;
    KeeperDirectory& operator=(const KeeperDirectory&) = delete;
    ~KeeperDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
        return path_ / name;
    }

private:
    std::filesystem::path path_;
};

inline Bytes read_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    OBL_ASSERT(in.good());
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::filesystem::path& file, ByteView bytes) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out.write(text_of(bytes).data(), static_cast<std::streamsize>(bytes.size()));
    out.flush();
    OBL_ASSERT(out.good());
}

}  // namespace oubliette::test
