#pragma once

#include <filesystem>
#include <optional>
#include <sys/types.h>

#include "tools/doctor/finding.hpp"
#include "tools/vault_config.hpp"

// The checks of `doctor`, each a function of what it looks at. None writes, takes a lock or opens a
// store, so that they run beside a server. Files that cannot be read are a finding, never an
// exception.

namespace oubliette::tools {

// What is examined.
struct Place {
    std::filesystem::path data;  // absolute
    VaultConfig config;
    Machine machine;
};

// ---- keeper_checks.cpp: directory, cell and device of each keeper, and all of them together.
void check_keepers_together(const Place& place, Findings& findings);
void check_keeper(const Place& place, const std::filesystem::path& keeper, Findings& findings);

// ---- storage_checks.cpp: the data directory, room, backups.
void check_data_directory(const Place& place, Findings& findings);
void check_room(const Place& place, Findings& findings);
// `backup`: a directory that `oubliette backup` wrote.
void check_backup(const Place& place, const std::optional<std::filesystem::path>& backup,
                  Findings& findings);

// ---- secret_checks.cpp: the seal, the server's certificate.
void check_seal(const Place& place, Findings& findings);
void check_certificate(const Place& place, Findings& findings);

// ---- machine_checks.cpp: the server's process, locked memory, swap, the clock.
// The process that holds `lock` by flock; nullopt if none, or none that can be seen from here.
[[nodiscard]] std::optional<pid_t> find_holder(const std::filesystem::path& proc,
                                               const std::filesystem::path& lock);
void check_process(const Place& place, Findings& findings);
void check_swap(const Place& place, Findings& findings);
void check_clock(const Place& place, Findings& findings);

}  // namespace oubliette::tools
