#include "tools/doctor/block_device.hpp"

#include <fstream>
#include <string_view>
#include <sys/sysmacros.h>

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kDepthMax = 16;  // devices on devices: crypt on a volume on RAID on a partition

std::string first_line(const fs::path& file) {
    std::ifstream in{file};
    std::string line;
    std::getline(in, line);
    return line;
}

// The device mapper names who made a device, and LVM says which part of a volume it is.
void read_mapping(const std::string& uuid, BlockDevice& device) {
    const auto is_part = [&uuid](std::string_view part) { return uuid.ends_with(part); };
    if (!uuid.starts_with("LVM-")) return;
    device.is_logical_volume = true;
    device.is_thin = device.is_thin || is_part("-tpool") || is_part("-pool");
    device.has_snapshot = device.has_snapshot || is_part("-real") || is_part("-cow");
}

// Adds `directory` and all below it. True if every way down goes through dm-crypt.
bool descend(const fs::path& directory, unsigned depth, BlockDevice& device) {
    std::error_code error;
    const std::string uuid = first_line(directory / "dm/uuid");
    read_mapping(uuid, device);
    bool has_slaves = false;
    bool is_encrypted = true;
    for (const auto& slave : fs::directory_iterator{directory / "slaves", error}) {
        if (depth == kDepthMax) break;
        has_slaves = true;
        const bool below = descend(fs::canonical(slave.path(), error), depth + 1, device);
        is_encrypted = is_encrypted && below;
    }
    if (!has_slaves) {
        const bool is_partition = fs::exists(directory / "partition", error);
        device.disks.insert((is_partition ? directory.parent_path() : directory).filename());
    }
    return uuid.starts_with("CRYPT-") || (has_slaves && is_encrypted);
}

}  // namespace

BlockDevice find_block_device(const fs::path& sys, dev_t device) {
    BlockDevice found;
    std::error_code error;
    const std::string number = std::to_string(major(device)) + ":" + std::to_string(minor(device));
    const fs::path directory = fs::canonical(sys / "dev/block" / number, error);
    if (error) return found;
    found.name = directory.filename();
    found.is_encrypted = descend(directory, 0, found);
    return found;
}

}  // namespace oubliette::tools
