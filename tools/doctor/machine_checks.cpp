#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>
#include <sys/sysmacros.h>

#include "crypto/locked_arena.hpp"
#include "tools/doctor/block_device.hpp"
#include "tools/doctor/checks.hpp"
#include "tools/doctor/file_facts.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

// Decoded pages and seeds of a busy vault (vault/keys/README.md).
constexpr std::size_t kLockedBytes = 6 << 20;
constexpr std::int64_t kOldest = 1'795'305'600;  // 2026-11-22: no vault is older than the program
constexpr std::int64_t kNewest = 4'102'444'800;  // 2100-01-01
constexpr std::int64_t kSlack = 60;              // seconds

// KiB that a process has locked, "VmLck:" of its status; nullopt if it does not say.
std::optional<std::uint64_t> locked_kib(const fs::path& proc, pid_t process) {
    std::ifstream in{proc / std::to_string(process) / "status"};
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("VmLck:")) return std::stoull(line.substr(6));
    }
    return std::nullopt;
}

void check_server_memory(const Place& place, pid_t server, Findings& findings) {
    const auto kib = locked_kib(place.machine.proc, server);
    if (!kib) {
        findings.push_back({Level::unknown, "locked_memory", "the server does not tell", {}});
    } else if (*kib == 0) {
        findings.push_back({Level::warning, "locked_memory",
                            "the server has locked no memory: keys may reach the swap",
                            "start it with LimitMEMLOCK=infinity, or ulimit -l unlimited"});
    } else {
        findings.push_back({Level::ok,
                            "locked_memory",
                            "the server has locked " + std::to_string(*kib) + " KiB",
                            {}});
    }
}

// As in /proc/swaps: a blank is \040.
std::string unescaped(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool is_safe_swap(const Place& place, const fs::path& area) {
    if (area.filename().string().starts_with("zram")) return true;  // is memory itself
    const auto status = stat_of(area);
    if (!status) return false;
    const dev_t device = S_ISBLK(status->st_mode) ? status->st_rdev : status->st_dev;
    return find_block_device(place.machine.sys, device).is_encrypted;
}

std::string date_text(std::int64_t unix_seconds) {
    const std::time_t time = unix_seconds;
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
    return text;
}

}  // namespace

std::optional<pid_t> find_holder(const fs::path& proc, const fs::path& lock) {
    const auto status = stat_of(lock);
    if (!status) return std::nullopt;
    std::ifstream in{proc / "locks"};
    // "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1835016 0 EOF", device numbers in hex
    for (std::string line; std::getline(in, line);) {
        std::istringstream words{line};
        std::string number;
        std::string kind;
        std::string mode;
        std::string access;
        std::string file;
        pid_t process = 0;
        words >> number >> kind >> mode >> access >> process >> file;
        unsigned device_major = 0;
        unsigned device_minor = 0;
        unsigned long long inode = 0;
        const bool is_read =
            std::sscanf(file.c_str(), "%x:%x:%llu", &device_major, &device_minor, &inode) == 3;
        if (is_read && kind == "FLOCK" && inode == status->st_ino &&
            device_major == major(status->st_dev) && device_minor == minor(status->st_dev) &&
            process > 0) {
            return process;
        }
    }
    return std::nullopt;
}

void check_process(const Place& place, Findings& findings) {
    const auto server = find_holder(place.machine.proc, place.data / "store/owner.lock");
    if (server) {
        findings.push_back({Level::ok, "server", "runs as process " + std::to_string(*server), {}});
        check_server_memory(place, *server, findings);
        return;
    }
    findings.push_back({Level::ok, "server", "is not running, as far as can be seen", {}});
    if (crypto::can_lock(kLockedBytes)) {
        findings.push_back(
            {Level::ok, "locked_memory", "a process like this one may lock enough", {}});
    } else {
        findings.push_back({Level::warning, "locked_memory",
                            "a process like this one may lock less than " +
                                std::to_string(kLockedBytes >> 20) +
                                " MiB: keys may reach the swap",
                            "start the server with LimitMEMLOCK=infinity, or ulimit -l unlimited"});
    }
}

void check_swap(const Place& place, Findings& findings) {
    constexpr std::string_view kCheck = "swap";
    std::ifstream in{place.machine.proc / "swaps"};
    std::string line;
    if (!std::getline(in, line)) {
        findings.push_back({Level::unknown, kCheck, "the system does not tell", {}});
        return;
    }
    const std::size_t before = findings.size();
    while (std::getline(in, line)) {
        const fs::path area = unescaped(line.substr(0, line.find_first_of(" \t")));
        if (is_safe_swap(place, area)) continue;
        findings.push_back({Level::problem, kCheck,
                            area.string() + " is not encrypted: keys and values in the memory of "
                                            "the server may be written to it",
                            "swapoff " + area.string() + ", or put it on dm-crypt"});
    }
    if (findings.size() == before) {
        findings.push_back({Level::ok, kCheck, "off, in memory, or encrypted", {}});
    }
}

void check_clock(const Place& place, Findings& findings) {
    constexpr std::string_view kCheck = "clock";
    constexpr const char* kSet =
        "set the clock before the server writes: it decides about consents and retention";
    const std::int64_t now = place.machine.now.unix_seconds();
    // Each commit writes an entry to the log: the file is as old as the last one.
    const auto store = stat_of(place.data / "store/data.mdb");
    if (now < kOldest || now >= kNewest) {
        findings.push_back({Level::problem, kCheck, "it is " + date_text(now) + " here", kSet});
    } else if (store && store->st_mtim.tv_sec > now + kSlack) {
        findings.push_back({Level::problem, kCheck,
                            "it is " + date_text(now) + " here, before the last log entry (" +
                                date_text(store->st_mtim.tv_sec) + ")",
                            kSet});
    } else {
        findings.push_back({Level::ok, kCheck, "it is " + date_text(now), {}});
    }
}

}  // namespace oubliette::tools
