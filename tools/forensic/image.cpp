#include "tools/forensic/image.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <set>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "vault/keys/keeper_files.hpp"
#include "vault/result.hpp"

namespace oubliette::forensic {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& place, const std::string& why) {
    throw Fault{FaultKind::configuration, place.string() + " cannot be read: " + why};
}

int open_to_read(const fs::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) refuse(file, std::generic_category().message(errno));
    return fd;
}

// Which file this is, whatever it is called here.
using Identity = std::pair<dev_t, ino_t>;

Identity identity_of(const fs::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) {
        refuse(file, std::generic_category().message(errno));
    }
    return {status.st_dev, status.st_ino};
}

bool holds_bytes(const fs::path& place) {
    return fs::is_regular_file(place) || fs::is_block_file(place);
}

}  // namespace

Image::Image(const fs::path& file) {
    const int fd = open_to_read(file);
    const off_t size = ::lseek(fd, 0, SEEK_END);  // also right for a block device
    void* start = nullptr;
    int error = size < 0 ? errno : 0;
    if (size > 0) {
        start = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, fd, 0);
        if (start == MAP_FAILED) error = errno;
    }
    (void)::close(fd);
    if (error != 0) refuse(file, std::generic_category().message(error));
    if (size > 0) bytes_ = {static_cast<const Byte*>(start), static_cast<std::size_t>(size)};
}

Image::Image(Image&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Image& Image::operator=(Image&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
}

Image::~Image() {
    if (bytes_.empty()) return;
    (void)::munmap(const_cast<Byte*>(bytes_.data()), bytes_.size());
}

std::vector<fs::path> find_files(const std::vector<fs::path>& places,
                                 const std::vector<fs::path>& left_out) {
    std::set<Identity> seen;
    for (const fs::path& file : left_out) seen.insert(identity_of(file));
    std::vector<fs::path> files;
    const auto take = [&](const fs::path& file) {
        if (seen.insert(identity_of(file)).second) files.push_back(file);
    };
    for (const fs::path& place : places) {
        std::error_code error;
        if (!fs::exists(place, error)) refuse(place, "there is nothing of that name");
        if (!fs::is_directory(place)) {
            if (!holds_bytes(place)) refuse(place, "it is neither a file nor a directory");
            take(place);
            continue;
        }
        try {
            for (const auto& entry : fs::recursive_directory_iterator{place}) {
                if (holds_bytes(entry.path())) take(entry.path());
            }
        } catch (const fs::filesystem_error& failure) {
            refuse(place, failure.code().message());
        }
    }
    std::ranges::sort(files);
    return files;
}

ServerStopped::ServerStopped(const std::vector<fs::path>& files) {
    for (const fs::path& file : files) {
        if (file.filename() != keys::kOwnerLock) continue;
        const int fd = open_to_read(file);
        locks_.push_back(fd);
        if (::flock(fd, LOCK_SH | LOCK_NB) == 0) continue;
        for (const int lock : locks_) (void)::close(lock);
        throw Fault{FaultKind::conflict, "a server uses " + file.parent_path().string() +
                                             "; stop it first, its files change meanwhile"};
    }
}

ServerStopped::~ServerStopped() {
    for (const int lock : locks_) (void)::close(lock);
}

}  // namespace oubliette::forensic
