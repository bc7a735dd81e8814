#include "tools/backup_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <sodium.h>

#include "tools/cli.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {

namespace {

constexpr std::size_t kDigestSize = crypto_hash_sha256_BYTES;

CommandError broken(const std::string& why) {
    return {Exit::failed, "the backup stream is broken: " + why + "; nothing was kept, try again"};
}

bool is_safe_segment(std::string_view segment) {
    const bool is_clean = std::all_of(segment.begin(), segment.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    });
    return is_clean && !segment.empty() && segment != "." && segment != "..";
}

bool is_safe_name(std::string_view name) {
    if (name == kBackupIncomplete) return false;
    for (;;) {
        const std::size_t slash = name.find('/');
        if (!is_safe_segment(name.substr(0, slash))) return false;
        if (slash == std::string_view::npos) return true;
        name.remove_prefix(slash + 1);
    }
}

std::uint64_t little_endian(std::string_view bytes) {
    std::uint64_t number = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) {
        number = number << 8 | static_cast<Byte>(bytes[i - 1]);
    }
    return number;
}

}  // namespace

class BackupReceiver::Files {
public:
    explicit Files(std::string directory) : directory_(std::move(directory)) {
        (void)crypto_hash_sha256_init(&digest_);
        if (::mkdir(directory_.c_str(), 0700) == 0) {
            is_made_here_ = true;
        } else if (errno != EEXIST) {
            throw CommandError(Exit::input, directory_ + " cannot be made" + system_words(errno));
        } else if (std::error_code error; !std::filesystem::is_empty(directory_, error) || error) {
            throw CommandError(Exit::input,
                               directory_ + " is not an empty directory; give a new one");
        } else if (::chmod(directory_.c_str(), 0700) != 0) {
            throw CommandError(Exit::input, directory_ + " is not ours" + system_words(errno));
        }
        try {
            create_file(path_of(kBackupIncomplete), "", 0600);
        } catch (...) {
            remove_all();
            throw;
        }
    }
    ~Files() {
        if (fd_ >= 0) (void)::close(fd_);
        if (!is_finished_) remove_all();
    }
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;

    void take(ByteView bytes) {
        while (!bytes.empty()) {
            if (stage_ == Stage::over) throw broken("bytes follow its end");
            const std::size_t used =
                stage_ == Stage::content ? take_content(bytes) : take_head(bytes);
            bytes = bytes.subspan(used);
            if (stage_ == Stage::content && left_ == 0) close_file();
        }
    }

    void finish() {
        if (stage_ != Stage::over) throw broken("it ended early");
        if (::unlink(path_of(kBackupIncomplete).c_str()) != 0) throw disk_error(errno);
        for (const std::string& folder : folders_) sync_folder_of(path_of(folder) + "/");
        sync_folder_of(directory_ + "/");
        is_finished_ = true;
    }

    std::uint64_t file_count = 0;
    std::uint64_t content_size = 0;

private:
    enum class Stage : std::uint8_t { name_size, name, content_size, content, digest, over };

    [[nodiscard]] std::string path_of(const std::string& name) const {
        return directory_ + "/" + name;
    }

    CommandError disk_error(int error) const {
        return {Exit::failed,
                directory_ + " cannot be written" + system_words(error) + "; nothing was kept"};
    }

    void hash(ByteView bytes) {
        (void)crypto_hash_sha256_update(&digest_, bytes.data(), bytes.size());
    }

    // Collects one fixed part of a frame; content_size and the sizes are hashed, the digest is not.
    std::size_t take_head(ByteView bytes) {
        const std::size_t used = std::min(bytes.size(), wanted_ - head_.size());
        if (stage_ != Stage::digest) hash(bytes.first(used));
        head_ += text_of(bytes.first(used));
        if (head_.size() == wanted_) end_head();
        return used;
    }

    void expect(Stage stage, std::size_t size) {
        stage_ = stage;
        wanted_ = size;
        head_.clear();
    }

    void end_head() {
        if (stage_ == Stage::name_size) {
            const std::uint64_t size = little_endian(head_);
            if (size > kBackupNameSizeMax) throw broken("a name is too long");
            if (size == 0) {
                expect(Stage::digest, kDigestSize);
            } else {
                expect(Stage::name, size);
            }
        } else if (stage_ == Stage::name) {
            open_file(head_);
            expect(Stage::content_size, sizeof(std::uint64_t));
        } else if (stage_ == Stage::content_size) {
            left_ = little_endian(head_);
            stage_ = Stage::content;
        } else {
            check_digest();
        }
    }

    void check_digest() {
        ByteArray<kDigestSize> digest{};
        (void)crypto_hash_sha256_final(&digest_, digest.data());
        if (text_of(digest) != head_) throw broken("its digest is wrong");
        stage_ = Stage::over;
    }

    void open_file(const std::string& name) {
        if (!is_safe_name(name)) throw broken("a name is not allowed");
        for (std::size_t at = name.find('/'); at != std::string::npos;
             at = name.find('/', at + 1)) {
            const std::string folder = name.substr(0, at);
            if (!folders_.insert(folder).second) continue;
            if (::mkdir(path_of(folder).c_str(), 0700) != 0) throw disk_error(errno);
        }
        fd_ = ::open(path_of(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0600);
        if (fd_ < 0) throw errno == EEXIST ? broken("a name is there twice") : disk_error(errno);
        ++file_count;
    }

    std::size_t take_content(ByteView bytes) {
        const auto used = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
        hash(bytes.first(used));
        ByteView rest = bytes.first(used);
        while (!rest.empty()) {
            const ssize_t put = ::write(fd_, rest.data(), rest.size());
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) throw disk_error(errno);
            rest = rest.subspan(static_cast<std::size_t>(put));
        }
        left_ -= used;
        content_size += used;
        return used;
    }

    void close_file() {
        if (::fsync(fd_) != 0) throw disk_error(errno);
        if (::close(std::exchange(fd_, -1)) != 0) throw disk_error(errno);
        expect(Stage::name_size, sizeof(std::uint32_t));
    }

    // The directory was empty when we came, so all of it is ours.
    void remove_all() noexcept {
        std::error_code ignored;
        if (is_made_here_) {
            std::filesystem::remove_all(directory_, ignored);
            return;
        }
        for (std::filesystem::directory_iterator at(directory_, ignored), end; at != end;
             at.increment(ignored)) {
            std::filesystem::remove_all(at->path(), ignored);
        }
    }

    std::string directory_;
    bool is_made_here_ = false;
    bool is_finished_ = false;
    crypto_hash_sha256_state digest_{};
    Stage stage_ = Stage::name_size;
    std::size_t wanted_ = sizeof(std::uint32_t);
    std::string head_;
    std::uint64_t left_ = 0;
    int fd_ = -1;
    std::set<std::string> folders_;
};

BackupReceiver::BackupReceiver(std::string directory)
    : files_(std::make_unique<Files>(std::move(directory))) {}
BackupReceiver::~BackupReceiver() = default;

void BackupReceiver::take(ByteView bytes) {
    files_->take(bytes);
}
void BackupReceiver::finish() {
    files_->finish();
}
std::uint64_t BackupReceiver::file_count() const noexcept {
    return files_->file_count;
}
std::uint64_t BackupReceiver::content_size() const noexcept {
    return files_->content_size;
}

}  // namespace oubliette::tools
