#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#include "vault/store/disk_space.hpp"
#include "vault/store/lmdb_environment.hpp"
#include "vault/store/lmdb_views.hpp"
#include "vault/store/owned_directory.hpp"

// The store: who reads, who writes, how the map grows, and how much room is left.

namespace oubliette::store {
namespace lmdb {
namespace {

constexpr auto kMapChangeWait = std::chrono::seconds(30);  // for snapshots that are still held
constexpr unsigned kReaderCheckInterval = 1'024;           // writes between two stale-reader checks
constexpr std::uint64_t kRoomProbe = 256ULL << 10;         // bytes; LMDB writes as much at once

void check_options(const StoreOptions& options, const std::vector<std::string>& table_names) {
    OBL_ASSERT(!table_names.empty() && table_names.size() <= 255);
    if (options.bytes_reserve >= options.bytes_max || options.bytes_initial == 0) {
        throw Fault(FaultKind::configuration,
                    "the store's reserve must be smaller than bytes_max; raise bytes_max");
    }
}

// ---- The threads that read ----

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
    // In this order, so that no failure leaves an entry without readers, or readers without one.
    thread_cache.entries.reserve(thread_cache.entries.size() + 1);
    thread_cache.entries.push_back({number_, adopt_readers()});
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
        return std::make_unique<LmdbReadView>(readers, **free, tables_);
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

std::unique_ptr<Store> open_store(const std::filesystem::path& directory,
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

}  // namespace
}  // namespace lmdb

std::unique_ptr<Store> open_lmdb_store(const std::filesystem::path& directory,
                                       const std::vector<std::string>& table_names,
                                       const StoreOptions& options) {
    return lmdb::open_store(directory, table_names, options);
}

}  // namespace oubliette::store
