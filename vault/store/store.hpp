#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.hpp"
#include "vault/function_ref.hpp"
#include "vault/result.hpp"

// The store port (ARCHITECTURE 4): ordered byte keys in a few named tables, snapshots for reading,
// all-or-nothing writes. Narrow, so that a second engine is one file. Knows nothing of keys,
// people or policies; holds only what may be copied and kept for ever (the data plane) or what a
// keeper stores beside its cell.

namespace oubliette::store {

// A table by its position in the list given at open.
struct TableId {
    std::uint8_t index = 0;
    friend bool operator==(TableId, TableId) = default;
};

inline constexpr std::size_t kKeySizeMax = 511;       // bytes
inline constexpr std::size_t kValueSizeMax = 65'535;  // bytes; longer values are chunked above

// A snapshot. Views returned by it are valid until it is destroyed, or, in a WriteView, until the
// next write. Belongs to one thread. Throws Fault{storage}.
class ReadView {
public:
    virtual ~ReadView() = default;

    [[nodiscard]] virtual std::optional<ByteView> get(TableId table, ByteView key) const = 0;

    // Calls `visit(key, value)` for every row with key >= `from` that starts with `prefix`, in
    // ascending order, until it returns false. REQUIRES: `from` is empty (start at `prefix`) or
    // starts with `prefix`. `visit` must not write.
    virtual void scan(TableId table, ByteView prefix, ByteView from,
                      FunctionRef<bool(ByteView key, ByteView value)> visit) const = 0;

    // The row with the highest key that starts with `prefix`; nullopt if there is none.
    struct Row {
        ByteView key;
        ByteView value;
    };
    [[nodiscard]] virtual std::optional<Row> last(TableId table, ByteView prefix) const = 0;
};

// What a write may do. Sees its own writes.
class WriteView : public ReadView {
public:
    // Inserts or replaces. REQUIRES: 0 < key size <= kKeySizeMax, value size <= kValueSizeMax.
    virtual void put(TableId table, ByteView key, ByteView value) = 0;
    // True if the row existed.
    virtual bool remove(TableId table, ByteView key) = 0;
    // Tells that this write serves an erasure: it may use the reserve of the map, so that erasing
    // works when the store is full for everything else.
    virtual void use_reserve() = 0;
};

// Thread-safe. One process at a time per directory.
class Store {
public:
    virtual ~Store() = default;

    // A snapshot of the last commit. Cheap (a reader slot of this thread is reused). Must be
    // destroyed on the thread that made it, and never be held while waiting for anything: a held
    // snapshot keeps freed pages from being used again.
    [[nodiscard]] virtual std::unique_ptr<ReadView> read() const = 0;

    // Runs `work` in a write transaction: durable when this returns, without any effect when it
    // throws. Whatever `work` throws is passed on. `work` may run more than once (the map grows
    // between two runs), each time on the last commit, so it must start from nothing each time.
    // REQUIRES: this thread holds no ReadView of this store.
    // Throws Fault{storage_full} when there is no room (without use_reserve(): no room outside
    // the reserve), Fault{storage} for everything else; after a Fault{storage} that `healthy()`
    // does not survive the process must end (a failed flush is never retried) and neither reads
    // nor writes are served.
    virtual void write(FunctionRef<void(WriteView&)> work) = 0;

    [[nodiscard]] virtual bool healthy() const noexcept = 0;

    struct Usage {
        std::uint64_t bytes_used;  // pages in use
        std::uint64_t bytes_map;   // size of the map now
        std::uint64_t bytes_max;   // the map never grows beyond this
    };
    [[nodiscard]] virtual Usage usage() const = 0;

    // Writes a consistent, compacted copy (no freed pages) of the last commit to `directory`,
    // which must exist and hold no store. Runs beside readers and writers.
    virtual void copy_to(const std::filesystem::path& directory) const = 0;
};

// Cost and bounds of one store.
struct StoreOptions {
    std::uint64_t bytes_max = 64ULL << 30;      // upper bound of the map
    std::uint64_t bytes_initial = 64ULL << 20;  // the map starts so and doubles
    std::uint64_t bytes_reserve = 16ULL << 20;  // kept for writes that called use_reserve()
    unsigned readers_max = 256;                 // concurrent snapshots
    bool read_only = false;  // for a copy: no lock file, nothing is written, another process may
                             // have it open only if it never writes meanwhile
};

// Opens or creates the LMDB store in `directory` (created 0700, files 0600) with the tables of
// `table_names`; TableId{i} is table_names[i]. Refuses a truncated file (reading it would be
// SIGBUS), and a table list that the file does not have when read_only.
// Throws Fault{configuration} with the remedy, Fault{conflict} when another process has it open,
// Fault{corrupt}, Fault{storage}.
[[nodiscard]] std::unique_ptr<Store> open_lmdb_store(const std::filesystem::path& directory,
                                                     const std::vector<std::string>& table_names,
                                                     const StoreOptions& options);

}  // namespace oubliette::store
