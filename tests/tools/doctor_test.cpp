#include <algorithm>
#include <map>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "api/self_signed.hpp"
#include "tests/tools/vault_place.hpp"
#include "tools/doctor/block_device.hpp"
#include "tools/doctor/checks.hpp"
#include "tools/doctor/examine.hpp"
#include "vault/backup.hpp"

using namespace oubliette;
using namespace oubliette::tools;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDay = 86'400;  // seconds

// A vault, its key file elsewhere, and a system that tells what a test wants it to tell.
struct Patient {
    VaultPlace vault;
    TempFolder system;
    Examination examination;

    Patient() {
        const fs::path away = vault.home / "away/seal.key";
        fs::create_directories(away.parent_path());
        fs::rename(vault.home / "seal.key", away);
        config.seal = "keyfile:" + away.string();
        write_vault_config(data(), config);
        examination.data = data();
        examination.machine.proc = system / "proc";
        examination.machine.sys = system / "sys";
        examination.machine.now = SystemClock{}.now();
        fs::create_directories(examination.machine.proc);
        swaps("");
    }
    [[nodiscard]] fs::path data() const { return vault.home / "data"; }
    [[nodiscard]] fs::path keeper(std::size_t i) const { return vault.keepers().at(i); }

    void swaps(const std::string& lines) const {
        write_text(system / "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n" + lines);
    }
    // `file` lies on a device NAME whose device-mapper uuid is `uuid`, on disk `disk`.
    void mapped(const fs::path& file, const std::string& name, const std::string& uuid,
                const std::string& disk) const {
        struct stat status {};
        REQUIRE(::stat(file.c_str(), &status) == 0);
        const fs::path sys = system / "sys";
        fs::create_directories(sys / "devices" / name / "dm");
        fs::create_directories(sys / "devices" / name / "slaves");
        fs::create_directories(sys / "devices" / disk);
        fs::create_directories(sys / "dev/block");
        write_text(sys / "devices" / name / "dm/uuid", uuid + "\n");
        fs::create_directory_symlink(sys / "devices" / disk,
                                     sys / "devices" / name / "slaves" / disk);
        const std::string number =
            std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
        fs::create_directory_symlink(sys / "devices" / name, sys / "dev/block" / number);
    }

    // What the one check says that is not fine; OK if all is.
    [[nodiscard]] Finding worst(std::string_view check) const {
        Finding worst{Level::ok, check, {}, {}};
        bool is_there = false;
        for (const Finding& finding : examine(examination)) {
            if (finding.check != check) continue;
            is_there = true;
            if (finding.level >= worst.level) worst = finding;
        }
        CHECK(is_there);
        return worst;
    }

    VaultConfig config = read_vault_config(vault.home / "data");
};

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// Content and time of change of every file below a directory.
std::map<std::string, std::pair<std::string, std::int64_t>> everything_in(const fs::path& root) {
    std::map<std::string, std::pair<std::string, std::int64_t>> files;
    for (const auto& entry : fs::recursive_directory_iterator{root}) {
        struct stat status {};
        REQUIRE(::stat(entry.path().c_str(), &status) == 0);
        const std::string text = entry.is_regular_file() ? read_text(entry.path()) : "";
        files[entry.path()] = {text,
                               status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
    }
    return files;
}

}  // namespace

TEST_CASE("doctor finds no problem with a vault that is well, and changes nothing") {
    const Patient patient;
    const auto before = everything_in(patient.vault.home / "");
    const Findings findings = examine(patient.examination);
    CHECK(everything_in(patient.vault.home / "") == before);
    for (const Finding& finding : findings) {
        CAPTURE(finding.fact, finding.remedy);
        CHECK(finding.level != Level::problem);
        CHECK((finding.level == Level::ok) == finding.remedy.empty());
    }
}

TEST_CASE("doctor says nothing else when there is no vault") {
    TempFolder folder;
    Examination examination;
    examination.data = folder / "data";
    const Findings findings = examine(examination);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].level == Level::problem);
    CHECK(contains(findings[0].fact, "oubliette init"));
}

TEST_CASE("doctor warns loudly of two keepers on one device") {
    const Patient patient;
    const Finding finding = patient.worst("keeper_devices");
    CHECK(finding.level == Level::warning);
    CHECK(contains(finding.fact, "ARE ON one file system"));
}

TEST_CASE("doctor finds files of a keeper that others can read") {
    const Patient patient;
    SECTION("the directory") {
        fs::permissions(patient.keeper(0), fs::perms{0755});
        const Finding finding = patient.worst("keeper_directory");
        CHECK(finding.level == Level::problem);
        CHECK(finding.remedy == "chmod 700 " + patient.keeper(0).string());
    }
    SECTION("the cell") {
        fs::permissions(patient.keeper(1) / "anchor.cell", fs::perms{0640});
        const Finding finding = patient.worst("keeper_files");
        CHECK(finding.level == Level::problem);
        CHECK(contains(finding.fact, "0640"));
    }
}

TEST_CASE("doctor finds what a keeper lacks") {
    const Patient patient;
    SECTION("all of it") {
        fs::rename(patient.keeper(0), patient.vault.home / "lost");
        CHECK(patient.worst("keeper_directory").level == Level::problem);
    }
    SECTION("its cell") {
        fs::remove(patient.keeper(0) / "anchor.cell");
        CHECK(contains(patient.worst("keeper_files").fact, "anchor.cell is missing"));
    }
    SECTION("a part of its cell") {
        fs::resize_file(patient.keeper(0) / "anchor.cell", 131'071);
        CHECK(contains(patient.worst("cell").fact, "wrong size"));
    }
    SECTION("the end of init") {
        write_text(patient.keeper(0) / "unfinished", "");
        CHECK(patient.worst("keeper_files").level == Level::problem);
    }
}

TEST_CASE("doctor finds keepers within the data") {
    Patient patient;
    patient.config.keepers[0] = patient.data() / "keeper";
    fs::rename(patient.keeper(0), patient.config.keepers[0]);
    write_vault_config(patient.data(), patient.config);
    CHECK(patient.worst("keepers_apart").level == Level::problem);
}

TEST_CASE("doctor finds a key file where it defeats the seal") {
    Patient patient;
    fs::path file;
    SECTION("beside the keepers") {
        file = patient.vault.home / "seal.key";
    }
    SECTION("in a keeper") {
        file = patient.keeper(0) / "seal.key";
    }
    SECTION("in the data") {
        file = patient.data() / "seal.key";
    }
    fs::copy_file(patient.vault.home / "away/seal.key", file);
    patient.config.seal = "keyfile:" + file.string();
    write_vault_config(patient.data(), patient.config);
    CHECK(patient.worst("seal").level == Level::problem);
}

TEST_CASE("doctor finds a key file that others can read, and one that is gone") {
    const Patient patient;
    const fs::path file = patient.vault.home / "away/seal.key";
    fs::permissions(file, fs::perms{0604});
    CHECK(contains(patient.worst("seal").remedy, "on another device") == false);
    const Findings findings = examine(patient.examination);
    CHECK(std::ranges::any_of(findings, [](const Finding& finding) {
        return finding.check == "seal" && finding.level == Level::problem &&
               contains(finding.fact, "0604");
    }));
    fs::remove(file);
    CHECK(contains(patient.worst("seal").fact, "missing"));
}

TEST_CASE("doctor finds swap that is not encrypted") {
    const Patient patient;
    const std::string area = patient.vault.home / "swap file";
    write_text(area, "");
    CHECK(patient.worst("swap").level == Level::ok);
    patient.swaps("/dev/zram0 partition\t4\t0\t-2\n");
    CHECK(patient.worst("swap").level == Level::ok);
    std::string escaped = area;
    escaped.replace(escaped.find(' '), 1, "\\040");
    patient.swaps(escaped + "\tfile\t4\t0\t-2\n");
    CHECK(patient.worst("swap").level == Level::problem);
    patient.mapped(area, "dm-0", "CRYPT-LUKS2-00-root", "sda");
    CHECK(patient.worst("swap").level == Level::ok);
}

TEST_CASE("doctor finds a snapshot of a keeper's volume") {
    const Patient patient;
    patient.mapped(patient.keeper(0), "dm-1", "LVM-abcdef-real", "sdb");
    CHECK(patient.worst("cell_copies").level == Level::problem);
}

TEST_CASE("a device ends in its disks, and is encrypted when every way down is") {
    const Patient patient;
    struct stat status {};
    REQUIRE(::stat(patient.keeper(0).c_str(), &status) == 0);
    CHECK(find_block_device(patient.system / "sys", status.st_dev).name.empty());
    patient.mapped(patient.keeper(0), "dm-2", "LVM-abcdef", "sdc");
    const BlockDevice device = find_block_device(patient.system / "sys", status.st_dev);
    CHECK(device.name == "dm-2");
    CHECK(device.disks == std::set<std::string>{"sdc"});
    CHECK(device.is_logical_volume);
    CHECK_FALSE(device.is_encrypted);
    CHECK_FALSE(device.has_snapshot);
}

TEST_CASE("doctor looks at the certificate") {
    Patient patient;
    const Timestamp today = patient.examination.machine.now;
    const auto days_on = [&](std::int64_t days) {
        patient.examination.machine.now.seconds =
            today.seconds + static_cast<std::uint32_t>(days * kDay);
        return patient.worst("certificate").level;
    };
    CHECK(days_on(0) == Level::ok);
    CHECK(days_on(800) == Level::warning);  // it holds for 825 days
    CHECK(days_on(826) == Level::problem);
    CHECK(days_on(0) == Level::ok);
    SECTION("the key of another one") {
        const fs::path other = patient.vault.home / "other";
        fs::create_directories(other);
        api::make_self_signed(other);
        fs::copy_file(other / "server.key", patient.config.key,
                      fs::copy_options::overwrite_existing);
        CHECK(contains(patient.worst("certificate").fact, "does not belong"));
    }
    SECTION("a key for everybody") {
        fs::permissions(patient.config.key, fs::perms{0644});
        bool is_found = false;
        for (const Finding& finding : examine(patient.examination)) {
            is_found =
                is_found || (finding.check == "certificate" && finding.level == Level::problem);
        }
        CHECK(is_found);
    }
    SECTION("no certificate") {
        write_text(patient.config.certificate, "nothing\n");
        CHECK(patient.worst("certificate").level == Level::problem);
    }
}

TEST_CASE("doctor finds a clock that is off") {
    Patient patient;
    Timestamp& now = patient.examination.machine.now;
    CHECK(patient.worst("clock").level == Level::ok);
    SECTION("by years") {
        now.seconds = 86'400;
    }
    SECTION("before the last write") {
        now.seconds -= 3'600;
    }
    CHECK(patient.worst("clock").level == Level::problem);
}

TEST_CASE("doctor knows how old a backup is, if it is told where") {
    Patient patient;
    CHECK(patient.worst("backup").level == Level::unknown);
    const fs::path backup = patient.vault.home / "backup";
    patient.examination.backup = backup;
    CHECK(patient.worst("backup").level == Level::problem);
    fs::create_directories(backup);
    BackupManifest manifest;
    manifest.tenant = "overseas";
    manifest.created = patient.examination.machine.now;
    write_manifest(backup, manifest);
    CHECK(patient.worst("backup").level == Level::ok);
    patient.examination.machine.now.seconds += static_cast<std::uint32_t>(9 * kDay);
    CHECK(contains(patient.worst("backup").fact, "9 days"));
    CHECK(patient.worst("backup").level == Level::warning);
}

TEST_CASE("doctor sees a server that runs, and works beside it") {
    Patient patient;
    patient.examination.machine.proc = "/proc";
    const fs::path lock = patient.data() / "store/owner.lock";
    CHECK_FALSE(find_holder("/proc", lock));
    const auto options = vault_options(patient.data(), patient.config);
    const SystemClock clock;
    const auto vault =
        Vault::open(options, keys::read_seal_secret(patient.config.seal, false), clock);
    CHECK(find_holder("/proc", lock) == ::getpid());
    CHECK(contains(patient.worst("server").fact, std::to_string(::getpid())));
    CHECK(patient.worst("cell").level != Level::problem);
}
