#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "vault/drill.hpp"

// Restoring a backup: `oubliette restore`.

namespace oubliette::tools {

// What the drill found, for people and for programs: one line each, without a newline.
[[nodiscard]] std::string drill_text(const DrillReport& report);
[[nodiscard]] std::string drill_json(const DrillReport& report);

struct RestoreOptions {
    std::filesystem::path backup;
    std::filesystem::path data;  // missing or empty
    std::vector<std::filesystem::path> keepers;
    std::string seal;  // as --seal
};

// Drills the backup, copies its store to data/store, makes a fresh self-signed certificate and
// writes vault.json, which makes it a vault. Nothing is left in `data` when it throws. The keepers
// are not changed: the first `serve` tells them that an older copy was accepted.
// Throws CommandError input: `data` holds something, a server runs on the keepers, the backup has
// damage or an erased person would open; and what run_drill() throws.
DrillReport restore_vault(const RestoreOptions& options, const keys::SealSecret& seal);

}  // namespace oubliette::tools
