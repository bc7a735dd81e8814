#include "vault/store/disk_space.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <system_error>

#include "vault/result.hpp"

namespace oubliette::store {
namespace {

[[noreturn]] void throw_storage(int code) {
    throw Fault(FaultKind::storage,
                "cannot allocate disk space: " + std::generic_category().message(code));
}

bool has_room(int file, std::uint64_t bytes) {
    struct statvfs status {};
    if (::fstatvfs(file, &status) != 0) throw_storage(errno);
    return std::uint64_t{status.f_bavail} * status.f_frsize >= bytes;
}

}  // namespace

bool allocate_room(int file, std::uint64_t from, std::uint64_t to) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0) throw_storage(errno);
    if (to > limit.rlim_cur) return false;
    if (from >= to) return true;
    int code = 0;
    do {
        code = ::fallocate(file, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                           static_cast<off_t>(to - from)) == 0
                   ? 0
                   : errno;
    } while (code == EINTR);
    if (code == ENOSPC || code == EDQUOT || code == EFBIG) return false;
    if (code == EOPNOTSUPP || code == ENOSYS) return has_room(file, to - from);
    if (code != 0) throw_storage(code);
    return true;
}

}  // namespace oubliette::store
