#include "vault/keys/nursery.hpp"

#include <utility>
#include <vector>

#include "vault/keys/cell.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/keeper_files.hpp"

namespace oubliette::keys {
namespace {

namespace fs = std::filesystem;

// The mark goes last: it allows the wiping.
void remove_files(const fs::path& directory, const char* mark) noexcept {
    std::error_code error;
    std::vector<fs::path> files;
    for (fs::directory_iterator next{directory, error}, end; !error && next != end;
         next.increment(error)) {
        if (next->path().filename() != mark) files.push_back(next->path());
    }
    for (const fs::path& file : files) fs::remove_all(file, error);
    fs::remove(directory / mark, error);
}

}  // namespace

bool is_free_for_keeper(const fs::path& directory, const char* mark) {
    if (!fs::exists(directory) || fs::is_empty(directory)) return true;
    return fs::exists(directory / mark) && holds_only_keeper_files(directory);
}

void wipe_keeper(const fs::path& directory, const char* mark) noexcept {
    try {
        // The anchors first: they are keys, the rest is not.
        FileLock owner{directory / kOwnerLock};
        if (!owner.try_exclusive()) return;
        if (fs::exists(directory / kCellFile)) {
            Cell cell{directory / kCellFile};
            for (unsigned slot = 0; slot < kCellSlotCount; ++slot) cell.erase(slot);
        }
    } catch (const std::exception&) {
        // A cell that cannot be opened holds no anchor.
    }
    remove_files(directory, mark);
}

Nursery::Nursery(fs::path directory, const char* mark)
    : directory_(std::move(directory)), mark_(mark) {
    std::error_code error;
    is_new_ = fs::create_directory(directory_, error);
    if (error) {
        throw Fault{FaultKind::configuration, "cannot make " + directory_.string() + ": " +
                                                  error.message() +
                                                  ": make its parent directory first"};
    }
    try {
        prepare();
    } catch (...) {
        if (is_new_) fs::remove_all(directory_, error);
        throw;
    }
}

Nursery::Nursery(Nursery&& other) noexcept
    : directory_(std::move(other.directory_)),
      mark_(other.mark_),
      is_new_(other.is_new_),
      is_kept_(std::exchange(other.is_kept_, true)) {}

Nursery::~Nursery() {
    if (is_kept_) return;
    wipe_keeper(directory_, mark_);
    std::error_code ignored;
    if (is_new_) fs::remove_all(directory_, ignored);
}

void Nursery::prepare() {
    fs::permissions(directory_, fs::perms::owner_all);
    // Only what an unconfirmed init or enrolment left may be wiped, and only if nothing else is
    // there.
    if (fs::exists(directory_ / mark_) && holds_only_keeper_files(directory_)) {
        wipe_keeper(directory_, mark_);
    }
    if (!fs::is_empty(directory_)) {
        throw Fault{FaultKind::configuration, "keeper directory " + directory_.string() +
                                                  " is not empty: name an empty or a new one"};
    }
    create_file(directory_ / mark_, {});
}

}  // namespace oubliette::keys
