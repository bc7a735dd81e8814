#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/log_source.hpp"
#include "vault/audit/checkpoint.hpp"
#include "vault/audit/entry.hpp"

// Verifies a whole audit log as an outsider does, who trusts nothing but the pinned keys: the
// signature of the checkpoint, every entry against its tile, the tiles against each other, and the
// root of all against the checkpoint. With a checkpoint that was seen before, also that the log
// only grew since, or that a rollback is declared in it.

namespace oubliette::tools {

// Why a log is not proven.
struct LogFlaw {
    std::string what;                    // one line
    std::optional<std::uint64_t> index;  // of the first entry that is not as it was, if known
};

// What the log says about itself, with the entry that says it.
struct DeclaredOrigin {
    std::uint64_t index = 0;
    audit::LogOrigin origin;
};
struct DeclaredRotation {
    std::uint64_t index = 0;
    audit::LogKeyRotation rotation;
};

struct LogReport {
    std::optional<LogFlaw> flaw;     // nullopt: proven
    std::string note;                // the checkpoint as it was served
    audit::Checkpoint checkpoint;    // meaningful if its signature is right
    std::uint64_t lost_entries = 0;  // seen before and lost in a declared rollback
    std::vector<DeclaredOrigin> origins;
    std::vector<DeclaredRotation> rotations;
};

// `earlier`: the checkpoint seen last time. Throws CommandError when the source cannot be read.
[[nodiscard]] LogReport check_log(LogSource& source, const std::vector<audit::VerifierKey>& keys,
                                  const std::optional<audit::Checkpoint>& earlier);

// "tile/0/x001/067.p/8", "tile/entries/067"
[[nodiscard]] std::string tile_path(const std::string& level, std::uint64_t n, unsigned width);

}  // namespace oubliette::tools
