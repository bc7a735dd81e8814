#include "tests/faults/file_calls.hpp"

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Straight to the kernel: libc's own functions are what this file replaces.

namespace oubliette::faults {
namespace {

std::atomic<FileCallHook*> current_hook{nullptr};

long kernel(long result) noexcept {
    return result < 0 ? -errno : result;
}

long move_bytes(const FileCall& call) noexcept {
    const bool is_read = call.kind == CallKind::read;
    if (call.part_count == 1) {
        const iovec& part = *call.parts;
        if (call.offset == kAtPosition) {
            return ::syscall(is_read ? SYS_read : SYS_write, call.fd, part.iov_base, part.iov_len);
        }
        return ::syscall(is_read ? SYS_pread64 : SYS_pwrite64, call.fd, part.iov_base, part.iov_len,
                         call.offset);
    }
    if (call.offset == kAtPosition) {
        return ::syscall(is_read ? SYS_readv : SYS_writev, call.fd, call.parts, call.part_count);
    }
    return ::syscall(is_read ? SYS_preadv : SYS_pwritev, call.fd, call.parts, call.part_count,
                     call.offset, 0L);
}

long pass(FileCall& call) noexcept {
    FileCallHook* const hook = current_hook.load(std::memory_order_acquire);
    const int before = errno;
    const long result = hook != nullptr ? hook->on_call(call) : execute(call);
    errno = result < 0 ? static_cast<int>(-result) : before;
    return result < 0 ? -1 : result;
}

int pass_int(FileCall call) noexcept {
    return static_cast<int>(pass(call));
}

int open_at(int directory, const char* path, int flags, mode_t mode) noexcept {
    FileCall call{CallKind::open};
    call.fd = directory;
    call.path = path;
    call.flags = flags;
    call.mode = mode;
    return pass_int(call);
}

ssize_t move_parts(CallKind kind, int fd, const iovec* parts, int count, off_t offset) noexcept {
    FileCall call{kind};
    call.fd = fd;
    call.parts = parts;
    call.part_count = count;
    call.offset = offset;
    return pass(call);
}

ssize_t move_block(CallKind kind, int fd, void* data, std::size_t size, off_t offset) noexcept {
    const iovec part{data, size};
    return move_parts(kind, fd, &part, 1, offset);
}

ssize_t write_block(int fd, const void* data, std::size_t size, off_t offset) noexcept {
    return move_block(CallKind::write, fd, const_cast<void*>(data), size, offset);
}

int by_fd(CallKind kind, int fd) noexcept {
    FileCall call{kind};
    call.fd = fd;
    return pass_int(call);
}

int by_name(CallKind kind, int directory, const char* path, mode_t mode = 0) noexcept {
    FileCall call{kind};
    call.fd = directory;
    call.path = path;
    call.mode = mode;
    return pass_int(call);
}

int by_names(CallKind kind, const char* from, const char* to) noexcept {
    FileCall call{kind};
    call.fd = call.fd_to = AT_FDCWD;
    call.path = from;
    call.path_to = to;
    return pass_int(call);
}

int resize(int fd, off_t size) noexcept {
    FileCall call{CallKind::resize};
    call.fd = fd;
    call.size = size;
    return pass_int(call);
}

int allocate(int fd, int mode, off_t offset, off_t size) noexcept {
    FileCall call{CallKind::allocate};
    call.fd = fd;
    call.flags = mode;
    call.offset = offset;
    call.size = size;
    return pass_int(call);
}

mode_t mode_in(int flags, va_list arguments) noexcept {
    const bool has_mode = (flags & (O_CREAT | O_TMPFILE)) != 0;
    return has_mode ? static_cast<mode_t>(va_arg(arguments, unsigned)) : 0;
}

}  // namespace

FileCallHook* set_file_call_hook(FileCallHook* hook) noexcept {
    return current_hook.exchange(hook, std::memory_order_acq_rel);
}

long execute(const FileCall& call) noexcept {
    switch (call.kind) {
    case CallKind::open:
        return kernel(::syscall(SYS_openat, call.fd, call.path, call.flags, call.mode));
    case CallKind::close: return kernel(::syscall(SYS_close, call.fd));
    case CallKind::read:
    case CallKind::write: return kernel(move_bytes(call));
    case CallKind::resize: return kernel(::syscall(SYS_ftruncate, call.fd, call.size));
    case CallKind::allocate:
        return kernel(::syscall(SYS_fallocate, call.fd, call.flags, call.offset, call.size));
    case CallKind::sync: return kernel(::syscall(SYS_fsync, call.fd));
    case CallKind::sync_data: return kernel(::syscall(SYS_fdatasync, call.fd));
    case CallKind::make_directory:
        return kernel(::syscall(SYS_mkdirat, call.fd, call.path, call.mode));
    case CallKind::rename:
        return kernel(::syscall(SYS_renameat2, call.fd, call.path, call.fd_to, call.path_to, 0));
    case CallKind::link:
        return kernel(::syscall(SYS_linkat, call.fd, call.path, call.fd_to, call.path_to, 0));
    case CallKind::unlink: return kernel(::syscall(SYS_unlinkat, call.fd, call.path, 0));
    case CallKind::remove_directory:
        return kernel(::syscall(SYS_unlinkat, call.fd, call.path, AT_REMOVEDIR));
    }
    return -ENOSYS;
}

long UnsyncedDisk::on_call(FileCall& call) noexcept {
    if (call.kind == CallKind::sync || call.kind == CallKind::sync_data ||
        call.kind == CallKind::allocate) {
        return 0;
    }
    if (call.kind == CallKind::open) call.flags &= ~(O_DIRECT | O_DSYNC | O_SYNC);
    return execute(call);
}

}  // namespace oubliette::faults

using oubliette::faults::CallKind;
using oubliette::faults::kAtPosition;
namespace calls = oubliette::faults;

// ---- libc's names ----

extern "C" {

int open(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = calls::mode_in(flags, arguments);
    va_end(arguments);
    return calls::open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = calls::mode_in(flags, arguments);
    va_end(arguments);
    return calls::open_at(AT_FDCWD, path, flags, mode);
}
int openat(int directory, const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = calls::mode_in(flags, arguments);
    va_end(arguments);
    return calls::open_at(directory, path, flags, mode);
}
// What open() becomes with _FORTIFY_SOURCE.
int __open_2(const char* path, int flags) {
    return calls::open_at(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char* path, int flags) {
    return calls::open_at(AT_FDCWD, path, flags, 0);
}
int __openat_2(int directory, const char* path, int flags) {
    return calls::open_at(directory, path, flags, 0);
}

int close(int fd) {
    return calls::by_fd(CallKind::close, fd);
}

ssize_t read(int fd, void* data, size_t size) {
    return calls::move_block(CallKind::read, fd, data, size, kAtPosition);
}
ssize_t pread(int fd, void* data, size_t size, off_t offset) {
    return calls::move_block(CallKind::read, fd, data, size, offset);
}
ssize_t pread64(int fd, void* data, size_t size, off64_t offset) {
    return calls::move_block(CallKind::read, fd, data, size, offset);
}
ssize_t __read_chk(int fd, void* data, size_t size, size_t /*room*/) {
    return calls::move_block(CallKind::read, fd, data, size, kAtPosition);
}
ssize_t __pread_chk(int fd, void* data, size_t size, off_t offset, size_t /*room*/) {
    return calls::move_block(CallKind::read, fd, data, size, offset);
}
ssize_t write(int fd, const void* data, size_t size) {
    return calls::write_block(fd, data, size, kAtPosition);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    return calls::write_block(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
    return calls::write_block(fd, data, size, offset);
}
ssize_t writev(int fd, const iovec* parts, int count) {
    return calls::move_parts(CallKind::write, fd, parts, count, kAtPosition);
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
    return calls::move_parts(CallKind::write, fd, parts, count, offset);
}

int ftruncate(int fd, off_t size) noexcept {
    return calls::resize(fd, size);
}
int ftruncate64(int fd, off64_t size) noexcept {
    return calls::resize(fd, size);
}
int fallocate(int fd, int mode, off_t offset, off_t size) {
    return calls::allocate(fd, mode, offset, size);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
    return calls::allocate(fd, mode, offset, size);
}

int fsync(int fd) {
    return calls::by_fd(CallKind::sync, fd);
}
int fdatasync(int fd) {
    return calls::by_fd(CallKind::sync_data, fd);
}

int mkdir(const char* path, mode_t mode) noexcept {
    return calls::by_name(CallKind::make_directory, AT_FDCWD, path, mode);
}
int rename(const char* from, const char* to) noexcept {
    return calls::by_names(CallKind::rename, from, to);
}
int link(const char* from, const char* to) noexcept {
    return calls::by_names(CallKind::link, from, to);
}
int unlink(const char* path) noexcept {
    return calls::by_name(CallKind::unlink, AT_FDCWD, path);
}
int rmdir(const char* path) noexcept {
    return calls::by_name(CallKind::remove_directory, AT_FDCWD, path);
}
int unlinkat(int directory, const char* path, int flags) noexcept {
    const bool is_directory = (flags & AT_REMOVEDIR) != 0;
    return calls::by_name(is_directory ? CallKind::remove_directory : CallKind::unlink, directory,
                          path);
}
int remove(const char* path) noexcept {
    const int removed = unlink(path);
    return removed != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(path) : removed;
}

}  // extern "C"
