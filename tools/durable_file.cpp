#include "tools/durable_file.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "tools/cli.hpp"

namespace oubliette::tools {

namespace {

class File {
public:
    explicit File(int fd) noexcept : fd_(fd) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (fd_ >= 0) (void)::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }

private:
    int fd_;
};

CommandError write_error(const std::string& path, int error) {
    const bool is_full = error == ENOSPC || error == EDQUOT;
    return {Exit::failed, path + " cannot be written" + system_words(error) +
                              (is_full ? "; make room and run the same command again" : "")};
}

void write_all(const File& file, const std::string& path, std::string_view content) {
    while (!content.empty()) {
        const ssize_t put = ::write(file.get(), content.data(), content.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) throw write_error(path, errno);
        content.remove_prefix(static_cast<std::size_t>(put));
    }
    if (::fsync(file.get()) != 0) throw write_error(path, errno);
}

}  // namespace

std::optional<std::string> read_file_if_there(const std::string& path) {
    const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0 && errno == ENOENT) return std::nullopt;
    if (file.get() < 0) {
        throw CommandError(Exit::input, path + " cannot be read" + system_words(errno));
    }
    std::string content;
    std::string piece(64 * 1'024, '\0');
    for (;;) {
        const ssize_t got = ::read(file.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            throw CommandError(Exit::input, path + " cannot be read" + system_words(errno));
        if (got == 0) return content;
        content.append(piece, 0, static_cast<std::size_t>(got));
        if (content.size() > kSmallFileSizeMax) {
            throw CommandError(Exit::input, path + " is over 16 MiB");
        }
    }
}

std::string read_file(const std::string& path) {
    std::optional<std::string> content = read_file_if_there(path);
    if (!content) throw CommandError(Exit::input, path + " does not exist");
    return *std::move(content);
}

void replace_file(const std::string& path, std::string_view content, mode_t mode) {
    const std::string neighbour = path + ".new";
    (void)::unlink(neighbour.c_str());
    create_file(neighbour, content, mode);
    if (::rename(neighbour.c_str(), path.c_str()) != 0) {
        const int error = errno;
        (void)::unlink(neighbour.c_str());
        throw write_error(path, error);
    }
    sync_folder_of(path);
}

void create_file(const std::string& path, std::string_view content, mode_t mode) {
    const File file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)};
    if (file.get() < 0) throw write_error(path, errno);
    try {
        write_all(file, path, content);
    } catch (...) {
        (void)::unlink(path.c_str());
        throw;
    }
}

void sync_folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const File file{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (file.get() < 0 || ::fsync(file.get()) != 0) throw write_error(folder, errno);
}

}  // namespace oubliette::tools
