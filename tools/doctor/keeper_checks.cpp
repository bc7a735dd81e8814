#include <algorithm>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "tools/doctor/block_device.hpp"
#include "tools/doctor/checks.hpp"
#include "tools/doctor/file_facts.hpp"
#include "vault/keys/cell.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/medium.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunAsOwner = "run doctor as the user that runs the server";

void check_apart(const Place& place, Findings& findings) {
    constexpr std::string_view kCheck = "keepers_apart";
    try {
        keys::check_directories(place.config.keepers, place.data, 1);
    } catch (const Fault& fault) {
        findings.push_back({Level::problem, kCheck, fault.what(), {}});
        return;
    }
    findings.push_back({Level::ok, kCheck, "keepers lie outside the data and of each other", {}});
}

// What two keepers share: nothing (empty), a file system or a disk.
std::string shared_medium(const Machine& machine, const fs::path& a, const fs::path& b) {
    const auto first = stat_of(a);
    const auto second = stat_of(b);
    if (!first || !second) return {};
    if (first->st_dev == second->st_dev) return "one file system";
    const BlockDevice left = find_block_device(machine.sys, first->st_dev);
    const BlockDevice right = find_block_device(machine.sys, second->st_dev);
    for (const std::string& disk : left.disks) {
        if (right.disks.contains(disk)) return "one disk (" + disk + ")";
    }
    return {};
}

void check_devices(const Place& place, Findings& findings) {
    const auto& keepers = place.config.keepers;
    bool is_shared = false;
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        for (std::size_t j = i + 1; j < keepers.size(); ++j) {
            const std::string shared = shared_medium(place.machine, keepers[i], keepers[j]);
            if (shared.empty()) continue;
            is_shared = true;
            findings.push_back({Level::warning, "keeper_devices",
                                keepers[i].string() + " AND " + keepers[j].string() + " ARE ON " +
                                    shared +
                                    ": when it dies, every key is gone and with it "
                                    "everything that is stored",
                                "move one keeper to another device"});
        }
    }
    if (keepers.size() == 1) {
        findings.push_back({Level::problem, "keeper_devices",
                            keepers[0].string() + " IS THE ONLY KEEPER: when it dies, every key is "
                                                  "gone and with it everything that is stored",
                            "enrol another one, on another device: oubliette keeper enrol DIR"});
    } else if (!is_shared) {
        findings.push_back({Level::ok, "keeper_devices", "no two keepers share a device", {}});
    }
}

// Each file of a keeper is its owner's alone.
void check_files(const fs::path& keeper, const struct stat& owner, Findings& findings) {
    constexpr std::string_view kCheck = "keeper_files";
    const std::size_t before = findings.size();
    for (const char* name : {keys::kCellFile, keys::kSealFile, keys::kSigningFile}) {
        if (stat_of(keeper / name)) continue;
        findings.push_back({Level::problem, kCheck, (keeper / name).string() + " is missing",
                            "a keeper cannot be repaired by copying files: enrol another one in "
                            "its place"});
    }
    if (keys::plane_numbers(keeper).empty()) {
        findings.push_back({Level::problem, kCheck, keeper.string() + " has no plane directory",
                            "the server rebuilds it from another keeper at its next start"});
    }
    if (stat_of(keeper / keys::kUnfinishedMark)) {
        findings.push_back({Level::problem, kCheck, keeper.string() + ": init did not end",
                            "run `oubliette init` again"});
    }
    if (stat_of(keeper / keys::kJoiningMark)) {
        findings.push_back({Level::warning, kCheck, keeper.string() + " is still being enrolled",
                            "it goes on while the server runs, or at its next start"});
    }
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator{keeper, error}) {
        const auto status = stat_of(entry.path());
        if (!status) continue;
        const std::string file = entry.path().string();
        if (is_open_to_others(*status)) {
            const bool is_directory = S_ISDIR(status->st_mode);
            findings.push_back({Level::problem, kCheck,
                                file + " is open to others (" + mode_text(*status) + ")",
                                std::string{"chmod "} + (is_directory ? "700 " : "600 ") + file});
        }
        if (status->st_uid != owner.st_uid) {
            findings.push_back({Level::warning, kCheck,
                                file + " has another owner than " + keeper.string(),
                                "chown it to the user that runs the server"});
        }
    }
    if (findings.size() == before) {
        findings.push_back({Level::ok, kCheck, keeper.string() + ": files are its owner's", {}});
    }
}

// True if what is below can be looked at.
bool check_directory(const Place& place, const fs::path& keeper, Findings& findings) {
    constexpr std::string_view kCheck = "keeper_directory";
    const auto status = stat_of(keeper);
    if (!status || !S_ISDIR(status->st_mode)) {
        const bool hidden = is_hidden(keeper);
        findings.push_back({hidden ? Level::unknown : Level::problem, kCheck,
                            keeper.string() + (hidden ? " cannot be looked at" : " is missing"),
                            hidden ? kRunAsOwner
                                   : "mount its device; if it is lost for good, enrol another "
                                     "keeper in its place"});
        return false;
    }
    if (is_open_to_others(*status)) {
        findings.push_back({Level::problem, kCheck,
                            keeper.string() + " is open to others (" + mode_text(*status) + ")",
                            "chmod 700 " + keeper.string()});
    } else {
        findings.push_back({Level::ok, kCheck, keeper.string() + " is 0700", {}});
    }
    const auto data = stat_of(place.data);
    if (data && data->st_uid != status->st_uid) {
        findings.push_back({Level::warning, kCheck,
                            keeper.string() + " has another owner than the data",
                            "chown it to the user that runs the server"});
    }
    std::error_code error;
    const fs::directory_iterator probe{keeper, error};
    if (error) {
        findings.push_back(
            {Level::unknown, kCheck, keeper.string() + " cannot be looked into", kRunAsOwner});
        return false;
    }
    check_files(keeper, *status, findings);
    return true;
}

// The class that the cell was made with; nullopt if neither block says.
std::optional<keys::CellClass> class_in_header(const keys::Cell& cell) {
    for (unsigned slot = 0; slot < keys::kCellSlotCount; ++slot) {
        if (const auto header = cell.header(slot)) return header->cell_class;
    }
    return std::nullopt;
}

void check_class(const Place& place, const fs::path& file, Findings& findings) {
    constexpr std::string_view kCheck = "cell";
    const keys::Cell cell{file, true};
    const keys::FileDescriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
    const std::string on = file.string() + " on " + keys::file_system_name(descriptor.get());
    if (cell.cell_class() == keys::CellClass::software) {
        findings.push_back({Level::ok,
                            kCheck,
                            on + ": overwritten in place, both blocks written "
                                 "and unshared (class S)",
                            {}});
    } else if (class_in_header(cell) == keys::CellClass::software) {
        findings.push_back({Level::problem, kCheck,
                            on + ": made as class S, but its blocks are not overwritten in place "
                                 "any more",
                            "find out what moved it (a copy, a snapshot, other mount options); "
                            "enrol a new keeper and expel this one"});
    } else {
        findings.push_back({place.config.accept_besteffort ? Level::warning : Level::problem,
                            kCheck, on + ": not overwritten in place, or not known to be (class B)",
                            "for class S move the keeper to ext4 or xfs, without data=journal"});
    }
}

void check_cell(const Place& place, const fs::path& keeper, Findings& findings) {
    const fs::path file = keeper / keys::kCellFile;
    if (!stat_of(file)) return;  // named by check_files
    try {
        check_class(place, file, findings);
    } catch (const Fault& fault) {
        findings.push_back({Level::problem, "cell", file.string() + ": " + fault.what(),
                            "enrol another keeper in its place"});
    }
}

// Whatever copies the cell keeps the keys that it destroyed (KEYS 3, finding 7).
void check_copies(const Place& place, const fs::path& keeper, Findings& findings) {
    constexpr std::string_view kCheck = "cell_copies";
    const auto status = stat_of(keeper);
    if (!status) return;
    const BlockDevice device = find_block_device(place.machine.sys, status->st_dev);
    const std::size_t before = findings.size();
    if (device.has_snapshot) {
        findings.push_back({Level::problem, kCheck,
                            keeper.string() + " is on a volume that has a snapshot: keys that were "
                                              "destroyed since are in it",
                            "remove the snapshot; what was erased since it was made is not gone "
                            "before that"});
    } else if (device.is_thin) {
        findings.push_back({Level::warning, kCheck,
                            keeper.string() + " is on a thin volume: an overwritten block may stay "
                                              "in the pool",
                            "move the keeper to an ordinary volume"});
    }
    const keys::FileDescriptor file{
        ::open((keeper / keys::kCellFile).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
    int flags = 0;
    if (file.is_open() && ::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) == 0 &&
        (flags & FS_NODUMP_FL) == 0) {
        findings.push_back({Level::warning, kCheck,
                            (keeper / keys::kCellFile).string() + " is not left out of dumps",
                            "chattr +d " + (keeper / keys::kCellFile).string()});
    }
    if (findings.size() == before) {
        std::string fact = keeper.string() + ": no snapshot is seen";
        fact += device.is_logical_volume ? "; it is on a logical volume: never snapshot that one"
                                         : "; a hypervisor's cannot be seen from here";
        findings.push_back({Level::ok, kCheck, fact, {}});
    }
}

}  // namespace

void check_keepers_together(const Place& place, Findings& findings) {
    check_apart(place, findings);
    check_devices(place, findings);
}

void check_keeper(const Place& place, const fs::path& keeper, Findings& findings) {
    if (!check_directory(place, keeper, findings)) return;
    check_cell(place, keeper, findings);
    check_copies(place, keeper, findings);
}

}  // namespace oubliette::tools
