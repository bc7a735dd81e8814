#pragma once

#include <filesystem>

// The directory of one store, owned by one process at a time. Ownership is a flock on the file
// `owner.lock` in it, which the kernel gives back when the process ends, however it ends; the file
// itself stays and says nothing. A second opening conflicts in the same process too.

namespace oubliette::store {

// Not copyable: it is the lock.
class OwnedDirectory {
public:
    // Creates `path` (0700) if its parent exists, and takes ownership of it.
    // Throws Fault{conflict} when somebody else owns it, Fault{configuration} when it cannot be
    // made or entered, Fault{storage} when its creation cannot be made durable.
    explicit OwnedDirectory(const std::filesystem::path& path);
    ~OwnedDirectory();
    OwnedDirectory(const OwnedDirectory&) = delete;
    OwnedDirectory& operator=(const OwnedDirectory&) = delete;

private:
    int lock_ = -1;  // file descriptor
};

// Makes names created or removed in `path` durable. Throws Fault{storage}.
void sync_directory(const std::filesystem::path& path);

}  // namespace oubliette::store
