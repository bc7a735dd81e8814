#pragma once

#include <cstdint>
#include <string>

#include "tools/log_source.hpp"

// Writes a log's checkpoint, tiles and entries as files in the layout of C2SP tlog-tiles, and its
// keys as `vkey`: what a static web server can serve and any verifier of tiled logs can read.

namespace oubliette::tools {

struct ExportedLog {
    std::uint64_t entries = 0;
    std::uint64_t files = 0;
};

// Full tiles and bundles that are there already are not fetched again, so that the same command
// later adds what is new. The checkpoint is written last. Does not verify anything.
// Throws CommandError: input (`directory` cannot be made), failed (something is missing).
ExportedLog export_log(LogSource& source, const std::string& directory);

}  // namespace oubliette::tools
