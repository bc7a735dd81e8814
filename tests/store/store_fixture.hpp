#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "vault/store/store.hpp"

// What the tests of the store and of the committer share.

namespace oubliette::store {

inline constexpr TableId kRows{0};
inline constexpr TableId kOther{1};
inline const std::vector<std::string> kTableNames{"rows", "other"};

// A new empty directory (0700), removed with its content.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "oubliette-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

inline StoreOptions small_options(std::uint64_t bytes_max = 64ULL << 20) {
    StoreOptions options;
    options.bytes_max = bytes_max;
    options.bytes_initial = 256ULL << 10;
    options.bytes_reserve = 256ULL << 10;
    return options;
}

inline std::unique_ptr<Store> open_small(const std::filesystem::path& directory,
                                         std::uint64_t bytes_max = 64ULL << 20) {
    return open_lmdb_store(directory, kTableNames, small_options(bytes_max));
}

inline void put(Store& store, std::string_view key, std::string_view value, TableId table = kRows) {
    store.write([&](WriteView& view) { view.put(table, bytes_of(key), bytes_of(value)); });
}

inline std::string get(const ReadView& view, std::string_view key, TableId table = kRows) {
    const auto value = view.get(table, bytes_of(key));
    return value ? std::string(text_of(*value)) : "(none)";
}

inline std::string get(const Store& store, std::string_view key, TableId table = kRows) {
    return get(*store.read(), key, table);
}

// Big-endian, so that numbers sort as keys.
inline Bytes number_key(std::uint64_t number) {
    Bytes key(8);
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<Byte>(number >> (8 * (key.size() - 1 - i)));
    }
    return key;
}

// Runs `work` in a child process and returns its wait status. REQUIRES: no other thread runs and
// no store is open here that the child would use.
inline int run_in_child(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);  // an expected abort is no failure of the test program
        int code = 99;
        try {
            code = work();
        } catch (...) {
            code = 98;
        }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace oubliette::store
