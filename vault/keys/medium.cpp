#include "vault/keys/medium.hpp"

#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

namespace oubliette::keys {
namespace {

// statfs(2) numbers, as the kernel's headers have them; most are not in <linux/magic.h>.
constexpr std::uint64_t kExt = 0xEF53;  // ext2, ext3 and ext4
constexpr std::uint64_t kXfs = 0x58465342;
struct NamedFileSystem {
    std::uint64_t number;
    std::string_view name;
};
constexpr NamedFileSystem kNamed[] = {
    {kExt, "ext4"},           {kXfs, "xfs"},
    {0x9123683E, "btrfs"},    {0x2FC12FC1, "zfs"},
    {0xF2F52010, "f2fs"},     {0x794C7630, "overlayfs"},
    {0x01021994, "tmpfs"},    {0x858458F6, "ramfs"},
    {0x6969, "nfs"},          {0x65735546, "fuse"},
    {0xCA451A4E, "bcachefs"}, {0xFF534D42, "cifs"},
    {0xFE534D42, "smb"},      {0x01021997, "9p"},
    {0x5346544E, "ntfs"},     {0x4D44, "fat"},
    {0x2011BAB0, "exfat"},    {0x00C36400, "ceph"},
};

// f_type is signed and narrow on some architectures: the numbers above are 32 bits.
std::uint64_t file_system_number(int fd) noexcept {
    struct statfs stat {};
    if (::fstatfs(fd, &stat) != 0) return 0;
    return static_cast<std::uint64_t>(stat.f_type) & 0xFFFF'FFFF;
}

// With data=journal every block is written to the journal first, and stays there for a while after
// the overwrite. The option is per mount, the flag per file; both must be off.
bool data_is_journaled(int fd) {
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_JOURNAL_DATA_FL) != 0) return true;
    struct stat status {};
    if (::fstat(fd, &status) != 0) return true;
    char device[32];
    std::snprintf(device, sizeof device, " %u:%u ", major(status.st_dev), minor(status.st_dev));
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(device) != std::string::npos &&
            line.find("data=journal") != std::string::npos) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::string file_system_name(int fd) {
    const std::uint64_t number = file_system_number(fd);
    for (const NamedFileSystem& known : kNamed) {
        if (known.number == number) return std::string{known.name};
    }
    char text[40];
    std::snprintf(text, sizeof text, "file system 0x%llX", static_cast<unsigned long long>(number));
    return text;
}

std::optional<std::uint64_t> physical_block(int fd, std::uint64_t offset,
                                            std::uint64_t size) noexcept {
    // The kernel's struct ends in a flexible array; this gives it one element.
    union {
        struct fiemap map;
        char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
    } request = {};
    request.map.fm_start = offset;
    request.map.fm_length = size;
    request.map.fm_flags = FIEMAP_FLAG_SYNC;
    request.map.fm_extent_count = 1;
    if (::ioctl(fd, FS_IOC_FIEMAP, &request.map) != 0) return std::nullopt;
    if (request.map.fm_mapped_extents != 1) return std::nullopt;

    const struct fiemap_extent& extent = request.map.fm_extents[0];
    constexpr std::uint32_t kRefused =
        FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |
        FIEMAP_EXTENT_DATA_ENCRYPTED | FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE |
        FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_SHARED;
    if ((extent.fe_flags & kRefused) != 0) return std::nullopt;
    if (extent.fe_logical > offset) return std::nullopt;
    if (extent.fe_logical + extent.fe_length < offset + size) return std::nullopt;
    return extent.fe_physical + (offset - extent.fe_logical);
}

CellClass class_of_file_system(int fd) noexcept try {
    const std::uint64_t number = file_system_number(fd);
    const bool overwrites = number == kExt || number == kXfs;
    return overwrites && !data_is_journaled(fd) ? CellClass::software : CellClass::besteffort;
} catch (...) {
    return CellClass::besteffort;  // out of memory while reading the mounts: promise nothing
}

}  // namespace oubliette::keys
