#pragma once

#include <filesystem>
#include <vector>

#include "crypto/bytes.hpp"

// Files as the attacker sees them: bytes, whatever they were meant to be. Nothing here opens a file
// for writing. Not thread-safe.

namespace oubliette::forensic {

// One file or block device, mapped read-only. Move-only.
class Image {
public:
    // Throws Fault{configuration} naming the file if it cannot be read.
    explicit Image(const std::filesystem::path& file);
    Image(Image&& other) noexcept;
    Image& operator=(Image&& other) noexcept;
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;
    ~Image();

    [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

private:
    ByteView bytes_;
};

// Every regular file and block device at or below `places`, each once, whatever links lead to it;
// without those that are one of `left_out`. Directories behind symbolic links are not entered.
// Throws Fault{configuration} naming a place that is missing or cannot be listed.
[[nodiscard]] std::vector<std::filesystem::path> find_files(
    const std::vector<std::filesystem::path>& places,
    const std::vector<std::filesystem::path>& left_out);

// Holds every `owner.lock` among `files` shared while it lives, so that no server changes the files
// meanwhile.
class ServerStopped {
public:
    // Throws Fault{conflict} naming the directory if a server holds one of them.
    explicit ServerStopped(const std::vector<std::filesystem::path>& files);
    ~ServerStopped();
    ServerStopped(const ServerStopped&) = delete;
    ServerStopped& operator=(const ServerStopped&) = delete;

private:
    std::vector<int> locks_;  // file descriptors
};

}  // namespace oubliette::forensic
