#pragma once

#include <filesystem>

// A directory in which a keeper is being made, for init and enrol. Not thread-safe.

namespace oubliette::keys {

// Unless kept, everything that was made in the directory is removed again, the anchors first.
class Nursery {
public:
    // Makes `directory` (0700) if it is missing, and writes `mark` into it: a file that says that
    // nothing counts on this keeper yet. What such a mark stands in is wiped, if it is a keeper's
    // files and nothing else. Throws Fault{configuration} with the remedy, Fault{storage}.
    Nursery(std::filesystem::path directory, const char* mark);
    Nursery(Nursery&& other) noexcept;
    Nursery& operator=(Nursery&&) = delete;
    Nursery(const Nursery&) = delete;
    Nursery& operator=(const Nursery&) = delete;
    ~Nursery();

    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
    void keep() noexcept { is_kept_ = true; }

private:
    void prepare();

    std::filesystem::path directory_;
    const char* mark_;
    bool is_new_ = false;
    bool is_kept_ = false;
};

// True if `directory` can be prepared as far as its content goes: missing, empty, or only what a
// keeper with `mark` left. Throws std::filesystem::filesystem_error.
[[nodiscard]] bool is_free_for_keeper(const std::filesystem::path& directory, const char* mark);
// Overwrites the anchors in `directory` and removes a keeper's files, `mark` last. Nothing happens
// if another process has the keeper open. Never throws.
void wipe_keeper(const std::filesystem::path& directory, const char* mark) noexcept;

}  // namespace oubliette::keys
