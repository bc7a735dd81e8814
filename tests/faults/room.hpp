#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace oubliette::faults {

// A directory for files that are made and thrown away by the thousand: in memory where that is
// had, since nothing in it is worth a flush. Removed at the end.
class Room {
public:
    Room() {
        constexpr const char* kMemoryDisk = "/dev/shm";
        const bool has_memory_disk = ::access(kMemoryDisk, W_OK) == 0;
        const auto parent = has_memory_disk ? std::filesystem::path{kMemoryDisk}
                                            : std::filesystem::temp_directory_path();
        std::string name = (parent / "oubliette-faults-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
        path_ = name;
    }
    ~Room() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    void clear() const {
        for (const auto& entry : std::filesystem::directory_iterator{path_}) {
            std::filesystem::remove_all(entry.path());
        }
    }

private:
    std::filesystem::path path_;
};

}  // namespace oubliette::faults
