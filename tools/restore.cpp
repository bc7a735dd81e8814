#include "tools/restore.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "api/self_signed.hpp"
#include "crypto/encoding.hpp"
#include "tools/cli.hpp"
#include "tools/durable_file.hpp"
#include "tools/vault_config.hpp"
#include "vault/keys/keeper_files.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

std::string counts(const DrillCount& count) {
    return std::to_string(count.open) + " open, " + std::to_string(count.erased) + " erased, " +
           std::to_string(count.damaged) + " damaged";
}

nlohmann::ordered_json json_of(const DrillCount& count) {
    return {{"open", count.open}, {"erased", count.erased}, {"damaged", count.damaged}};
}

// Takes back what a restore made.
class NewDirectory {
public:
    explicit NewDirectory(fs::path path) : path_(std::move(path)), existed_(fs::exists(path_)) {
        if (existed_ && (!fs::is_directory(path_) || !fs::is_empty(path_))) {
            throw CommandError(Exit::input,
                               path_.string() + " is not empty; name a new directory with --data");
        }
        fs::create_directories(path_);
        fs::permissions(path_, fs::perms::owner_all);
    }
    ~NewDirectory() {
        if (is_kept_) return;
        std::error_code ignored;  // already failing; the first reason is the one to tell
        if (!existed_) {
            fs::remove_all(path_, ignored);
            return;
        }
        for (const auto& entry : fs::directory_iterator{path_, ignored}) {
            fs::remove_all(entry.path(), ignored);
        }
    }
    NewDirectory(const NewDirectory&) = delete;
    NewDirectory& operator=(const NewDirectory&) = delete;
    void keep() noexcept { is_kept_ = true; }

private:
    fs::path path_;
    bool existed_;
    bool is_kept_ = false;
};

// The locks a server holds, held while they live, so that none starts meanwhile.
std::vector<keys::FileLock> lock_keepers(const std::vector<fs::path>& keepers) {
    std::vector<keys::FileLock> locks;
    for (const fs::path& keeper : keepers) {
        keys::FileLock& lock = locks.emplace_back(keeper / keys::kOwnerLock);
        if (lock.try_exclusive()) continue;
        throw CommandError(Exit::input, "a server is running on keeper " + keeper.string() +
                                            "; stop it, then restore (a --drill needs no stop)");
    }
    return locks;
}

void sync_file(const fs::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && ::fsync(fd) == 0;
    if (fd >= 0) (void)::close(fd);
    if (!is_synced) throw CommandError(Exit::failed, file.string() + " cannot be made durable");
}

void copy_store(const BackupManifest& manifest, const fs::path& from, const fs::path& to) {
    fs::create_directories(to);
    fs::permissions(to, fs::perms::owner_all);
    for (const BackupFile& file : manifest.files) {
        std::error_code error;
        fs::copy_file(from / file.name, to / file.name, error);
        if (error) {
            throw CommandError(Exit::failed, file.name + " cannot be copied to " + to.string() +
                                                 ": " + error.message());
        }
        fs::permissions(to / file.name, fs::perms::owner_read | fs::perms::owner_write);
        sync_file(to / file.name);
    }
    // What was copied, not what was read before: a disk may lie in between.
    check_backup_files(to, manifest);
    sync_folder_of((to / "data.mdb").string());
    sync_folder_of(to.string());
}

}  // namespace

std::string drill_text(const DrillReport& report) {
    const BackupManifest& manifest = report.manifest;
    std::string text = "backup of vault " + crypto::hex_encode(manifest.vault) + ", tenant " +
                       manifest.tenant + ", " + std::to_string(manifest.state.log_size) +
                       " audit entries\n";
    text += "keepers used  " + std::to_string(report.keepers.size()) + "\n";
    text += "people        " + counts(report.people) + "\n";
    text += "values        " + counts(report.values);
    if (report.values_retention_ended > 0) {
        text += " (of the erased, " + std::to_string(report.values_retention_ended) +
                " because their time was over)";
    }
    text += "\nconsents      " + counts(report.consents) + "\n";
    text += std::string{"audit log     "} + (report.is_log_whole ? "whole" : "DAMAGED") + "\n";
    if (report.records_damaged > 0) {
        text += "other records " + std::to_string(report.records_damaged) + " damaged\n";
    }
    text += "nobody erased opens: ";
    if (report.erased_but_open == 0) {
        text += "true; the keys of " + std::to_string(report.rows_of_erased_asked) +
                " rows of erased people were asked for at every keeper, and all are destroyed\n";
    } else {
        text += "FALSE: " + std::to_string(report.erased_but_open) +
                " keys that should be destroyed are still held by a keeper that was away; start "
                "the server with all keepers, wait until /v1/status shows no waiting revocations, "
                "and drill again\n";
    }
    std::array<char, 64> time{};
    (void)std::snprintf(time.data(), time.size(), "%.1f s; nothing was written anywhere",
                        report.seconds);
    text += std::string{report.passed() ? "PASSED" : "FAILED"} + " in " + time.data();
    return text;
}

std::string drill_json(const DrillReport& report) {
    nlohmann::ordered_json json;
    json["passed"] = report.passed();
    json["vault"] = crypto::hex_encode(report.manifest.vault);
    json["tenant"] = report.manifest.tenant;
    json["generation"] = report.manifest.state.generation;
    json["sequence"] = report.manifest.state.sequence;
    json["log_size"] = report.manifest.state.log_size;
    json["log_root"] = crypto::hex_encode(report.manifest.state.log_root);
    json["log_whole"] = report.is_log_whole;
    json["people"] = json_of(report.people);
    json["values"] = json_of(report.values);
    json["values"]["retention_ended"] = report.values_retention_ended;
    json["consents"] = json_of(report.consents);
    json["records_damaged"] = report.records_damaged;
    json["erased_rows_asked"] = report.rows_of_erased_asked;
    json["erased_but_open"] = report.erased_but_open;
    json["keepers_used"] = report.keepers.size();
    json["keepers_unusable"] = report.keepers_unusable;
    json["seconds"] = report.seconds;
    return json.dump();
}

DrillReport restore_vault(const RestoreOptions& options, const keys::SealSecret& seal) {
    const fs::path data = fs::absolute(options.data);
    NewDirectory made{data};
    VaultConfig config;
    for (const fs::path& keeper : options.keepers) config.keepers.push_back(fs::absolute(keeper));
    check_keepers_apart(data, config.keepers);

    DrillOptions drill;
    drill.backup = options.backup;
    drill.keepers = options.keepers;
    const DrillReport report = run_drill(drill, seal);
    const std::vector<keys::FileLock> locks = lock_keepers(report.keepers);
    if (!report.passed()) {
        say(drill_text(report));
        throw CommandError(Exit::input, "the backup is not restored: see what the drill found");
    }
    copy_store(report.manifest, options.backup, data / "store");
    fs::create_directories(data / "tls");
    fs::permissions(data / "tls", fs::perms::owner_all);
    api::make_self_signed(data / "tls");
    config.tenant = report.manifest.tenant;
    config.seal = absolute_seal(options.seal);
    config.listen = report.manifest.settings.listen;
    config.accept_besteffort = report.manifest.settings.accept_besteffort;
    config.certificate = data / "tls/server.pem";
    config.key = data / "tls/server.key";
    write_vault_config(data, config);
    made.keep();
    return report;
}

}  // namespace oubliette::tools
