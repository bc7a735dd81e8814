#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "crypto/bytes.hpp"
#include "vault/keys/durable_file.hpp"

// The files of a keeper's directory, and its two advisory locks. Functions are thread-safe; a
// FileLock belongs to one thread at a time.
//
//   anchor.cell   two blocks, one of which holds the anchor (keys/cell.hpp)
//   plane.<n>/    the LMDB store of pages, rows and the root record; n >= 1
//   seal.slots    wraps of the KEK (keys/seal_slots.hpp)
//   signing.key   the boxed Ed25519 seed, vault id and keeper id (keys/records.hpp)
//   owner.lock    held exclusively by the one process that serves, from before the cell is read
//   io.lock       held exclusively for every write, shared by the restore drill
//   unfinished    exists from the start of `init` until confirm_ready(): only while it exists may
//                 `init` wipe the directory
//   joining       exists from the start of an enrolment until the keeper is registered: only while
//                 it exists may the directory be wiped

namespace oubliette::keys {

inline constexpr const char* kCellFile = "anchor.cell";
inline constexpr const char* kSealFile = "seal.slots";
inline constexpr const char* kSigningFile = "signing.key";
inline constexpr const char* kOwnerLock = "owner.lock";
inline constexpr const char* kIoLock = "io.lock";
inline constexpr const char* kUnfinishedMark = "unfinished";
inline constexpr const char* kJoiningMark = "joining";

// An open file with an advisory whole-file lock (flock): freed when the object or the process
// ends.
class FileLock {
public:
    // Opens or creates (0600) `file`. Throws Fault{storage}.
    explicit FileLock(const std::filesystem::path& file);

    [[nodiscard]] bool try_exclusive();
    // Wait until they have it. Throw Fault{storage}.
    void exclusive();
    void shared();
    void unlock() noexcept;

private:
    FileDescriptor file_;
};

// Holds `lock` exclusively while it lives.
class ExclusiveHold {
public:
    explicit ExclusiveHold(FileLock& lock) : lock_(lock) { lock_.exclusive(); }
    ~ExclusiveHold() { lock_.unlock(); }
    ExclusiveHold(const ExclusiveHold&) = delete;
    ExclusiveHold& operator=(const ExclusiveHold&) = delete;

private:
    FileLock& lock_;
};

// plane.<n> of every n found, ascending.
[[nodiscard]] std::vector<unsigned> plane_numbers(const std::filesystem::path& keeper);
[[nodiscard]] std::filesystem::path plane_path(const std::filesystem::path& keeper, unsigned n);

// nullopt if the file does not exist. Throws Fault{storage}; Fault{corrupt} if it is larger than
// `size_max`.
[[nodiscard]] std::optional<Bytes> read_small_file(const std::filesystem::path& file,
                                                   std::size_t size_max);
// Removes a directory tree or a file and makes that durable; nothing happens if there is none.
void remove_durably(const std::filesystem::path& path);

// True if `directory` holds nothing but files of a keeper.
[[nodiscard]] bool holds_only_keeper_files(const std::filesystem::path& directory);

// `path` absolute, without links, dots and a slash at its end. Throws Fault{storage}.
[[nodiscard]] std::filesystem::path resolved(const std::filesystem::path& path);
// True if one is the other or lies in it. REQUIRES: both resolved.
[[nodiscard]] bool are_nested(const std::filesystem::path& a, const std::filesystem::path& b);

// Checks that there are `count_min` directories or more, distinct (also through symbolic links),
// and that none lies in another, in `data` or around it (an empty `data` is not looked at). Missing
// ones are allowed. Throws Fault{configuration} with the remedy.
void check_directories(const std::vector<std::filesystem::path>& directories,
                       const std::filesystem::path& data, std::size_t count_min);

}  // namespace oubliette::keys
