#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <unordered_set>
#include <utility>

#include <lmdb.h>

#include "crypto/assert.hpp"
#include "vault/store/disk_space.hpp"
#include "vault/store/owned_directory.hpp"
#include "vault/store/store.hpp"

// LMDB behind the store port; the only file that knows it. vault/store/README.md has the rules
// that this file keeps and why.

namespace oubliette::store {
namespace {

constexpr auto kMapChangeWait = std::chrono::seconds(30);  // for snapshots that are still held
constexpr unsigned kReaderCheckInterval = 1'024;           // writes between two stale-reader checks
constexpr std::uint64_t kRoomProbe = 256ULL << 10;         // bytes; LMDB writes as much at once
constexpr MDB_dbi kFreeTable = 0;                          // LMDB's list of free pages
constexpr MDB_dbi kMainTable = 1;                          // LMDB's list of tables

// ---- Errors ----

bool is_no_space(int code) noexcept {
    return code == ENOSPC || code == EDQUOT || code == EFBIG || code == MDB_MAP_FULL;
}

FaultKind kind_of(int code) noexcept {
    if (is_no_space(code)) return FaultKind::storage_full;
    const bool damaged = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
                         code == MDB_INVALID || code == MDB_VERSION_MISMATCH;
    return damaged ? FaultKind::corrupt : FaultKind::storage;
}

[[noreturn]] void throw_fault(int code, const char* doing) {
    std::string what = std::string(doing) + ": " + ::mdb_strerror(code);
    if (is_no_space(code)) what += "; free disk space or raise bytes_max";
    if (code == MDB_READERS_FULL) what += "; raise readers_max or use fewer threads";
    if (code == MDB_PANIC) what += "; restart the process";
    throw Fault(kind_of(code), what);
}

void check(int code, const char* doing) {
    if (code != MDB_SUCCESS) throw_fault(code, doing);
}

// Thrown by a WriteView when the map is too small: the write starts again in a larger one. Not a
// Fault, so that code which handles faults does not take it for its own.
struct MapTooSmall {};

// ---- Values and cursors ----

MDB_val val_of(ByteView bytes) noexcept {
    return {bytes.size(), const_cast<Byte*>(bytes.data())};  // LMDB does not write through it
}

ByteView view_of(const MDB_val& value) noexcept {
    return {static_cast<const Byte*>(value.mv_data), value.mv_size};
}

bool starts_with(ByteView key, ByteView prefix) noexcept {
    return key.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), key.begin());
}

std::optional<ByteView> get_row(MDB_txn* txn, MDB_dbi table, ByteView key) {
    if (key.empty() || key.size() > kKeySizeMax) return std::nullopt;
    MDB_val name = val_of(key);
    MDB_val value{};
    const int code = ::mdb_get(txn, table, &name, &value);
    if (code == MDB_NOTFOUND) return std::nullopt;
    check(code, "cannot read a row");
    return view_of(value);
}

void scan_rows(MDB_cursor* cursor, ByteView prefix, ByteView from,
               FunctionRef<bool(ByteView, ByteView)> visit) {
    OBL_ASSERT(from.empty() || starts_with(from, prefix));
    const ByteView start = from.empty() ? prefix : from;
    MDB_val key = val_of(start);
    MDB_val value{};
    int code = ::mdb_cursor_get(cursor, &key, &value, start.empty() ? MDB_FIRST : MDB_SET_RANGE);
    while (code == MDB_SUCCESS && starts_with(view_of(key), prefix)) {
        if (!visit(view_of(key), view_of(value))) return;
        code = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (code != MDB_NOTFOUND) check(code, "cannot scan rows");
}

// The smallest byte string above every string that starts with `prefix`; empty if there is none.
Bytes end_of(ByteView prefix) {
    Bytes end(prefix.begin(), prefix.end());
    while (!end.empty() && end.back() == 0xff) end.pop_back();
    if (!end.empty()) ++end.back();
    return end;
}

std::optional<ReadView::Row> last_row(MDB_cursor* cursor, ByteView prefix) {
    const Bytes end = end_of(prefix);
    MDB_val key = val_of(end);
    MDB_val value{};
    int code = MDB_NOTFOUND;
    if (!end.empty()) code = ::mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND) throw_fault(code, "cannot find the last row");
    code = ::mdb_cursor_get(cursor, &key, &value, code == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    if (code == MDB_NOTFOUND) return std::nullopt;
    check(code, "cannot find the last row");
    if (!starts_with(view_of(key), prefix)) return std::nullopt;
    return ReadView::Row{view_of(key), view_of(value)};
}

// ---- Transactions ----

// Aborts unless committed.
class Transaction {
public:
    Transaction(MDB_env* env, unsigned flags) {
        check(::mdb_txn_begin(env, nullptr, flags, &txn_), "cannot begin a transaction");
    }
    ~Transaction() {
        if (txn_ != nullptr) ::mdb_txn_abort(txn_);
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    [[nodiscard]] MDB_txn* get() const noexcept { return txn_; }
    // LMDB's code. The transaction is gone afterwards in any case.
    [[nodiscard]] int commit() noexcept { return ::mdb_txn_commit(std::exchange(txn_, nullptr)); }

private:
    MDB_txn* txn_ = nullptr;
};

class Cursor {
public:
    Cursor(MDB_txn* txn, MDB_dbi table) {
        check(::mdb_cursor_open(txn, table, &cursor_), "cannot open a cursor");
    }
    ~Cursor() { ::mdb_cursor_close(cursor_); }
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    [[nodiscard]] MDB_cursor* get() const noexcept { return cursor_; }

private:
    MDB_cursor* cursor_ = nullptr;
};

// Pages in use as `txn` sees them, its own writes included.
std::uint64_t live_pages(MDB_txn* txn, const std::vector<MDB_dbi>& tables) {
    std::uint64_t pages = 2;  // the two meta pages
    const auto add = [&](MDB_dbi table) {
        MDB_stat stat{};
        check(::mdb_stat(txn, table, &stat), "cannot count pages");
        pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    };
    add(kFreeTable);
    add(kMainTable);
    for (const MDB_dbi table : tables) add(table);
    return pages;
}

// ---- Snapshots ----

// A read transaction kept for reuse: renewing one costs a tenth of beginning one.
class Snapshot {
public:
    Snapshot(MDB_env* env, std::size_t table_count) : idle_cursors_(table_count) {
        check(::mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn_), "cannot begin a snapshot");
        ::mdb_txn_reset(txn_);
    }
    ~Snapshot() {
        for (auto& cursors : idle_cursors_) {
            for (MDB_cursor* const cursor : cursors) ::mdb_cursor_close(cursor);
        }
        ::mdb_txn_abort(txn_);
    }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    [[nodiscard]] bool is_held() const noexcept { return held_; }
    [[nodiscard]] MDB_txn* txn() const noexcept { return txn_; }

    void begin() {
        check(::mdb_txn_renew(txn_), "cannot begin a snapshot");
        held_ = true;
    }
    void end() noexcept {
        ::mdb_txn_reset(txn_);
        held_ = false;
    }

    [[nodiscard]] MDB_cursor* take_cursor(std::size_t index, MDB_dbi table) {
        auto& idle = idle_cursors_[index];
        idle.reserve(idle.size() + 1);  // so that giving back cannot throw
        MDB_cursor* cursor = nullptr;
        if (idle.empty()) {
            check(::mdb_cursor_open(txn_, table, &cursor), "cannot open a cursor");
            return cursor;
        }
        cursor = idle.back();
        check(::mdb_cursor_renew(txn_, cursor), "cannot open a cursor");
        idle.pop_back();
        return cursor;
    }
    void give_back(std::size_t index, MDB_cursor* cursor) {
        idle_cursors_[index].push_back(cursor);
    }

private:
    MDB_txn* txn_ = nullptr;
    bool held_ = false;
    std::vector<std::vector<MDB_cursor*>> idle_cursors_;  // by table position
};

// The snapshots of one thread in one store. `live` is also the thread's side of the gate that
// keeps readers out while the map moves. A thread that ends leaves its readers to the next one.
struct alignas(64) ThreadReaders {
    std::atomic<std::uint32_t> live{0};  // snapshots held now
    std::atomic<bool> is_owned{true};
    std::atomic<bool> is_closed{false};  // the store is gone, and the transactions with it
    std::vector<std::unique_ptr<Snapshot>> snapshots;
};

// What this thread reads with, by the number of the store. Numbers are never used twice, so an
// entry of a closed store is never found again.
struct ThreadCache {
    struct Entry {
        std::uint64_t store_number;
        std::shared_ptr<ThreadReaders> readers;
    };
    std::vector<Entry> entries;

    ThreadCache() = default;
    ThreadCache(const ThreadCache&) = delete;
    ThreadCache& operator=(const ThreadCache&) = delete;
    ~ThreadCache() {
        for (const Entry& entry : entries) {
            entry.readers->is_owned.store(false, std::memory_order_release);
        }
    }
    [[nodiscard]] ThreadReaders* find(std::uint64_t store_number) const noexcept {
        for (const Entry& entry : entries) {
            if (entry.store_number == store_number) return entry.readers.get();
        }
        return nullptr;
    }
};

thread_local ThreadCache thread_cache;

std::uint64_t next_store_number() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

class LmdbReadView final : public ReadView {
public:
    LmdbReadView(ThreadReaders& readers, Snapshot& snapshot, const std::vector<MDB_dbi>& tables)
        : readers_(readers),
          snapshot_(snapshot),
          tables_(tables),
          thread_(std::this_thread::get_id()) {}
    ~LmdbReadView() override {
        OBL_ASSERT(thread_ == std::this_thread::get_id());
        snapshot_.end();
        readers_.live.fetch_sub(1, std::memory_order_release);
    }
    LmdbReadView(const LmdbReadView&) = delete;
    LmdbReadView& operator=(const LmdbReadView&) = delete;

    std::optional<ByteView> get(TableId table, ByteView key) const override {
        return get_row(snapshot_.txn(), dbi(table), key);
    }
    void scan(TableId table, ByteView prefix, ByteView from,
              FunctionRef<bool(ByteView, ByteView)> visit) const override {
        const Lease lease(snapshot_, table.index, dbi(table));
        scan_rows(lease.cursor, prefix, from, visit);
    }
    std::optional<Row> last(TableId table, ByteView prefix) const override {
        const Lease lease(snapshot_, table.index, dbi(table));
        return last_row(lease.cursor, prefix);
    }
    [[nodiscard]] std::uint64_t pages() const { return live_pages(snapshot_.txn(), tables_); }

private:
    struct Lease {
        Lease(Snapshot& from, std::size_t table_index, MDB_dbi table)
            : snapshot(from), index(table_index), cursor(from.take_cursor(table_index, table)) {}
        ~Lease() { snapshot.give_back(index, cursor); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Snapshot& snapshot;
        std::size_t index;
        MDB_cursor* cursor;
    };

    [[nodiscard]] MDB_dbi dbi(TableId table) const {
        OBL_ASSERT(table.index < tables_.size());
        return tables_[table.index];
    }

    ThreadReaders& readers_;
    Snapshot& snapshot_;
    const std::vector<MDB_dbi>& tables_;
    std::thread::id thread_;
};

// ---- Writing ----

class LmdbWriteView final : public WriteView {
public:
    LmdbWriteView(MDB_txn* txn, const std::vector<MDB_dbi>& tables) : txn_(txn), tables_(tables) {}

    std::optional<ByteView> get(TableId table, ByteView key) const override {
        return get_row(txn_, dbi(table), key);
    }
    void scan(TableId table, ByteView prefix, ByteView from,
              FunctionRef<bool(ByteView, ByteView)> visit) const override {
        const Cursor cursor(txn_, dbi(table));
        scan_rows(cursor.get(), prefix, from, visit);
    }
    std::optional<Row> last(TableId table, ByteView prefix) const override {
        const Cursor cursor(txn_, dbi(table));
        return last_row(cursor.get(), prefix);
    }
    void put(TableId table, ByteView key, ByteView value) override {
        OBL_ASSERT(!key.empty() && key.size() <= kKeySizeMax);
        OBL_ASSERT(value.size() <= kValueSizeMax);
        MDB_val name = val_of(key);
        MDB_val content = val_of(value);
        check_write(::mdb_put(txn_, dbi(table), &name, &content, 0), "cannot write a row");
    }
    bool remove(TableId table, ByteView key) override {
        if (key.empty() || key.size() > kKeySizeMax) return false;
        MDB_val name = val_of(key);
        const int code = ::mdb_del(txn_, dbi(table), &name, nullptr);
        if (code == MDB_NOTFOUND) return false;
        check_write(code, "cannot remove a row");
        return true;
    }
    void use_reserve() override { uses_reserve_ = true; }

    [[nodiscard]] bool uses_reserve() const noexcept { return uses_reserve_; }
    [[nodiscard]] bool is_map_too_small() const noexcept { return is_map_too_small_; }

private:
    [[nodiscard]] MDB_dbi dbi(TableId table) const {
        OBL_ASSERT(table.index < tables_.size());
        return tables_[table.index];
    }
    void check_write(int code, const char* doing) {
        if (code == MDB_MAP_FULL) is_map_too_small_ = true;
        if (is_map_too_small_) throw MapTooSmall{};
        check(code, doing);
    }

    MDB_txn* txn_;
    const std::vector<MDB_dbi>& tables_;
    bool uses_reserve_ = false;
    bool is_map_too_small_ = false;
};

// ---- Opening ----

struct CloseEnv {
    void operator()(MDB_env* env) const noexcept { ::mdb_env_close(env); }
};
using Env = std::unique_ptr<MDB_env, CloseEnv>;

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

// The size that the last commit says the data file has.
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

std::unordered_set<std::size_t> free_pages(MDB_env* env) {
    std::unordered_set<std::size_t> pages;
    const Transaction txn(env, MDB_RDONLY);
    const Cursor cursor(txn.get(), kFreeTable);
    MDB_val key{};
    MDB_val value{};
    int code = ::mdb_cursor_get(cursor.get(), &key, &value, MDB_FIRST);
    for (; code == MDB_SUCCESS; code = ::mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT)) {
        std::vector<std::size_t> list(value.mv_size / sizeof(std::size_t));  // count, then pages
        std::memcpy(list.data(), value.mv_data, list.size() * sizeof(std::size_t));
        if (list.empty() || list[0] >= list.size()) throw_fault(MDB_CORRUPTED, "free page list");
        pages.insert(list.begin() + 1, list.begin() + 1 + static_cast<std::ptrdiff_t>(list[0]));
    }
    if (code != MDB_NOTFOUND) throw_fault(code, "cannot read the free page list");
    return pages;
}

// Reading a page beyond the end of the file is SIGBUS. LMDB itself leaves the file short when the
// last pages of a commit were allocated and freed in it, so the file may lack pages, but only free
// ones. It is extended before looking: a missing page then reads as zeros, which LMDB refuses.
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

void check_options(const StoreOptions& options, const std::vector<std::string>& table_names) {
    OBL_ASSERT(!table_names.empty() && table_names.size() <= 255);
    if (options.bytes_reserve >= options.bytes_max || options.bytes_initial == 0) {
        throw Fault(FaultKind::configuration,
                    "the store's reserve must be smaller than bytes_max; raise bytes_max");
    }
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

// ---- The store ----

class LmdbStore final : public Store {
public:
    LmdbStore(std::unique_ptr<OwnedDirectory> owner, Env env, std::vector<MDB_dbi> tables,
              const StoreOptions& options)
        : owner_(std::move(owner)),
          env_(std::move(env)),
          tables_(std::move(tables)),
          options_(options),
          page_size_(page_size(env_.get())) {
        MDB_envinfo info{};
        check(::mdb_env_info(env_.get(), &info), "cannot read the size of the map");
        bytes_map_ = info.me_mapsize;
    }
    ~LmdbStore() override;
    LmdbStore(const LmdbStore&) = delete;
    LmdbStore& operator=(const LmdbStore&) = delete;

    std::unique_ptr<ReadView> read() const override { return snapshot(); }
    void write(FunctionRef<void(WriteView&)> work) override;
    bool healthy() const noexcept override { return is_healthy_.load(std::memory_order_acquire); }
    Usage usage() const override;
    void copy_to(const std::filesystem::path& directory) const override;

private:
    [[nodiscard]] std::unique_ptr<LmdbReadView> snapshot() const;
    [[nodiscard]] ThreadReaders& readers_of_thread() const;
    [[nodiscard]] std::shared_ptr<ThreadReaders> adopt_readers() const;
    void enter(ThreadReaders& readers) const;
    [[nodiscard]] bool are_readers_out() const;
    void move_map(std::uint64_t size) const;
    void grow_map();
    [[nodiscard]] bool try_write(FunctionRef<void(WriteView&)> work);
    void check_reserve(MDB_txn* txn, std::uint64_t pages_before);
    [[nodiscard]] bool keep_room(std::uint64_t end);
    void check_commit(int code);
    void fill_tail();

    std::unique_ptr<OwnedDirectory> owner_;  // last to go; absent if read_only
    Env env_;
    const std::vector<MDB_dbi> tables_;
    const StoreOptions options_;
    const std::uint64_t page_size_;
    const std::uint64_t number_ = next_store_number();
    mutable std::atomic<bool> is_healthy_{true};

    mutable std::mutex write_mutex_;  // guards the map's size and everything that writes
    mutable std::atomic<std::uint64_t> bytes_map_{0};
    mutable std::atomic<bool> is_map_moving_{false};
    mutable std::atomic<unsigned> copies_{0};  // running copy_to calls: they pin freed pages
    std::uint64_t write_count_ = 0;
    std::uint64_t room_end_ = 0;      // the disk holds room for the data file up to here
    std::uint64_t size_checked_ = 0;  // committed size up to which the file is known to reach

    mutable std::mutex readers_mutex_;
    mutable std::vector<std::shared_ptr<ThreadReaders>> readers_;
};

LmdbStore::~LmdbStore() {
    OBL_ASSERT(are_readers_out());
    const std::lock_guard lock(readers_mutex_);
    for (const auto& readers : readers_) {
        readers->snapshots.clear();
        readers->is_closed.store(true, std::memory_order_release);
    }
}

// -- Reading --

std::shared_ptr<ThreadReaders> LmdbStore::adopt_readers() const {
    const std::lock_guard lock(readers_mutex_);
    for (const auto& readers : readers_) {
        bool owned = false;
        if (readers->is_owned.compare_exchange_strong(owned, true, std::memory_order_acquire)) {
            return readers;
        }
    }
    return readers_.emplace_back(std::make_shared<ThreadReaders>());
}

ThreadReaders& LmdbStore::readers_of_thread() const {
    if (ThreadReaders* const found = thread_cache.find(number_)) return *found;
    std::erase_if(thread_cache.entries, [](const ThreadCache::Entry& entry) {
        return entry.readers->is_closed.load(std::memory_order_acquire);
    });
    thread_cache.entries.push_back({number_, nullptr});
    thread_cache.entries.back().readers = adopt_readers();
    return *thread_cache.entries.back().readers;
}

// The reader announces itself and then looks at the flag, move_map() sets the flag and then looks
// for readers: in a total order (seq_cst) one of them sees the other. A thread that already holds
// a snapshot passes, since move_map() waits for it anyway.
void LmdbStore::enter(ThreadReaders& readers) const {
    if (readers.live.load(std::memory_order_relaxed) > 0) {
        readers.live.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    for (;;) {
        readers.live.store(1, std::memory_order_seq_cst);
        if (!is_map_moving_.load(std::memory_order_seq_cst)) return;
        readers.live.store(0, std::memory_order_release);
        is_map_moving_.wait(true, std::memory_order_acquire);
    }
}

std::unique_ptr<LmdbReadView> LmdbStore::snapshot() const {
    ThreadReaders& readers = readers_of_thread();
    enter(readers);
    try {
        if (!healthy()) throw_fault(MDB_PANIC, "an earlier commit failed");
        auto free = std::find_if(readers.snapshots.begin(), readers.snapshots.end(),
                                 [](const auto& snapshot) { return !snapshot->is_held(); });
        if (free == readers.snapshots.end()) {
            readers.snapshots.push_back(std::make_unique<Snapshot>(env_.get(), tables_.size()));
            free = readers.snapshots.end() - 1;
        }
        auto view = std::make_unique<LmdbReadView>(readers, **free, tables_);
        (*free)->begin();
        return view;
    } catch (...) {
        readers.live.fetch_sub(1, std::memory_order_release);
        throw;
    }
}

// -- The map --

bool LmdbStore::are_readers_out() const {
    const std::lock_guard lock(readers_mutex_);
    return std::all_of(readers_.begin(), readers_.end(), [](const auto& readers) {
        return readers->live.load(std::memory_order_seq_cst) == 0;
    });
}

// REQUIRES: write_mutex_ is held and no write transaction is open.
void LmdbStore::move_map(std::uint64_t size) const {
    // LMDB gives up the old map before it has the new one: ask for the address space first.
    void* const probe =
        ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) {
        throw Fault(FaultKind::storage_full,
                    "no address space for a larger map; raise the limit or lower bytes_max");
    }
    ::munmap(probe, size);

    struct Moving {
        explicit Moving(std::atomic<bool>& moving) : flag(moving) {
            flag.store(true, std::memory_order_seq_cst);
        }
        ~Moving() {
            flag.store(false, std::memory_order_release);
            flag.notify_all();
        }
        Moving(const Moving&) = delete;
        Moving& operator=(const Moving&) = delete;
        std::atomic<bool>& flag;
    };
    const Moving moving(is_map_moving_);
    const auto deadline = std::chrono::steady_clock::now() + kMapChangeWait;
    while (!are_readers_out()) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw Fault(FaultKind::storage, "a snapshot is held too long for the map to grow");
        }
        std::this_thread::yield();
    }
    const int code = ::mdb_env_set_mapsize(env_.get(), size);
    if (code != MDB_SUCCESS) {
        is_healthy_.store(false, std::memory_order_release);  // there is no map any more
        throw_fault(code, "cannot grow the map");
    }
    bytes_map_.store(size, std::memory_order_release);
}

void LmdbStore::grow_map() {
    const std::uint64_t now = bytes_map_.load(std::memory_order_relaxed);
    if (now >= options_.bytes_max) throw_fault(MDB_MAP_FULL, "the store is full");
    move_map(
        std::min(now > options_.bytes_max / 2 ? options_.bytes_max : now * 2, options_.bytes_max));
}

// -- Writing --

// A write that needs no more pages than before cannot use up the reserve. A copy pins every page
// freed while it runs, so then only what is left behind the end of the file counts.
void LmdbStore::check_reserve(MDB_txn* txn, std::uint64_t pages_before) {
    const std::uint64_t pages = live_pages(txn, tables_);
    if (pages <= pages_before) return;
    const std::uint64_t end = committed_size(env_.get());
    std::uint64_t used = pages * page_size_;
    if (copies_.load(std::memory_order_acquire) > 0) used = std::max(used, end);
    if (used > options_.bytes_max - options_.bytes_reserve || !keep_room(end)) {
        throw Fault(FaultKind::storage_full,
                    "the store is full but for its reserve; erase, free disk space, or raise "
                    "bytes_max");
    }
}

// Keeps the reserve on the disk, too, behind the end of the file. False if the disk is full.
bool LmdbStore::keep_room(std::uint64_t end) {
    const std::uint64_t wanted = std::min(end + options_.bytes_reserve, options_.bytes_max);
    if (wanted <= room_end_) return true;
    const std::uint64_t more = std::min(wanted + options_.bytes_reserve / 4, options_.bytes_max);
    for (const std::uint64_t to : {more, wanted}) {
        if (!allocate_room(data_file(env_.get()), end, to)) continue;
        room_end_ = to;
        return true;
    }
    return false;
}

// A failed flush leaves pages marked clean that are not on the disk: nothing written after it can
// be trusted. Running out of space is found while writing, before anything refers to the pages.
void LmdbStore::check_commit(int code) {
    if (code == MDB_SUCCESS) return;
    if (code == EIO) {
        // LMDB says EIO for a write that the end of the disk cut short.
        const std::uint64_t end = file_size(env_.get());
        if (!allocate_room(data_file(env_.get()), end, end + kRoomProbe)) code = ENOSPC;
    }
    bool is_broken = code > 0 && code != ENOMEM && !is_no_space(code);
    is_broken = is_broken || code == MDB_PANIC || code == MDB_CORRUPTED;
    if (!is_broken) {
        // LMDB does not tell that writing its meta page failed; the next transaction does.
        MDB_txn* txn = nullptr;
        is_broken = ::mdb_txn_begin(env_.get(), nullptr, 0, &txn) == MDB_PANIC;
        if (txn != nullptr) ::mdb_txn_abort(txn);
    }
    if (is_broken) is_healthy_.store(false, std::memory_order_release);
    throw_fault(code, "cannot commit");
}

// Keeps the file as long as the last commit says, also when LMDB did not write its last pages
// because they were freed again. Only for tools that copy the file: a failure does no harm.
void LmdbStore::fill_tail() {
    const std::uint64_t expected = committed_size(env_.get());
    if (expected <= size_checked_) return;
    if (file_size(env_.get()) < expected) resize_file(env_.get(), expected);
    size_checked_ = expected;
}

// False if the map was too small.
bool LmdbStore::try_write(FunctionRef<void(WriteView&)> work) {
    Transaction txn(env_.get(), 0);
    const std::uint64_t pages_before = live_pages(txn.get(), tables_);
    LmdbWriteView view(txn.get(), tables_);
    try {
        work(view);
    } catch (...) {
        if (view.is_map_too_small()) return false;
        throw;
    }
    if (view.is_map_too_small()) return false;
    if (!view.uses_reserve()) check_reserve(txn.get(), pages_before);
    const int code = txn.commit();
    if (code == MDB_MAP_FULL) return false;
    check_commit(code);
    return true;
}

void LmdbStore::write(FunctionRef<void(WriteView&)> work) {
    const ThreadReaders* const mine = thread_cache.find(number_);
    OBL_ASSERT(mine == nullptr || mine->live.load(std::memory_order_relaxed) == 0);
    if (options_.read_only) {
        throw Fault(FaultKind::configuration,
                    "the store was opened read-only; open it for writing");
    }
    const std::lock_guard lock(write_mutex_);
    if (!healthy()) throw_fault(MDB_PANIC, "an earlier commit failed");
    if (write_count_++ % kReaderCheckInterval == 0) {
        check(::mdb_reader_check(env_.get(), nullptr), "cannot check for stale readers");
    }
    while (!try_write(work)) grow_map();
    try {
        fill_tail();
    } catch (const Fault&) {
        return;  // the commit is durable; opening handles a short file
    }
}

// -- Size and copy --

Store::Usage LmdbStore::usage() const {
    const std::uint64_t pages = snapshot()->pages();
    return {pages * page_size_, bytes_map_.load(std::memory_order_acquire), options_.bytes_max};
}

void LmdbStore::copy_to(const std::filesystem::path& directory) const {
    struct Running {
        explicit Running(std::atomic<unsigned>& copies) : count(copies) { ++count; }
        ~Running() { --count; }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;
        std::atomic<unsigned>& count;
    };
    if (!options_.read_only) {
        // The copy reads for minutes, and the map cannot move meanwhile. At its final size it need
        // not; that costs address space only.
        const std::lock_guard lock(write_mutex_);
        if (bytes_map_.load(std::memory_order_relaxed) < options_.bytes_max) {
            move_map(options_.bytes_max);
        }
    }
    const Running running(copies_);
    const auto file = directory / "data.mdb";
    const int copy = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (copy < 0) {
        throw Fault(FaultKind::configuration,
                    "cannot create " + file.string() + "; name an existing, empty directory");
    }
    int code = ::mdb_env_copyfd2(env_.get(), copy, MDB_CP_COMPACT);
    if (code == MDB_SUCCESS && ::fsync(copy) != 0) code = errno;
    if (::close(copy) != 0 && code == MDB_SUCCESS) code = errno;
    if (code == MDB_SUCCESS) return sync_directory(directory);
    ::unlink(file.c_str());  // half a copy must not be taken for one
    throw_fault(code, "cannot copy the store");
}

}  // namespace

std::unique_ptr<Store> open_lmdb_store(const std::filesystem::path& directory,
                                       const std::vector<std::string>& table_names,
                                       const StoreOptions& options) {
    check_options(options, table_names);
    std::unique_ptr<OwnedDirectory> owner;
    if (!options.read_only) owner = std::make_unique<OwnedDirectory>(directory);
    Env env = open_env(directory, table_names.size(), options);
    check_size(env.get(), options.read_only);
    int dead = 0;
    if (!options.read_only) {
        check(::mdb_reader_check(env.get(), &dead), "cannot check for stale readers");
    }
    std::vector<MDB_dbi> tables = open_tables(env.get(), table_names, options.read_only);
    if (!options.read_only) sync_directory(directory);
    return std::make_unique<LmdbStore>(std::move(owner), std::move(env), std::move(tables),
                                       options);
}

}  // namespace oubliette::store
