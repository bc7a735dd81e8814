#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/faults/recording.hpp"

// What may be on a disk after its power was cut. Everything that was flushed is there; of
// everything else any part may be, each independent of the others:
//
//   a write                 kept, dropped, or torn: any subset of its 512 B sectors
//   a write that grows      as above, or only the new size, with zeros where nothing was
//   a resize                kept or dropped
//   a name made or removed  kept or dropped; a rename happens whole or not at all
//
// fsync and fdatasync flush the content and size of one file, fsync of a directory its names, and a
// write through an O_DSYNC descriptor itself and the size that it needs. Flushing a file does not
// flush its name. The event under way at the cut may have happened in any part.
//
// Files that are mapped for writing (LMDB's lock.mdb) hold noise.

namespace oubliette::faults {

// Which flushes the disk ignores: positive controls.
struct Disobedience {
    bool ignores_sync = false;        // fsync and fdatasync do nothing
    bool ignores_cell_dsync = false;  // writes to anchor.cell through O_DSYNC are like any other
    std::string ignores_below;        // flushes of files below this directory of home do nothing
};

using Image = std::map<std::filesystem::path, std::optional<Bytes>>;  // nullopt: a directory

enum class Unsynced : std::uint8_t { dropped, kept, random };

class DiskModel {
public:
    DiskModel(const Recording& recording, Disobedience disobedience);

    // The events before the `cut`-th have happened. REQUIRES: not less than before.
    void advance(std::size_t cut);
    // What may be there if power is cut now, with the next event under way.
    [[nodiscard]] Image image(Unsynced unsynced, std::mt19937_64& random) const;

private:
    struct File {
        bool is_directory = false;
        Bytes content;
        std::map<std::string, FileId> names;
        struct Pending {
            const Event* event;
            bool is_flushed;  // must be there; pending only because of older events before it
        };
        std::vector<Pending> pending;
    };
    class Chooser;

    void happen(const Event& event);
    void flush(File& file);
    [[nodiscard]] bool is_ignored(const Event& event) const;
    [[nodiscard]] File after_cut(FileId id, Chooser& chooser) const;
    void add_to_image(Image& image, const std::filesystem::path& path, FileId id,
                      Chooser& chooser) const;
    [[nodiscard]] std::vector<FileId> files_below(const std::string& top) const;

    const Recording& recording_;
    const Disobedience disobedience_;
    std::vector<File> files_;
    std::vector<bool> is_cell_;
    std::vector<bool> is_lying_;  // below Disobedience::ignores_below
    std::size_t cut_ = 0;
};

// The files below `home` as they are.
[[nodiscard]] Image read_image(const std::filesystem::path& home);
// Writes an image below `home`, which must be empty. Nothing is flushed.
void write_image(const Image& image, const std::filesystem::path& home);

}  // namespace oubliette::faults
