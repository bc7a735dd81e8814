#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace oubliette::faults {

// In memory where that is had: nothing in a room is worth a flush.
inline std::filesystem::path parent_of_rooms() {
    constexpr const char* kMemoryDisk = "/dev/shm";
    const bool has_memory_disk = ::access(kMemoryDisk, W_OK) == 0;
    return has_memory_disk ? std::filesystem::path{kMemoryDisk}
                           : std::filesystem::temp_directory_path();
}

inline std::string room_prefix(pid_t process) {
    return "oubliette-faults-" + std::to_string(process) + "-";
}

// What a process that crashed or hung left behind.
inline void remove_rooms_of(pid_t process) {
    const std::string prefix = room_prefix(process);
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator{parent_of_rooms(), ignored}) {
        if (!entry.path().filename().string().starts_with(prefix)) continue;
        std::filesystem::remove_all(entry.path(), ignored);
    }
}

// A directory for files that are made and thrown away by the thousand. Removed at the end.
class Room {
public:
    Room() {
        std::string name = (parent_of_rooms() / (room_prefix(::getpid()) + "XXXXXX")).string();
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
