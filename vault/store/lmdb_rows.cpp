#include "vault/store/lmdb_rows.hpp"

#include <algorithm>
#include <cerrno>

#include "crypto/assert.hpp"

namespace oubliette::store::lmdb {

namespace {

FaultKind kind_of(int code) noexcept {
    if (is_no_space(code)) return FaultKind::storage_full;
    const bool damaged = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
                         code == MDB_INVALID || code == MDB_VERSION_MISMATCH;
    return damaged ? FaultKind::corrupt : FaultKind::storage;
}

MDB_val val_of(ByteView bytes) noexcept {
    return {bytes.size(), const_cast<Byte*>(bytes.data())};  // LMDB does not write through it
}

ByteView view_of(const MDB_val& value) noexcept {
    return {static_cast<const Byte*>(value.mv_data), value.mv_size};
}

bool starts_with(ByteView key, ByteView prefix) noexcept {
    return key.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), key.begin());
}

// The smallest byte string above every string that starts with `prefix`; empty if there is none.
Bytes end_of(ByteView prefix) {
    Bytes end(prefix.begin(), prefix.end());
    while (!end.empty() && end.back() == 0xff) end.pop_back();
    if (!end.empty()) ++end.back();
    return end;
}

}  // namespace

bool is_no_space(int code) noexcept {
    return code == ENOSPC || code == EDQUOT || code == EFBIG || code == MDB_MAP_FULL;
}

void throw_fault(int code, const char* doing) {
    std::string what = std::string(doing) + ": " + ::mdb_strerror(code);
    if (is_no_space(code)) what += "; free disk space or raise bytes_max";
    if (code == MDB_READERS_FULL) what += "; raise readers_max or use fewer threads";
    if (code == MDB_PANIC) what += "; restart the process";
    throw Fault(kind_of(code), what);
}

void check(int code, const char* doing) {
    if (code != MDB_SUCCESS) throw_fault(code, doing);
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

int put_row(MDB_txn* txn, MDB_dbi table, ByteView key, ByteView value) noexcept {
    MDB_val name = val_of(key);
    MDB_val content = val_of(value);
    return ::mdb_put(txn, table, &name, &content, 0);
}

int remove_row(MDB_txn* txn, MDB_dbi table, ByteView key) noexcept {
    MDB_val name = val_of(key);
    return ::mdb_del(txn, table, &name, nullptr);
}

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

}  // namespace oubliette::store::lmdb
