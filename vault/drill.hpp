#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/backup.hpp"
#include "vault/keys/seal_slots.hpp"

// The restore drill (KEYS 6.2): what would open if this backup were restored today? It reads the
// backup and the keepers, also beside a running server, and writes nothing anywhere: no lease, no
// generation, no repair. Every row is opened with the code and the keys that a server would use.

namespace oubliette {

struct DrillCount {
    std::uint64_t open = 0;     // the key lives and every byte authenticates
    std::uint64_t erased = 0;   // every keeper that was asked has destroyed the key
    std::uint64_t damaged = 0;  // the key lives or should, but the row is not what we wrote

    [[nodiscard]] std::uint64_t all() const noexcept { return open + erased + damaged; }
    friend bool operator==(const DrillCount&, const DrillCount&) = default;
};

struct DrillReport {
    BackupManifest manifest;
    DrillCount people;    // open: person row, hot row, external id and audit counter, all of them
    DrillCount values;    // with their search entries; `erased` holds those whose retention ended
    DrillCount consents;  // markers of given consents; erased: withdrawn, or the person is erased
    std::uint64_t values_retention_ended = 0;  // of values.erased
    // Erased people's rows whose own key was asked for at every keeper, one by one.
    std::uint64_t rows_of_erased_asked = 0;
    // Must be 0: keys that one keeper has destroyed, or that an erasure in the backup names, and
    // another keeper still has. That keeper has not finished; its copy of the key opens the backup.
    std::uint64_t erased_but_open = 0;
    bool is_log_whole = false;          // every audit entry hashes to the log's root
    std::uint64_t records_damaged = 0;  // rows of no person: erasures, the queue, unknown keys
    std::vector<std::filesystem::path> keepers;  // those that opened
    std::vector<std::string> keepers_unusable;   // one line each with the reason
    double seconds = 0;

    [[nodiscard]] std::uint64_t damaged() const noexcept {
        return people.damaged + values.damaged + consents.damaged + records_damaged +
               (is_log_whole ? 0 : 1);
    }
    [[nodiscard]] bool passed() const noexcept { return damaged() == 0 && erased_but_open == 0; }
};

struct DrillOptions {
    std::filesystem::path backup;
    std::vector<std::filesystem::path> keepers;  // one or more; those that open are used
    // Called with the application's id of each person that opens. May be empty.
    std::function<void(std::string_view external_id)> on_open;
    // Called now and then with the number of people looked at. May be empty.
    std::function<void(std::uint64_t people)> on_progress;
};

// Throws Fault{configuration} with the remedy: no backup in `backup`, of a newer format, none of
// the keepers opens, keepers of another vault; Fault{sealed}: wrong seal secret; Fault{corrupt}:
// the backup's files are not what its manifest says, the manifest is not signed by this vault, or
// keepers hold different keys; Fault{storage}.
[[nodiscard]] DrillReport run_drill(const DrillOptions& options, const keys::SealSecret& seal);

}  // namespace oubliette
