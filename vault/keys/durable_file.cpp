#include "vault/keys/durable_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <system_error>
#include <unistd.h>

#include "vault/result.hpp"

namespace oubliette::keys {
namespace {

[[noreturn]] void fail(const std::string& what, int error) {
    const bool full = error == ENOSPC || error == EDQUOT;
    throw Fault{full ? FaultKind::storage_full : FaultKind::storage,
                what + ": " + std::generic_category().message(error)};
}

std::filesystem::path parent_of(const std::filesystem::path& file) {
    return file.has_parent_path() ? file.parent_path() : ".";
}

}  // namespace

void FileDescriptor::close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void write_all(int fd, ByteView bytes, std::uint64_t offset, const char* what) {
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail(what, errno);
        if (count == 0) fail(what, EIO);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
}

crypto::SecretBytes read_up_to(int fd, std::size_t size_max, const char* what) {
    crypto::SecretBytes out{size_max + 1};
    const ByteSpan room = out.expose_mut();
    std::size_t size = 0;
    while (size < room.size()) {
        const ssize_t count =
            ::pread(fd, room.data() + size, room.size() - size, static_cast<off_t>(size));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail(what, errno);
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    out.truncate(size);
    return out;
}

void sync_directory(const std::filesystem::path& directory) {
    const FileDescriptor fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd.is_open() || ::fsync(fd.get()) != 0) {
        fail("cannot sync directory " + directory.string(), errno);
    }
}

void create_file(const std::filesystem::path& file, ByteView bytes) {
    const FileDescriptor fd{
        ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!fd.is_open() && errno == EEXIST) {
        throw Fault{FaultKind::configuration, "exists already: " + file.string()};
    }
    if (!fd.is_open()) fail("cannot create " + file.string(), errno);
    try {
        write_all(fd.get(), bytes, 0, "cannot write a file");
        if (::fsync(fd.get()) != 0) fail("cannot sync " + file.string(), errno);
        sync_directory(parent_of(file));
    } catch (...) {
        ::unlink(file.c_str());
        throw;
    }
}

void replace_file(const std::filesystem::path& file, ByteView bytes) {
    std::filesystem::path aside = file;
    aside += ".new";
    // What a crash left here was never renamed, so nobody has read it.
    ::unlink(aside.c_str());
    create_file(aside, bytes);
    if (::rename(aside.c_str(), file.c_str()) != 0) {
        const int error = errno;
        ::unlink(aside.c_str());
        fail("cannot replace " + file.string(), error);
    }
    sync_directory(parent_of(file));
}

}  // namespace oubliette::keys
