#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "crypto/bytes.hpp"
#include "tests/faults/file_calls.hpp"

// What a program did to the files below one directory, in order, and what it told its callers in
// between. Later, power can be cut at any point of it (disk_model.hpp).

namespace oubliette::faults {

// A file or directory, by a number that is never used again (an inode's may be).
using FileId = std::uint32_t;
inline constexpr FileId kHomeDirectory = 0;

struct Event {
    enum class Kind : std::uint8_t {
        write = 1,
        resize = 2,
        sync = 3,    // of a file's content, or of a directory's names
        name = 4,    // `file` is a directory and gets `name` for `child`
        unname = 5,  // `file` loses `name`
        rename = 6,  // both, in one directory: `name` becomes `name_to`
    };
    Kind kind{};
    bool is_durable = false;    // write: through an O_DSYNC descriptor
    bool is_data_sync = false;  // sync: fdatasync
    FileId file = 0;
    FileId child = 0;
    std::uint64_t offset = 0;  // write; resize: the new size
    Bytes data{};
    std::string name{};
    std::string name_to{};
};

// What is there before the first event.
struct BaseFile {
    bool is_directory = false;
    Bytes content;
    std::map<std::string, FileId> names;
};

// `what` happened after the first `at` events: the vocabulary is the caller's.
struct Mark {
    std::uint64_t at = 0;
    std::uint8_t what = 0;
    std::uint32_t subject = 0;
    std::uint64_t number = 0;
};

struct Recording {
    std::vector<BaseFile> base;      // by FileId; [0] is the home directory
    std::vector<bool> is_directory;  // by FileId, of new files too
    std::vector<Event> events;
    std::vector<Mark> marks;
};

// Records every call below `home` while it lives. One at a time.
class Recorder final : public FileCallHook {
public:
    // Reads what is there now. REQUIRES: nobody changes it meanwhile.
    explicit Recorder(const std::filesystem::path& home);
    ~Recorder() override;
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    void mark(std::uint8_t what, std::uint32_t subject, std::uint64_t number = 0);
    // Ends the recording.
    [[nodiscard]] Recording take();

    long on_call(FileCall& call) noexcept override;

private:
    struct Open {
        FileId file = 0;
        bool is_durable = false;
    };
    struct Place {  // of a path: its directory, if that is below home, and its last name
        bool is_inside = false;
        FileId directory = 0;
        std::string name;
    };

    void read_base(const std::filesystem::path& directory, FileId id);
    [[nodiscard]] Place place_of(int fd, const char* path) const;
    [[nodiscard]] FileId add_file(std::uint64_t inode, bool is_directory);
    long on_open(const FileCall& call);
    long on_write(const FileCall& call);
    long on_sync(const FileCall& call);
    long on_name(const FileCall& call);
    long on_rename(const FileCall& call);
    long on_unname(const FileCall& call);
    long record(const FileCall& call);

    std::mutex mutex_;  // held over the call: the order of events is the order on the disk
    Recording recording_;
    std::uint64_t device_ = 0;
    std::map<std::uint64_t, FileId> files_;  // by inode
    std::map<int, Open> open_;
    FileCallHook* before_ = nullptr;
};

}  // namespace oubliette::faults
