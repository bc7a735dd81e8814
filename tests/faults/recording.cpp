#include "tests/faults/recording.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/assert.hpp"
#include "tests/faults/whole_file.hpp"

namespace oubliette::faults {
namespace {

namespace fs = std::filesystem;

Bytes joined(const iovec* parts, int count, std::size_t size) {
    Bytes out;
    out.reserve(size);
    for (int i = 0; i < count && out.size() < size; ++i) {
        const auto* const first = static_cast<const Byte*>(parts[i].iov_base);
        const std::size_t taken = std::min(parts[i].iov_len, size - out.size());
        out.insert(out.end(), first, first + taken);
    }
    return out;
}

}  // namespace

Recorder::Recorder(const fs::path& home) {
    struct stat status {};
    OBL_ASSERT(::stat(home.c_str(), &status) == 0);
    device_ = status.st_dev;
    const FileId id = add_file(status.st_ino, true);
    OBL_ASSERT(id == kHomeDirectory);
    read_base(home, id);
    before_ = set_file_call_hook(this);
}

Recorder::~Recorder() {
    set_file_call_hook(before_);
}

void Recorder::read_base(const fs::path& directory, FileId id) {
    for (const fs::directory_entry& entry : fs::directory_iterator{directory}) {
        struct stat status {};
        OBL_ASSERT(::stat(entry.path().c_str(), &status) == 0);
        const bool is_directory = entry.is_directory();
        const FileId child = add_file(status.st_ino, is_directory);
        recording_.base.resize(recording_.is_directory.size());
        recording_.base[id].names.emplace(entry.path().filename(), child);
        if (is_directory) {
            read_base(entry.path(), child);
        } else {
            recording_.base[child].content = read_whole(entry.path());
        }
    }
    recording_.base.resize(recording_.is_directory.size());
    recording_.base[id].is_directory = true;
}

FileId Recorder::add_file(std::uint64_t inode, bool is_directory) {
    const auto id = static_cast<FileId>(recording_.is_directory.size());
    recording_.is_directory.push_back(is_directory);
    files_[inode] = id;
    return id;
}

void Recorder::mark(std::uint8_t what, std::uint32_t subject, std::uint64_t number) {
    const std::lock_guard lock{mutex_};
    recording_.marks.push_back({recording_.events.size(), what, subject, number});
}

Recording Recorder::take() {
    set_file_call_hook(before_);
    const std::lock_guard lock{mutex_};
    return std::move(recording_);
}

// The directory is found by its inode, so that every way of naming it is the same.
Recorder::Place Recorder::place_of(int fd, const char* path) const {
    std::string text{path};
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    const std::size_t slash = text.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : text.substr(0, slash + 1);
    Place place;
    place.name = slash == std::string::npos ? text : text.substr(slash + 1);
    struct stat status {};
    if (::fstatat(fd, directory.c_str(), &status, 0) != 0) return place;
    const auto found = files_.find(status.st_ino);
    place.is_inside = status.st_dev == device_ && found != files_.end();
    if (place.is_inside) place.directory = found->second;
    return place;
}

long Recorder::on_open(const FileCall& call) {
    const Place place = place_of(call.fd, call.path);
    struct stat status {};
    const bool was_there = ::fstatat(call.fd, call.path, &status, AT_SYMLINK_NOFOLLOW) == 0;
    const long fd = execute(call);
    if (fd < 0 || ::fstat(static_cast<int>(fd), &status) != 0 || status.st_dev != device_)
        return fd;
    if (!was_there && place.is_inside) {
        const FileId file = add_file(status.st_ino, false);
        recording_.events.push_back({.kind = Event::Kind::name,
                                     .file = place.directory,
                                     .child = file,
                                     .name = place.name});
    }
    const auto found = files_.find(status.st_ino);
    if (found == files_.end()) return fd;
    open_[static_cast<int>(fd)] = {found->second, (call.flags & (O_DSYNC | O_SYNC)) != 0};
    if (was_there && (call.flags & O_TRUNC) != 0) {
        recording_.events.push_back({.kind = Event::Kind::resize, .file = found->second});
    }
    return fd;
}

long Recorder::on_write(const FileCall& call) {
    const auto open = open_.find(call.fd);
    if (open == open_.end()) return execute(call);
    off_t offset = call.offset;
    if (call.kind == CallKind::write && offset == kAtPosition) {
        offset = ::lseek(call.fd, 0, SEEK_CUR);
    }
    const long result = execute(call);
    if (result < 0) return result;
    Event event;
    event.file = open->second.file;
    if (call.kind == CallKind::resize) {
        event.kind = Event::Kind::resize;
        event.offset = static_cast<std::uint64_t>(call.size);
    } else {
        event.kind = Event::Kind::write;
        event.is_durable = open->second.is_durable;
        event.offset = static_cast<std::uint64_t>(offset);
        event.data = joined(call.parts, call.part_count, static_cast<std::size_t>(result));
    }
    recording_.events.push_back(std::move(event));
    return result;
}

long Recorder::on_sync(const FileCall& call) {
    const long result = execute(call);
    const auto open = open_.find(call.fd);
    if (result < 0 || open == open_.end()) return result;
    recording_.events.push_back({.kind = Event::Kind::sync,
                                 .is_data_sync = call.kind == CallKind::sync_data,
                                 .file = open->second.file});
    return result;
}

long Recorder::on_name(const FileCall& call) {
    OBL_ASSERT(call.kind == CallKind::make_directory);  // the product links nothing
    const Place place = place_of(call.fd, call.path);
    const long result = execute(call);
    if (result < 0 || !place.is_inside) return result;
    struct stat status {};
    OBL_ASSERT(::fstatat(call.fd, call.path, &status, 0) == 0);
    recording_.events.push_back({.kind = Event::Kind::name,
                                 .file = place.directory,
                                 .child = add_file(status.st_ino, true),
                                 .name = place.name});
    return result;
}

long Recorder::on_rename(const FileCall& call) {
    const Place from = place_of(call.fd, call.path);
    const Place to = place_of(call.fd_to, call.path_to);
    const long result = execute(call);
    if (result < 0 || (!from.is_inside && !to.is_inside)) return result;
    OBL_ASSERT(from.is_inside && to.is_inside && from.directory == to.directory);
    struct stat status {};
    OBL_ASSERT(::fstatat(call.fd_to, call.path_to, &status, AT_SYMLINK_NOFOLLOW) == 0);
    recording_.events.push_back({.kind = Event::Kind::rename,
                                 .file = from.directory,
                                 .child = files_.at(status.st_ino),
                                 .name = from.name,
                                 .name_to = to.name});
    return result;
}

long Recorder::on_unname(const FileCall& call) {
    const Place place = place_of(call.fd, call.path);
    struct stat status {};
    const bool was_there = ::fstatat(call.fd, call.path, &status, AT_SYMLINK_NOFOLLOW) == 0;
    const long result = execute(call);
    if (result < 0 || !place.is_inside) return result;
    if (was_there) files_.erase(status.st_ino);  // the next file may get this inode
    recording_.events.push_back(
        {.kind = Event::Kind::unname, .file = place.directory, .name = place.name});
    return result;
}

long Recorder::record(const FileCall& call) {
    switch (call.kind) {
    case CallKind::open: return on_open(call);
    case CallKind::close: open_.erase(call.fd); return execute(call);
    case CallKind::write:
    case CallKind::resize: return on_write(call);
    case CallKind::sync:
    case CallKind::sync_data: return on_sync(call);
    case CallKind::make_directory:
    case CallKind::link: return on_name(call);
    case CallKind::rename: return on_rename(call);
    case CallKind::unlink:
    case CallKind::remove_directory: return on_unname(call);
    case CallKind::read:
    case CallKind::allocate: break;  // allocate keeps size and content
    }
    return execute(call);
}

long Recorder::on_call(FileCall& call) noexcept {
    if (call.kind == CallKind::read) return execute(call);
    const std::lock_guard lock{mutex_};
    return record(call);
}

}  // namespace oubliette::faults
