#include "vault/store/owned_directory.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "vault/result.hpp"

namespace oubliette::store {
namespace {

std::string reason(int code) {
    return std::generic_category().message(code);
}

void make_directory(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), 0700) == 0) {
        const auto absolute = std::filesystem::absolute(path).lexically_normal();
        // "dir/" has an empty last component; its parent is "dir", not the folder above it.
        const auto named = absolute.has_filename() ? absolute : absolute.parent_path();
        sync_directory(named.parent_path());
        return;
    }
    const int code = errno;
    if (code == EEXIST && std::filesystem::is_directory(path)) return;
    throw Fault(FaultKind::configuration, "cannot create the directory " + path.string() + ": " +
                                              reason(code) +
                                              "; create its parent, or name another one");
}

}  // namespace

OwnedDirectory::OwnedDirectory(const std::filesystem::path& path) {
    make_directory(path);
    const auto file = path / "owner.lock";
    lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_ < 0) {
        throw Fault(FaultKind::configuration, "cannot open " + file.string() + ": " +
                                                  reason(errno) +
                                                  "; give this user write access to it");
    }
    if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
    const int code = errno;
    ::close(lock_);
    if (code == EWOULDBLOCK) {
        throw Fault(FaultKind::conflict,
                    "another oubliette serves " + path.string() + "; stop it first");
    }
    throw Fault(FaultKind::configuration, "cannot lock " + file.string() + ": " + reason(code) +
                                              "; use a local disk that supports flock");
}

OwnedDirectory::~OwnedDirectory() {
    ::close(lock_);
}

void sync_directory(const std::filesystem::path& path) {
    const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = directory >= 0 && ::fsync(directory) == 0;
    const int code = errno;
    if (directory >= 0) ::close(directory);
    if (!synced) {
        throw Fault(FaultKind::storage,
                    "cannot flush the directory " + path.string() + ": " + reason(code));
    }
}

}  // namespace oubliette::store
