#include "tools/log_export.hpp"

#include <filesystem>

#include "tools/durable_file.hpp"
#include "tools/log_check.hpp"
#include "vault/audit/tiles.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0644;  // everything in a log is public

class LogExport {
public:
    LogExport(LogSource& source, fs::path directory)
        : source_(source), directory_(std::move(directory)) {}

    ExportedLog run() {
        const std::string note = get("checkpoint");
        const auto checkpoint = audit::parse_checkpoint(note);
        if (!checkpoint) throw CommandError(Exit::failed, "the checkpoint cannot be read");
        exported_.entries = checkpoint->size;
        for (unsigned level = 0; level <= audit::kTileLevelMax; ++level) {
            for (std::uint64_t n = 0; keep_tile(level, n, checkpoint->size); ++n) {
            }
        }
        write("vkey", source_.offered_keys());
        write("checkpoint", note);
        return exported_;
    }

private:
    // False if there is no such tile.
    bool keep_tile(unsigned level, std::uint64_t n, std::uint64_t size) {
        const unsigned width = audit::tile_width(level, n, size);
        if (width == 0) return false;
        keep(tile_path(std::to_string(level), n, width), width);
        if (level == 0) keep(tile_path("entries", n, width), width);
        return width == audit::kTileWidth;
    }

    void keep(const std::string& path, unsigned width) {
        if (width == audit::kTileWidth && fs::exists(directory_ / path)) return;
        write(path, get(path));
    }

    [[nodiscard]] std::string get(const std::string& path) {
        auto content = source_.fetch(path);
        if (!content) throw CommandError(Exit::failed, "the vault has no " + path);
        return std::move(*content);
    }

    void write(const std::string& path, std::string_view content) {
        const fs::path file = directory_ / path;
        std::error_code error;
        fs::create_directories(file.parent_path(), error);
        if (error) {
            throw CommandError(
                Exit::input, "cannot make " + file.parent_path().string() + ": " + error.message());
        }
        replace_file(file.string(), content, kFileMode);
        ++exported_.files;
    }

    LogSource& source_;
    fs::path directory_;
    ExportedLog exported_;
};

}  // namespace

ExportedLog export_log(LogSource& source, const std::string& directory) {
    return LogExport{source, directory}.run();
}

}  // namespace oubliette::tools
