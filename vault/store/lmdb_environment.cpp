#include "vault/store/lmdb_environment.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_set>

namespace oubliette::store::lmdb {

namespace {

std::unordered_set<std::size_t> free_pages(MDB_env* env) {
    std::unordered_set<std::size_t> pages;
    const Transaction txn(env, MDB_RDONLY);
    const Cursor cursor(txn.get(), kFreeTable);
    MDB_val key{};
    MDB_val value{};
    const std::uint64_t size_max = committed_size(env);
    int code = ::mdb_cursor_get(cursor.get(), &key, &value, MDB_FIRST);
    for (; code == MDB_SUCCESS; code = ::mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT)) {
        if (value.mv_size > size_max) throw_fault(MDB_CORRUPTED, "free page list");
        std::vector<std::size_t> list(value.mv_size / sizeof(std::size_t));  // count, then pages
        std::memcpy(list.data(), value.mv_data, list.size() * sizeof(std::size_t));
        if (list.empty() || list[0] >= list.size()) throw_fault(MDB_CORRUPTED, "free page list");
        pages.insert(list.begin() + 1, list.begin() + 1 + static_cast<std::ptrdiff_t>(list[0]));
    }
    if (code != MDB_NOTFOUND) throw_fault(code, "cannot read the free page list");
    return pages;
}

// LMDB takes an empty data file for a new store, which would hide a loss.
void check_not_empty(const std::filesystem::path& file, bool must_exist) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) {
        if (errno == ENOENT && !must_exist) return;
        throw Fault(FaultKind::configuration, "cannot read " + file.string() + "; name a store");
    }
    if (status.st_size > 0) return;
    throw Fault(FaultKind::corrupt, file.string() +
                                        " is empty; restore it from a backup, or remove it if the "
                                        "store was never used");
}

}  // namespace

int data_file(MDB_env* env) {
    int file = -1;
    check(::mdb_env_get_fd(env, &file), "cannot find the data file");
    return file;
}

std::uint64_t file_size(MDB_env* env) {
    struct stat status {};
    if (::fstat(data_file(env), &status) != 0) throw_fault(errno, "cannot stat the data file");
    return static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t page_size(MDB_env* env) {
    MDB_stat stat{};
    check(::mdb_env_stat(env, &stat), "cannot read the page size");
    return stat.ms_psize;
}

std::uint64_t committed_size(MDB_env* env) {
    MDB_envinfo info{};
    check(::mdb_env_info(env, &info), "cannot read the size of the store");
    return (std::uint64_t{info.me_last_pgno} + 1) * page_size(env);
}

void resize_file(MDB_env* env, std::uint64_t size) {
    if (::ftruncate(data_file(env), static_cast<off_t>(size)) != 0) {
        throw_fault(errno, "cannot resize the data file");
    }
}

// LMDB itself leaves the file short when the last pages of a commit were allocated and freed in
// it, so the file may lack pages, but only free ones. It is extended before looking: a missing page
// then reads as zeros, which LMDB refuses.
void check_size(MDB_env* env, bool is_read_only) {
    const std::uint64_t actual = file_size(env);
    const std::uint64_t expected = committed_size(env);
    if (actual >= expected) return;
    const auto refuse = [] {
        throw Fault(FaultKind::corrupt,
                    "the data file is shorter than its last commit; restore it from a backup");
    };
    if (is_read_only) refuse();
    resize_file(env, expected);
    bool is_whole = true;
    try {
        const auto pages = free_pages(env);
        const std::uint64_t bytes = page_size(env);
        for (std::uint64_t page = actual / bytes; page < expected / bytes; ++page) {
            is_whole = is_whole && pages.contains(page);
        }
    } catch (const Fault&) {
        is_whole = false;
    }
    if (is_whole) return;
    resize_file(env, actual);
    refuse();
}

Env open_env(const std::filesystem::path& directory, std::size_t table_count,
             const StoreOptions& options) {
    const auto file = directory / "data.mdb";
    check_not_empty(file, options.read_only);
    MDB_env* raw = nullptr;
    check(::mdb_env_create(&raw), "cannot create the environment");
    Env env(raw);
    const auto bytes = std::min(options.bytes_initial, options.bytes_max);
    check(::mdb_env_set_mapsize(raw, bytes), "cannot set the size of the map");
    check(::mdb_env_set_maxdbs(raw, static_cast<MDB_dbi>(table_count)), "cannot set the tables");
    check(::mdb_env_set_maxreaders(raw, options.readers_max), "cannot set readers_max");
    // NOTLS, so that a thread may end before its readers do. Never WRITEMAP, NOSYNC, NOMETASYNC
    // or NOMEMINIT: SIGBUS when the disk is full, lost commits, and old memory in the file.
    const unsigned flags = MDB_NOTLS | (options.read_only ? MDB_RDONLY | MDB_NOLOCK : 0U);
    const int code = ::mdb_env_open(raw, directory.c_str(), flags, 0600);
    if (code == EACCES || code == EROFS || code == EPERM) {
        throw Fault(FaultKind::configuration,
                    "cannot open " + file.string() + "; give this user access to it");
    }
    check(code, "cannot open the data file");
    return env;
}

std::vector<MDB_dbi> open_tables(MDB_env* env, const std::vector<std::string>& names,
                                 bool is_read_only) {
    std::vector<MDB_dbi> tables;
    Transaction txn(env, is_read_only ? MDB_RDONLY : 0U);
    for (const std::string& name : names) {
        MDB_dbi table = 0;
        const int code =
            ::mdb_dbi_open(txn.get(), name.c_str(), is_read_only ? 0U : MDB_CREATE, &table);
        if (code == MDB_NOTFOUND) {
            throw Fault(FaultKind::configuration,
                        "the store has no table " + name + "; name a store of this version");
        }
        check(code, "cannot open a table");
        tables.push_back(table);
    }
    check(txn.commit(), "cannot create the tables");
    return tables;
}

}  // namespace oubliette::store::lmdb
