#include "vault/audit/audit_log.hpp"

#include <algorithm>
#include <bit>

#include "vault/tables.hpp"

namespace oubliette::audit {
namespace {

constexpr std::string_view kLogRow = "log";
constexpr std::size_t kRootSize = 32;

Bytes segment_key(std::uint64_t first) {
    Bytes key;
    ByteWriter{key}.be64(first);
    return key;
}

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

struct Segment {
    std::uint64_t first = 0;
    ByteView root;
    ByteView entries;

    [[nodiscard]] std::uint64_t end() const noexcept { return first + entries.size() / kEntrySize; }
};

Segment segment_of(ByteView key, ByteView value) {
    ByteReader in{key};
    const std::uint64_t first = in.be64();
    const bool is_whole =
        in.finished() && value.size() > kRootSize && (value.size() - kRootSize) % kEntrySize == 0;
    if (!is_whole) corrupt("audit log: a segment is damaged");
    return {first, value.first(kRootSize), value.subspan(kRootSize)};
}

// Where a scan must start to meet the segment that holds entry `from`. It begins at most
// kSegmentEntriesMax before; most segments are short, so that near starts are tried first.
Bytes first_key(const store::ReadView& view, std::uint64_t from) {
    for (std::uint64_t back = 1; back < kSegmentEntriesMax && back <= from; back *= 4) {
        Bytes start = segment_key(from - back + 1);
        bool is_before = false;
        view.scan(Tables::kAudit, {}, start, [&](ByteView key, ByteView) {
            is_before = ByteReader{key}.be64() <= from;
            return false;
        });
        if (is_before) return start;
    }
    return segment_key(from > kSegmentEntriesMax ? from - kSegmentEntriesMax : 0);
}

}  // namespace

AuditLog::AuditLog(const store::ReadView& view) {
    if (const auto row = view.get(Tables::kMeta, bytes_of(kLogRow))) {
        ByteReader in{*row};
        standing_.size = in.le64();
        for (int i = std::popcount(standing_.size); i > 0; --i) {
            standing_.peaks.push_back(in.array<32>());
        }
        if (!in.finished()) corrupt("audit log: the standing record is damaged");
    }
    const auto last = view.last(Tables::kAudit, {});
    std::uint64_t end = 0;
    if (last) {
        const Segment segment = segment_of(last->key, last->value);
        end = segment.end();
        if (!std::ranges::equal(segment.root, standing_.root())) {
            corrupt("audit log: the last segment does not fit the standing record");
        }
    }
    if (end != standing_.size) corrupt("audit log: segments are missing or too many");
    size_.store(standing_.size);
    root_ = standing_.root();
}

void AuditLog::begin() noexcept {
    pending_.clear();
}

void AuditLog::append(const Entry& entry) {
    encode(entry, pending_);
}

std::uint64_t AuditLog::next_index() const noexcept {
    return standing_.size + pending_.size() / kEntrySize;
}

void AuditLog::finish(store::WriteView& view) {
    attempt_ = standing_;
    attempt_root_ = root_;
    if (pending_.empty()) return;
    Bytes segment;
    for (ByteView rest = pending_; !rest.empty();) {
        const std::size_t size = std::min(rest.size(), kSegmentEntriesMax * kEntrySize);
        const Bytes key = segment_key(attempt_.size);
        for (std::size_t at = 0; at < size; at += kEntrySize) {
            attempt_.add(crypto::merkle_leaf(rest.subspan(at, kEntrySize)));
        }
        segment.clear();
        attempt_root_ = attempt_.root();
        ByteWriter{segment}.bytes(attempt_root_).bytes(rest.first(size));
        view.put(Tables::kAudit, key, segment);
        rest = rest.subspan(size);
    }
    Bytes row;
    ByteWriter writer{row};
    writer.le64(attempt_.size);
    for (const crypto::Hash& peak : attempt_.peaks) writer.bytes(peak);
    view.put(Tables::kMeta, bytes_of(kLogRow), row);
}

void AuditLog::committed() noexcept {
    standing_ = std::move(attempt_);
    root_ = attempt_root_;
    pending_.clear();
    size_.store(standing_.size);
}

std::optional<crypto::Hash> AuditLog::root_at(const store::ReadView& view, std::uint64_t size) {
    if (size == 0) return crypto::merkle_root({});
    // The segment that ends at `size` begins at most kSegmentEntriesMax before it.
    const std::uint64_t first = size > kSegmentEntriesMax ? size - kSegmentEntriesMax : 0;
    std::optional<crypto::Hash> root;
    view.scan(Tables::kAudit, {}, segment_key(first), [&](ByteView key, ByteView value) {
        const Segment segment = segment_of(key, value);
        if (segment.first >= size) return false;
        if (segment.end() == size) root = ByteReader{segment.root}.array<32>();
        return true;
    });
    return root;
}

bool AuditLog::verify(const store::ReadView& view) {
    crypto::MerkleFrontier standing;
    bool fits = true;
    view.scan(Tables::kAudit, {}, {}, [&](ByteView key, ByteView value) {
        fits = key.size() == sizeof(std::uint64_t) && value.size() > kRootSize &&
               (value.size() - kRootSize) % kEntrySize == 0 &&
               ByteReader{key}.be64() == standing.size;
        if (!fits) return false;
        for (std::size_t at = kRootSize; at < value.size(); at += kEntrySize) {
            standing.add(crypto::merkle_leaf(value.subspan(at, kEntrySize)));
        }
        fits = std::ranges::equal(value.first(kRootSize), standing.root());
        return fits;
    });
    if (!fits) return false;
    const auto row = view.get(Tables::kMeta, bytes_of(kLogRow));
    Bytes expected;
    ByteWriter writer{expected};
    writer.le64(standing.size);
    for (const crypto::Hash& peak : standing.peaks) writer.bytes(peak);
    return row ? std::ranges::equal(*row, expected) : standing.size == 0;
}

void AuditLog::read_encoded(const store::ReadView& view, std::uint64_t from,
                            FunctionRef<bool(std::uint64_t index, ByteView entry)> visit) {
    std::optional<std::uint64_t> next;  // first entry of the segment that must follow
    view.scan(Tables::kAudit, {}, first_key(view, from), [&](ByteView key, ByteView value) {
        const Segment segment = segment_of(key, value);
        const bool is_gap = next ? segment.first != *next : segment.first > from;
        if (is_gap) corrupt("audit log: segments are missing or overlap");
        next = segment.end();
        const std::uint64_t skipped =
            from > segment.first ? std::min(from - segment.first, segment.end() - segment.first)
                                 : 0;
        std::uint64_t index = segment.first + skipped;
        for (ByteView rest = segment.entries.subspan(skipped * kEntrySize); !rest.empty();
             ++index) {
            if (!visit(index, rest.first(kEntrySize))) return false;
            rest = rest.subspan(kEntrySize);
        }
        return true;
    });
}

void AuditLog::read(const store::ReadView& view, std::uint64_t from,
                    FunctionRef<bool(std::uint64_t index, const Entry& entry)> visit) {
    read_encoded(view, from, [&](std::uint64_t index, ByteView encoded) {
        const auto entry = decode_entry(encoded);
        if (!entry) corrupt("audit log: an entry is damaged");
        return visit(index, *entry);
    });
}

}  // namespace oubliette::audit
