#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <sys/types.h>

// What lies below a file system: the kernel's tree of block devices in /sys/dev/block.

namespace oubliette::tools {

struct BlockDevice {
    std::string name;             // "vda2", "dm-0"; empty: no device (tmpfs, overlay, network)
    std::set<std::string> disks;  // whole disks it ends in
    bool is_encrypted = false;    // by dm-crypt on every way down to a disk
    bool is_logical_volume = false;
    bool is_thin = false;       // a thin volume: its blocks are moved when a snapshot exists
    bool has_snapshot = false;  // a snapshot of it exists, or it is one
};

// `sys` is /sys. An empty device if the kernel tells nothing about it.
[[nodiscard]] BlockDevice find_block_device(const std::filesystem::path& sys, dev_t device);

}  // namespace oubliette::tools
