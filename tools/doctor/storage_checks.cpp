#include <set>
#include <sys/statvfs.h>

#include "tools/doctor/checks.hpp"
#include "tools/doctor/file_facts.hpp"
#include "vault/backup.hpp"
#include "vault/store/store.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kRoomLow = 1'024 * kMiB;
constexpr std::uint64_t kRoomOut = 64 * kMiB;  // below it even erasures may soon have none
constexpr unsigned kPercentLow = 5;
constexpr unsigned kFillHigh = 80;  // percent of the largest map
constexpr unsigned kFillOut = 95;
constexpr std::int64_t kDay = 86'400;  // seconds
constexpr std::int64_t kBackupDaysMax = 7;

void check_one_room(const fs::path& directory, Findings& findings) {
    constexpr std::string_view kCheck = "free_space";
    struct statvfs status {};
    if (::statvfs(directory.c_str(), &status) != 0) return;  // a missing one is named elsewhere
    const std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
    const std::uint64_t all = std::uint64_t{status.f_blocks} * status.f_frsize;
    const std::uint64_t percent = all == 0 ? 0 : free * 100 / all;
    Level level = Level::ok;
    if (free < kRoomLow || percent < kPercentLow) level = Level::warning;
    if (free < kRoomOut) level = Level::problem;
    findings.push_back({level, kCheck,
                        directory.string() + ": " + std::to_string(free / kMiB) + " MiB free (" +
                            std::to_string(percent) + " %)",
                        level == Level::ok ? "" : "free disk space: a full disk refuses writes"});
}

}  // namespace

void check_data_directory(const Place& place, Findings& findings) {
    constexpr std::string_view kCheck = "data_files";
    const std::size_t before = findings.size();
    for (const fs::path& file :
         {place.data / "vault.json", place.data / "store", place.data / "store/data.mdb"}) {
        const auto status = stat_of(file);
        if (!status) {
            const bool hidden = is_hidden(file);
            findings.push_back({hidden ? Level::unknown : Level::problem, kCheck,
                                file.string() + (hidden ? " cannot be looked at" : " is missing"),
                                hidden ? "run doctor as the user that runs the server"
                                       : "restore a backup: oubliette restore DIR --data NEW"});
        } else if ((status->st_mode & 022U) != 0) {
            findings.push_back(
                {Level::problem, kCheck,
                 file.string() + " can be changed by others (" + mode_text(*status) + ")",
                 "chmod go-w " + file.string()});
        }
    }
    if (findings.size() == before) {
        findings.push_back(
            {Level::ok, kCheck, place.data.string() + ": only its owner can change it", {}});
    }
}

void check_room(const Place& place, Findings& findings) {
    std::set<dev_t> seen;
    std::vector<fs::path> directories{place.data};
    directories.insert(directories.end(), place.config.keepers.begin(), place.config.keepers.end());
    for (const fs::path& directory : directories) {
        const auto status = stat_of(directory);
        if (status && seen.insert(status->st_dev).second) check_one_room(directory, findings);
    }
    // The file never shrinks: an upper bound of what is in use, and all that can be had without
    // opening the store.
    const auto file = stat_of(place.data / "store/data.mdb");
    if (!file) return;
    const std::uint64_t bytes_max = store::StoreOptions{}.bytes_max;
    const auto percent = static_cast<std::uint64_t>(file->st_size) * 100 / bytes_max;
    Level level = percent < kFillHigh ? Level::ok : Level::warning;
    if (percent >= kFillOut) level = Level::problem;
    findings.push_back({level, "store_fill",
                        "at most " + std::to_string(percent) + " % of " +
                            std::to_string(bytes_max / kMiB) + " MiB are in use",
                        level == Level::ok
                            ? ""
                            : "the status of the server says how much really; a restored backup "
                              "is compacted"});
}

void check_backup(const Place& place, const std::optional<fs::path>& backup, Findings& findings) {
    constexpr std::string_view kCheck = "backup";
    if (!backup) {
        findings.push_back({Level::unknown, kCheck, "no backup was named",
                            "name the newest one with --backup DIR"});
        return;
    }
    try {
        const BackupManifest manifest = read_manifest(*backup);
        const std::int64_t days =
            (place.machine.now.unix_seconds() - manifest.created.unix_seconds()) / kDay;
        if (manifest.tenant != place.config.tenant) {
            findings.push_back({Level::problem, kCheck,
                                backup->string() + " is a backup of another tenant",
                                "name the newest one of this vault"});
        } else if (days > kBackupDaysMax) {
            findings.push_back({Level::warning, kCheck,
                                backup->string() + " is " + std::to_string(days) + " days old",
                                "oubliette backup DIR; then prove it: oubliette restore --drill"});
        } else {
            findings.push_back({Level::ok,
                                kCheck,
                                backup->string() + " is " + std::to_string(days) + " days old",
                                {}});
        }
    } catch (const Fault& fault) {
        findings.push_back({Level::problem, kCheck, fault.what(), "oubliette backup DIR"});
    }
}

}  // namespace oubliette::tools
