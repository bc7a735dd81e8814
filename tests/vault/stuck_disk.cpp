#include "tests/vault/stuck_disk.hpp"

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <sys/syscall.h>
#include <unistd.h>

namespace oubliette::testing {
namespace {

struct Disk {
    std::mutex mutex;
    std::condition_variable changes;
    std::string part;
    DiskState state = DiskState::good;
    std::size_t hanging = 0;
};

Disk& disk() {
    static Disk only;
    return only;
}

}  // namespace

void set_disk(const std::string& part, DiskState state) {
    {
        const std::scoped_lock lock{disk().mutex};
        disk().part = part;
        disk().state = state;
    }
    disk().changes.notify_all();
}

std::size_t hanging_calls() {
    const std::scoped_lock lock{disk().mutex};
    return disk().hanging;
}

}  // namespace oubliette::testing

// Takes the place of libc's for the whole program.
extern "C" int fdatasync(int file) {
    using namespace oubliette::testing;
    std::error_code error;
    const auto path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), error).string();
    Disk& disk_now = disk();
    {
        std::unique_lock lock{disk_now.mutex};
        const bool is_ours = !error && path.find(disk_now.part) != std::string::npos;
        if (is_ours && disk_now.state == DiskState::fails) {
            errno = EIO;
            return -1;
        }
        if (is_ours) {
            ++disk_now.hanging;
            disk_now.changes.wait(lock, [&] { return disk_now.state != DiskState::hangs; });
            --disk_now.hanging;
        }
    }
    return static_cast<int>(::syscall(SYS_fdatasync, file));
}
