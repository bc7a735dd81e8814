#pragma once

#include <optional>
#include <utility>
#include <vector>

#include <lmdb.h>

#include "vault/store/store.hpp"

// LMDB's C interface with faults instead of codes: transactions, cursors, rows. The lmdb_* files
// are the only ones that know LMDB; README.md has the rules that they keep and why.

namespace oubliette::store::lmdb {

inline constexpr MDB_dbi kFreeTable = 0;  // LMDB's list of free pages
inline constexpr MDB_dbi kMainTable = 1;  // LMDB's list of tables

// No room in the map, on the disk or under a limit: the store stays healthy.
[[nodiscard]] bool is_no_space(int code) noexcept;
// Throws the Fault that LMDB's or the system's `code` stands for, with the remedy.
[[noreturn]] void throw_fault(int code, const char* doing);
// Throws unless `code` is MDB_SUCCESS.
void check(int code, const char* doing);

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

// ReadView::get, scan and last.
[[nodiscard]] std::optional<ByteView> get_row(MDB_txn* txn, MDB_dbi table, ByteView key);
void scan_rows(MDB_cursor* cursor, ByteView prefix, ByteView from,
               FunctionRef<bool(ByteView key, ByteView value)> visit);
[[nodiscard]] std::optional<ReadView::Row> last_row(MDB_cursor* cursor, ByteView prefix);
// Inserts or replaces; LMDB's code.
[[nodiscard]] int put_row(MDB_txn* txn, MDB_dbi table, ByteView key, ByteView value) noexcept;
[[nodiscard]] int remove_row(MDB_txn* txn, MDB_dbi table, ByteView key) noexcept;

// Pages in use as `txn` sees them, its own writes included.
[[nodiscard]] std::uint64_t live_pages(MDB_txn* txn, const std::vector<MDB_dbi>& tables);

}  // namespace oubliette::store::lmdb
