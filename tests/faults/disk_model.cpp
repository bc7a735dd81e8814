#include "tests/faults/disk_model.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/assert.hpp"
#include "tests/faults/whole_file.hpp"

namespace oubliette::faults {
namespace {

constexpr std::size_t kSectorSize = 512;  // bytes that a disk writes whole or not at all
constexpr const char* kMappedFile = "lock.mdb";
constexpr const char* kCellFile = "anchor.cell";

void put_bytes(Bytes& content, std::uint64_t offset, ByteView bytes) {
    const std::size_t end = offset + bytes.size();
    if (content.size() < end) content.resize(end);
    std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
}

void apply_names(std::map<std::string, FileId>& names, const Event& event) {
    if (event.kind != Event::Kind::name) names.erase(event.name);
    if (event.kind == Event::Kind::name) names[event.name] = event.child;
    if (event.kind == Event::Kind::rename) names[event.name_to] = event.child;
}

void apply_whole(Bytes& content, const Event& event) {
    if (event.kind == Event::Kind::resize) return content.resize(event.offset);
    put_bytes(content, event.offset, event.data);
}

}  // namespace

// The fate of what was not flushed, drawn anew for each event.
class DiskModel::Chooser {
public:
    Chooser(Unsynced unsynced, std::mt19937_64& random) : unsynced_(unsynced), random_(random) {
        // Images in which nearly all or hardly anything reached the disk are the telling ones.
        static constexpr std::array<unsigned, 5> kPercents{5, 25, 50, 75, 95};
        percent_kept_ = kPercents[random() % kPercents.size()];
    }

    [[nodiscard]] bool keeps() { return draw(100) < percent_kept(); }

    void apply(Bytes& content, const Event& event) {
        const bool is_whole = event.kind == Event::Kind::resize || draw(4) != 0;
        if (unsynced_ != Unsynced::random || is_whole) {
            if (keeps()) apply_whole(content, event);
            return;
        }
        const bool has_size_only = draw(4) == 0;
        const std::size_t end = event.offset + event.data.size();
        if (has_size_only) return content.resize(std::max(content.size(), end));
        tear(content, event);
    }

    void make_noise(Bytes& content) {
        if (draw(2) == 0) return;
        std::uint64_t noise = 0;
        for (std::size_t at = 0; at < content.size(); ++at) {
            if (at % kSectorSize == 0) noise = random_();
            content[at] = static_cast<Byte>(noise >> (8 * (at % sizeof noise)));
        }
    }

private:
    [[nodiscard]] unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }
    [[nodiscard]] unsigned percent_kept() const {
        if (unsynced_ == Unsynced::random) return percent_kept_;
        return unsynced_ == Unsynced::kept ? 100 : 0;
    }

    // Sectors are those of the disk, so the first and the last of a write may be partial.
    void tear(Bytes& content, const Event& event) {
        std::uint64_t at = event.offset;
        const std::uint64_t end = event.offset + event.data.size();
        while (at < end) {
            const std::uint64_t next = std::min(end, (at / kSectorSize + 1) * kSectorSize);
            const ByteView sector{event.data.data() + (at - event.offset), next - at};
            if (draw(2) == 0) put_bytes(content, at, sector);
            at = next;
        }
    }

    const Unsynced unsynced_;
    std::mt19937_64& random_;
    unsigned percent_kept_ = 0;
};

DiskModel::DiskModel(const Recording& recording, Disobedience disobedience)
    : recording_(recording), disobedience_(std::move(disobedience)) {
    files_.resize(recording.is_directory.size());
    is_cell_.resize(files_.size());
    is_lying_.resize(files_.size());
    for (FileId id = 0; id < files_.size(); ++id) {
        files_[id].is_directory = recording.is_directory[id];
        if (id >= recording.base.size()) continue;
        files_[id].content = recording.base[id].content;
        files_[id].names = recording.base[id].names;
        for (const auto& [name, child] : files_[id].names) is_cell_[child] = name == kCellFile;
    }
    for (const Event& event : recording.events) {
        if (event.kind == Event::Kind::name) is_cell_[event.child] = event.name == kCellFile;
    }
    if (disobedience_.ignores_below.empty()) return;
    for (const FileId id : files_below(disobedience_.ignores_below)) is_lying_[id] = true;
}

// Files that ever were below `top`, which is a directory of home.
std::vector<FileId> DiskModel::files_below(const std::string& top) const {
    std::vector<FileId> found{recording_.base[kHomeDirectory].names.at(top)};
    std::vector<bool> is_found(files_.size());
    const auto add = [&](FileId child) {
        if (!is_found[child]) found.push_back(child);
        is_found[child] = true;
    };
    for (std::size_t i = 0; i < found.size(); ++i) {
        const FileId directory = found[i];
        if (directory < recording_.base.size()) {
            for (const auto& [name, child] : recording_.base[directory].names) add(child);
        }
        for (const Event& event : recording_.events) {
            if (event.kind == Event::Kind::name && event.file == directory) add(event.child);
        }
    }
    return found;
}

bool DiskModel::is_ignored(const Event& event) const {
    if (is_lying_[event.file]) return true;
    if (event.kind == Event::Kind::sync) return disobedience_.ignores_sync;
    return disobedience_.ignores_cell_dsync && is_cell_[event.file];
}

void DiskModel::flush(File& file) {
    for (const File::Pending& pending : file.pending) {
        if (file.is_directory) {
            apply_names(file.names, *pending.event);
        } else {
            apply_whole(file.content, *pending.event);
        }
    }
    file.pending.clear();
}

void DiskModel::happen(const Event& event) {
    File& file = files_[event.file];
    if (event.kind == Event::Kind::sync) {
        if (!is_ignored(event)) flush(file);
        return;
    }
    const bool is_flushed = event.is_durable && !is_ignored(event);
    file.pending.push_back({&event, is_flushed});
    // Alone it needs not wait for what may or may not come before it.
    if (is_flushed && file.pending.size() == 1) flush(file);
}

void DiskModel::advance(std::size_t cut) {
    OBL_ASSERT(cut >= cut_ && cut <= recording_.events.size());
    while (cut_ < cut) happen(recording_.events[cut_++]);
}

DiskModel::File DiskModel::after_cut(FileId id, Chooser& chooser) const {
    File file = files_[id];
    std::vector<File::Pending> pending = std::move(file.pending);
    if (cut_ < recording_.events.size()) {
        const Event& next = recording_.events[cut_];
        if (next.file == id && next.kind != Event::Kind::sync) pending.push_back({&next, false});
    }
    for (const File::Pending& one : pending) {
        if (file.is_directory) {
            if (one.is_flushed || chooser.keeps()) apply_names(file.names, *one.event);
        } else if (one.is_flushed) {
            apply_whole(file.content, *one.event);
        } else {
            chooser.apply(file.content, *one.event);
        }
    }
    return file;
}

void DiskModel::add_to_image(Image& image, const std::filesystem::path& path, FileId id,
                             Chooser& chooser) const {
    File file = after_cut(id, chooser);
    if (!file.is_directory) {
        if (path.filename() == kMappedFile) chooser.make_noise(file.content);
        image.emplace(path, std::move(file.content));
        return;
    }
    if (!path.empty()) image.emplace(path, std::nullopt);
    for (const auto& [name, child] : file.names) add_to_image(image, path / name, child, chooser);
}

Image DiskModel::image(Unsynced unsynced, std::mt19937_64& random) const {
    Image image;
    Chooser chooser{unsynced, random};
    add_to_image(image, {}, kHomeDirectory, chooser);
    return image;
}

Image read_image(const std::filesystem::path& home) {
    Image image;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{home}) {
        const std::filesystem::path path = entry.path().lexically_relative(home);
        image.emplace(
            path, entry.is_directory() ? std::nullopt : std::optional{read_whole(entry.path())});
    }
    return image;
}

void write_image(const Image& image, const std::filesystem::path& home) {
    for (const auto& [path, content] : image) {
        const std::filesystem::path full = home / path;
        if (!content) {
            OBL_ASSERT(::mkdir(full.c_str(), 0700) == 0);
            continue;
        }
        const int fd = ::open(full.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        OBL_ASSERT(fd >= 0);
        const auto written = ::write(fd, content->data(), content->size());
        OBL_ASSERT(written == static_cast<ssize_t>(content->size()));
        ::close(fd);
    }
}

}  // namespace oubliette::faults
