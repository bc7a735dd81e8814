#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tools/vault_client.hpp"

// Where an audit log is read from: its resources by their paths in C2SP tlog-tiles, "checkpoint" or
// "tile/0/x001/067". One thread at a time.

namespace oubliette::tools {

class LogSource {
public:
    virtual ~LogSource() = default;
    LogSource() = default;
    LogSource(const LogSource&) = delete;
    LogSource& operator=(const LogSource&) = delete;

    // nullopt if there is no such resource. Throws CommandError.
    [[nodiscard]] virtual std::optional<std::string> fetch(const std::string& path) = 0;
    // Verifier keys that the source itself offers, one per line: they prove that the log is whole,
    // but not whose it is.
    [[nodiscard]] virtual std::string offered_keys() = 0;
};

// The files of an exported log. Throws CommandError input if there is no such directory.
[[nodiscard]] std::unique_ptr<LogSource> open_log_folder(const std::string& directory);
// A vault that serves.
[[nodiscard]] std::unique_ptr<LogSource> open_log_server(const ServerOptions& server);

}  // namespace oubliette::tools
