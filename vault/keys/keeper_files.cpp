#include "vault/keys/keeper_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "crypto/patient_memory.hpp"
#include "vault/result.hpp"

namespace oubliette::keys {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlanePrefix = "plane.";

[[noreturn]] void throw_storage(const char* action, const fs::path& path, int error) {
    throw Fault{FaultKind::storage, std::string{action} + " " + path.string() + ": " +
                                        std::generic_category().message(error)};
}

// n of "plane.<n>", in its one spelling.
std::optional<unsigned> plane_number(const std::string& name) {
    if (!name.starts_with(kPlanePrefix)) return std::nullopt;
    const char* const first = name.data() + kPlanePrefix.size();
    const char* const last = name.data() + name.size();
    unsigned n = 0;
    const auto [end, error] = std::from_chars(first, last, n);
    if (error != std::errc{} || end != last || n == 0) return std::nullopt;
    if (std::string{kPlanePrefix} + std::to_string(n) != name) return std::nullopt;
    return n;
}

}  // namespace

FileLock::FileLock(const fs::path& file)
    : file_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (!file_.is_open()) throw_storage("cannot open", file, errno);
}

bool FileLock::try_exclusive() {
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    throw Fault{FaultKind::storage, "flock: " + std::generic_category().message(errno)};
}

namespace {
void wait_for_lock(int descriptor, int operation) {
    while (::flock(descriptor, operation) != 0) {
        if (errno == EINTR) continue;
        throw Fault{FaultKind::storage, "flock: " + std::generic_category().message(errno)};
    }
}
}  // namespace

void FileLock::exclusive() {
    wait_for_lock(file_.get(), LOCK_EX);
}
void FileLock::shared() {
    wait_for_lock(file_.get(), LOCK_SH);
}
void FileLock::unlock() noexcept {
    (void)::flock(file_.get(), LOCK_UN);
}

std::vector<unsigned> plane_numbers(const fs::path& keeper) {
    const crypto::PatientMemory patient;  // libstdc++ 12 makes entries in a noexcept function
    std::vector<unsigned> numbers;
    for (const fs::directory_entry& entry : fs::directory_iterator{keeper}) {
        const std::optional<unsigned> n = plane_number(entry.path().filename().string());
        if (n && entry.is_directory()) numbers.push_back(*n);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

fs::path plane_path(const fs::path& keeper, unsigned n) {
    return keeper / (std::string{kPlanePrefix} + std::to_string(n));
}

std::optional<Bytes> read_small_file(const fs::path& file, std::size_t size_max) {
    const FileDescriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!descriptor.is_open()) {
        if (errno == ENOENT) return std::nullopt;
        throw_storage("cannot open", file, errno);
    }
    const crypto::SecretBytes content = read_up_to(descriptor.get(), size_max, "cannot read");
    if (content.size() > size_max) {
        throw Fault{FaultKind::corrupt, file.string() + " is too large"};
    }
    const ByteView view = content.expose();
    return Bytes{view.begin(), view.end()};
}

void remove_durably(const fs::path& path) {
    std::error_code error;
    const std::uintmax_t removed = fs::remove_all(path, error);
    if (error) throw_storage("cannot remove", path, error.value());
    if (removed > 0) sync_directory(path.parent_path());
}

bool holds_only_keeper_files(const fs::path& directory) {
    static constexpr const char* kNames[] = {kCellFile,    kSealFile,       kSigningFile,
                                             kOwnerLock,   kIoLock,         kUnfinishedMark,
                                             kJoiningMark, "seal.slots.new"};
    for (const fs::directory_entry& entry : fs::directory_iterator{directory}) {
        const std::string name = entry.path().filename().string();
        const bool known =
            std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
            plane_number(name).has_value();
        if (!known) return false;
    }
    return true;
}

fs::path resolved(const fs::path& path) {
    std::error_code error;
    fs::path out = fs::weakly_canonical(fs::absolute(path), error);
    if (error) throw_storage("cannot resolve", path, error.value());
    return out.has_filename() ? out : out.parent_path();
}

bool are_nested(const fs::path& a, const fs::path& b) {
    const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    return in_a == a.end() || in_b == b.end();
}

namespace {

bool is_same_directory(const fs::path& a, const fs::path& b) {
    struct stat of_a {};
    struct stat of_b {};
    return a == b || (::stat(a.c_str(), &of_a) == 0 && ::stat(b.c_str(), &of_b) == 0 &&
                      of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino);
}

void check_pair(const fs::path& a, const fs::path& b) {
    if (is_same_directory(a, b)) {
        throw Fault{FaultKind::configuration, "two keepers are the same directory " + a.string() +
                                                  ": name two different ones"};
    }
    if (are_nested(a, b)) {
        const bool is_a_outer = a.string().size() < b.string().size();
        const fs::path& inner = is_a_outer ? b : a;
        const fs::path& outer = is_a_outer ? a : b;
        throw Fault{FaultKind::configuration, "keeper " + inner.string() + " lies inside keeper " +
                                                  outer.string() +
                                                  ": name two separate directories"};
    }
}

}  // namespace

void check_directories(const std::vector<fs::path>& directories, const fs::path& data,
                       std::size_t count_min) {
    if (directories.size() < count_min) {
        throw Fault{FaultKind::configuration,
                    count_min < 2
                        ? "no keeper is configured: name the keepers of this vault"
                        : "at least two keepers are needed: name two directories on different "
                          "disks"};
    }
    std::vector<fs::path> paths;
    for (const fs::path& directory : directories) paths.push_back(resolved(directory));
    for (std::size_t i = 0; i < paths.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) check_pair(paths[j], paths[i]);
        if (!data.empty() && are_nested(paths[i], resolved(data))) {
            throw Fault{FaultKind::configuration,
                        "keeper " + paths[i].string() +
                            " and the data directory lie in one another: a backup of the data "
                            "would copy its cell, and nothing could be erased any more; name "
                            "directories apart"};
        }
    }
}

}  // namespace oubliette::keys
