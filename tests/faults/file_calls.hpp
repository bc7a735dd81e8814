#pragma once

#include <cstdint>
#include <sys/types.h>
#include <sys/uio.h>

// Every call of this program that opens, reads, changes or flushes a file, also those made by LMDB
// and the standard library: a program linked with file_calls.cpp has these functions instead of
// libc's. A hook sees each call before the kernel does, and may change, refuse or record it.
//
// Not seen: reads through LMDB's map (they cannot fail, only raise SIGBUS), and stdio, which the
// product uses for nothing that must be durable. Thread-safe.

namespace oubliette::faults {

enum class CallKind : std::uint8_t {
    open,
    close,
    read,
    write,
    resize,
    allocate,
    sync,       // fsync, of a directory too
    sync_data,  // fdatasync
    make_directory,
    rename,
    link,
    unlink,
    remove_directory,
};

inline constexpr off_t kAtPosition = -1;  // offset of a read or write that has none of its own

struct FileCall {
    CallKind kind{};
    int fd = -1;                 // or the directory that `path` is relative to
    const char* path = nullptr;  // of calls by name
    int fd_to = -1;
    const char* path_to = nullptr;  // rename, link
    const iovec* parts = nullptr;   // read, write
    int part_count = 0;
    off_t offset = kAtPosition;  // read, write, allocate
    off_t size = 0;              // resize, allocate
    int flags = 0;               // open, allocate
    mode_t mode = 0;
};

// Asks the kernel. The result, or -errno.
[[nodiscard]] long execute(const FileCall& call) noexcept;

class FileCallHook {
public:
    virtual ~FileCallHook() = default;
    // What the caller gets: the result, or -errno. Most hooks end in execute(). Any thread.
    virtual long on_call(FileCall& call) noexcept = 0;
};

// From now on `hook` gets every call; null: none does. Returns the hook before. REQUIRES: `hook`
// lives until it is replaced and no call is under way.
FileCallHook* set_file_call_hook(FileCallHook* hook) noexcept;

// A hook for as long as this lives.
class HookedCalls {
public:
    explicit HookedCalls(FileCallHook& hook) noexcept : before_(set_file_call_hook(&hook)) {}
    ~HookedCalls() { set_file_call_hook(before_); }
    HookedCalls(const HookedCalls&) = delete;
    HookedCalls& operator=(const HookedCalls&) = delete;

private:
    FileCallHook* const before_;
};

// A disk whose flushes cost nothing: for a check of files that nobody will cut the power of.
class UnsyncedDisk final : public FileCallHook {
public:
    long on_call(FileCall& call) noexcept override;
};

}  // namespace oubliette::faults
