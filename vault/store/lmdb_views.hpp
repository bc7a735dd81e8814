#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "crypto/assert.hpp"
#include "vault/store/lmdb_rows.hpp"

// The two views of the port over LMDB transactions. A read transaction is kept for reuse by its
// thread.

namespace oubliette::store::lmdb {

// A read transaction kept for reuse: renewing one costs a tenth of beginning one.
class Snapshot {
public:
    Snapshot(MDB_env* env, std::size_t table_count) : cursors_(table_count) {
        check(::mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn_), "cannot begin a snapshot");
        ::mdb_txn_reset(txn_);
    }
    ~Snapshot() {
        for (const Cursors& cursors : cursors_) {
            for (MDB_cursor* const cursor : cursors.idle) ::mdb_cursor_close(cursor);
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
        auto& [idle, lent] = cursors_[index];
        idle.reserve(idle.size() + lent + 1);  // so that giving back cannot throw
        MDB_cursor* cursor = nullptr;
        if (idle.empty()) {
            check(::mdb_cursor_open(txn_, table, &cursor), "cannot open a cursor");
        } else {
            cursor = idle.back();
            check(::mdb_cursor_renew(txn_, cursor), "cannot open a cursor");
            idle.pop_back();
        }
        ++lent;
        return cursor;
    }
    void give_back(std::size_t index, MDB_cursor* cursor) noexcept {
        cursors_[index].idle.push_back(cursor);
        --cursors_[index].lent;
    }

private:
    MDB_txn* txn_ = nullptr;
    bool held_ = false;
    struct Cursors {
        std::vector<MDB_cursor*> idle;
        std::size_t lent = 0;
    };
    std::vector<Cursors> cursors_;  // by table position
};

// The snapshots of one thread in one store. `live` is also the thread's side of the gate that
// keeps readers out while the map moves. A thread that ends leaves its readers to the next one.
struct alignas(64) ThreadReaders {
    std::atomic<std::uint32_t> live{0};  // snapshots held now
    std::atomic<bool> is_owned{true};
    std::atomic<bool> is_closed{false};  // the store is gone, and the transactions with it
    std::vector<std::unique_ptr<Snapshot>> snapshots;
};

class LmdbReadView final : public ReadView {
public:
    LmdbReadView(ThreadReaders& readers, Snapshot& snapshot, const std::vector<MDB_dbi>& tables)
        : readers_(readers),
          snapshot_(snapshot),
          tables_(tables),
          thread_(std::this_thread::get_id()) {
        snapshot_.begin();  // if this throws, the destructor must not end what did not begin
    }
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

// Thrown by a WriteView when the map is too small: the write starts again in a larger one. Not a
// Fault, so that code which handles faults does not take it for its own.
struct MapTooSmall {};

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
        check_write(put_row(txn_, dbi(table), key, value), "cannot write a row");
    }
    bool remove(TableId table, ByteView key) override {
        if (key.empty() || key.size() > kKeySizeMax) return false;
        const int code = remove_row(txn_, dbi(table), key);
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

}  // namespace oubliette::store::lmdb
