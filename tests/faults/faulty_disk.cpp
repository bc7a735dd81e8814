#include "tests/faults/faulty_disk.hpp"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

namespace oubliette::faults {
namespace {

std::optional<CallGroup> group_of(CallKind kind) noexcept {
    switch (kind) {
    case CallKind::open:
    case CallKind::make_directory: return CallGroup::opening;
    case CallKind::close: return std::nullopt;
    case CallKind::read: return CallGroup::reading;
    case CallKind::write:
    case CallKind::resize:
    case CallKind::allocate: return CallGroup::writing;
    case CallKind::sync:
    case CallKind::sync_data: return CallGroup::flushing;
    case CallKind::rename:
    case CallKind::link:
    case CallKind::unlink:
    case CallKind::remove_directory: return CallGroup::naming;
    }
    return std::nullopt;
}

// What the kernel says when all of it happened.
long size_of(const FileCall& call) noexcept {
    if (call.kind != CallKind::write) return 0;
    std::size_t size = 0;
    for (int i = 0; i < call.part_count; ++i) size += call.parts[i].iov_len;
    return static_cast<long>(size);
}

std::string path_of_fd(int fd) {
    std::array<char, 4'096> path{};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
    return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : std::string{};
}

}  // namespace

const char* name_of(CallGroup group) noexcept {
    switch (group) {
    case CallGroup::reading: return "reading";
    case CallGroup::writing: return "writing";
    case CallGroup::flushing: return "flushing";
    case CallGroup::opening: return "opening";
    case CallGroup::naming: return "naming";
    }
    return "";
}

const char* name_of(Spread spread) noexcept {
    switch (spread) {
    case Spread::once: return "once";
    case Spread::device: return "a device from then on";
    case Spread::everything: return "everything from then on";
    }
    return "";
}

std::string text_of(const DiskFault& fault) {
    return std::string{name_of(fault.group)} + " fails with " + ::strerrorname_np(fault.error) +
           (fault.happens_anyway ? " though it happened, " : ", ") + name_of(fault.spread);
}

void FaultyDisk::arm(const DiskFault& fault, std::uint64_t at) {
    const std::lock_guard lock{mutex_};
    fault_ = fault;
    at_ = at;
    is_broken_ = false;
    broken_device_.clear();
    calls_ = 0;
    failed_ = 0;
    is_armed_ = true;
}

void FaultyDisk::disarm() {
    is_armed_ = false;
}

std::string FaultyDisk::device_of(const FileCall& call) const {
    std::string path = call.path != nullptr ? call.path : path_of_fd(call.fd);
    if (!path.starts_with('/')) {
        path = call.fd == AT_FDCWD ? std::string{} : path_of_fd(call.fd) + '/' + path;
    }
    const std::string prefix = home_.string() + '/';
    if (!path.starts_with(prefix)) return {};
    return path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size());
}

bool FaultyDisk::must_fail(const FileCall& call) {
    const auto group = group_of(call.kind);
    if (!group) return false;
    const std::string device = device_of(call);
    if (device.empty()) return false;
    const std::lock_guard lock{mutex_};
    if (is_broken_) {
        return fault_.spread == Spread::everything ||
               (fault_.spread == Spread::device && device == broken_device_);
    }
    if (group != fault_.group || ++calls_ != at_) return false;
    is_broken_ = true;
    broken_device_ = device;
    return true;
}

long FaultyDisk::on_call(FileCall& call) noexcept {
    if (!is_armed_ || !must_fail(call)) return disk_.on_call(call);
    ++failed_;
    if (fault_.happens_anyway) (void)disk_.on_call(call);
    return fault_.error != 0 ? -fault_.error : size_of(call);
}

}  // namespace oubliette::faults
