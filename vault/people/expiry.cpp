#include "vault/people/expiry.hpp"

#include "vault/tables.hpp"

namespace oubliette::people {
namespace {

constexpr std::size_t kBucketPrefixSize = 6;  // bytes: tenant, class, day

Bytes prefix_of(TenantId tenant) {
    Bytes prefix;
    ByteWriter{prefix}.be16(static_cast<std::uint16_t>(tenant));
    return prefix;
}

Bytes prefix_of(TenantId tenant, const Bucket& bucket) {
    Bytes prefix = prefix_of(tenant);
    ByteWriter{prefix}.be16(bucket.retention_class).be16(bucket.day);
    return prefix;
}

Bucket bucket_of(ByteView key) {
    ByteReader in{key};
    (void)in.be16();
    Bucket bucket;
    bucket.retention_class = in.be16();
    bucket.day = in.be16();
    if (!in.ok() || !kind_of(in.rest())) {
        throw Fault{FaultKind::corrupt, "a row of table expiry names no value"};
    }
    return bucket;
}

// The first bucket at `from` or after it.
std::optional<Bucket> next_bucket(const store::ReadView& view, TenantId tenant,
                                  const Bucket& from) {
    std::optional<Bucket> found;
    view.scan(Tables::kExpiry, prefix_of(tenant), prefix_of(tenant, from),
              [&found](ByteView key, ByteView) {
                  found = bucket_of(key);
                  return false;
              });
    return found;
}

BucketRow row_at(const store::ReadView& view, const Bucket& bucket, ByteView row_key) {
    BucketRow row;
    row.row_key.assign(row_key.begin(), row_key.end());
    const auto value = view.get(Tables::kPeople, row_key);
    row.has_value = value.has_value();
    const auto header = value ? Header::decode(*value) : std::nullopt;
    if (!header) return row;
    row.is_within = header->retention_class == bucket.retention_class && header->day == bucket.day;
    row.is_indexed = header->format == 2;
    return row;
}

}  // namespace

void write_expiry(store::WriteView& view, TenantId tenant, const Bucket& bucket, ByteView row_key) {
    Bytes key = prefix_of(tenant, bucket);
    ByteWriter{key}.bytes(row_key);
    view.put(Tables::kExpiry, key, {});
}

std::vector<Bucket> find_buckets(const store::ReadView& view, TenantId tenant, std::uint16_t end) {
    std::vector<Bucket> buckets;
    Bucket from;
    while (const auto found = next_bucket(view, tenant, from)) {
        const bool is_over = found->day < end;
        if (is_over) buckets.push_back(*found);
        // Neither the open nor the hold bucket has rows, so there is a day after this one.
        from = *found;
        if (is_over) {
            ++from.day;
        } else if (++from.retention_class == 0) {
            break;
        } else {
            from.day = 0;
        }
    }
    return buckets;
}

std::vector<BucketRow> bucket_rows(const store::ReadView& view, TenantId tenant,
                                   const Bucket& bucket, ByteView last, std::size_t count_max) {
    const Bytes prefix = prefix_of(tenant, bucket);
    Bytes from = prefix;
    ByteWriter{from}.bytes(last);
    if (!last.empty()) from.push_back(0);  // the next possible key
    std::vector<BucketRow> rows;
    view.scan(Tables::kExpiry, prefix, from, [&](ByteView key, ByteView) {
        rows.push_back(row_at(view, bucket, key.subspan(kBucketPrefixSize)));
        return rows.size() < count_max;
    });
    return rows;
}

void remove_expiry(store::WriteView& view, TenantId tenant, const MovedValue& moved) {
    Bytes key = prefix_of(tenant, moved.bucket);
    ByteWriter{key}.bytes(moved.row_key);
    view.remove(Tables::kExpiry, key);
}

bool remove_bucket(store::WriteView& view, TenantId tenant, const Bucket& bucket,
                   std::size_t count_max) {
    const auto rows = bucket_rows(view, tenant, bucket, {}, count_max);
    for (const BucketRow& row : rows) {
        if (row.is_within) view.remove(Tables::kPeople, row.row_key);
        Bytes key = prefix_of(tenant, bucket);
        ByteWriter{key}.bytes(row.row_key);
        view.remove(Tables::kExpiry, key);
    }
    return rows.size() < count_max;
}

}  // namespace oubliette::people
