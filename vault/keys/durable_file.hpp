#pragma once

#include <filesystem>
#include <utility>

#include "crypto/bytes.hpp"
#include "crypto/secret.hpp"

// Small files that must survive a power cut whole. Not thread-safe for one path.

namespace oubliette::keys {

// Owns an open file; closes it. Move-only.
class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor() { close(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

private:
    void close() noexcept;

    int fd_ = -1;
};

// Writes all of `bytes` at `offset`. Throws Fault{storage}, Fault{storage_full}; `what` starts the
// text.
void write_all(int fd, ByteView bytes, std::uint64_t offset, const char* what);

// Up to `size_max` + 1 bytes from the start, so that the caller sees that a file is too long.
// Throws Fault{storage}.
[[nodiscard]] crypto::SecretBytes read_up_to(int fd, std::size_t size_max, const char* what);

// fsync of a directory: what was created, renamed or removed in it is durable. Throws
// Fault{storage}.
void sync_directory(const std::filesystem::path& directory);

// Makes `file` (0600) with `bytes`, durably. Throws Fault{configuration} if it exists,
// Fault{storage}, Fault{storage_full}; no file is left then.
void create_file(const std::filesystem::path& file, ByteView bytes);

// Replaces `file` (0600) by `bytes`: written aside, fsync, rename, fsync of the directory. A crash
// leaves the old file or the new one. Throws Fault{storage}, Fault{storage_full}; the old file is
// untouched then.
void replace_file(const std::filesystem::path& file, ByteView bytes);

}  // namespace oubliette::keys
