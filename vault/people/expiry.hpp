#pragma once

#include <vector>

#include "vault/people/records.hpp"
#include "vault/store/store.hpp"

// Which values end on which day (KEYS 5.3): one row for each value whose end was known when it was
// written, so that all values of a retention class and day are found without looking at people. A
// row stays behind when its value is replaced or erased before; it goes with its bucket.
//
//   table expiry: tenant:u16be | retention class:u16be | day:u16be | row key -> nothing
//
// DO NOT CHANGE: it is on disk and in backups. Reading functions are thread-safe; writing ones
// belong to the committer's thread.

namespace oubliette::people {

// All values of one retention class that end on one day (days since 2020-01-01): one key.
struct Bucket {
    std::uint16_t retention_class = 0;
    std::uint16_t day = 0;
    friend auto operator<=>(const Bucket&, const Bucket&) = default;
};

void write_expiry(store::WriteView& view, TenantId tenant, const Bucket& bucket, ByteView row_key);

// The buckets with rows whose day is before `end`, in order; one seek for each of them and two for
// each class. Throws Fault{corrupt} for a row of another format.
[[nodiscard]] std::vector<Bucket> find_buckets(const store::ReadView& view, TenantId tenant,
                                               std::uint16_t end);

// What the rows of a bucket name.
struct BucketRow {
    Bytes row_key;
    bool has_value = false;   // the value is still there
    bool is_within = false;   // and its own header says that it is in this bucket
    bool is_indexed = false;  // and it has an index-truth box
};
// At most `count_max` rows of the bucket that come after `last`, the row key of one of them (empty:
// from the first).
[[nodiscard]] std::vector<BucketRow> bucket_rows(const store::ReadView& view, TenantId tenant,
                                                 const Bucket& bucket, ByteView last,
                                                 std::size_t count_max);

// A value that is not any more in the bucket that names it: a hold took it away. Its row here keeps
// the day's key alive until a completed backup has the value at its new place (KEYS 5.3).
struct MovedValue {
    Bucket bucket;
    Bytes row_key;
};
void remove_expiry(store::WriteView& view, TenantId tenant, const MovedValue& moved);

// Removes up to `count_max` rows of the bucket and the values that are within it. True if none are
// left.
[[nodiscard]] bool remove_bucket(store::WriteView& view, TenantId tenant, const Bucket& bucket,
                                 std::size_t count_max);

}  // namespace oubliette::people
