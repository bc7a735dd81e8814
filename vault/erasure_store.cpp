#include <algorithm>

#include "vault/erasure_rows.hpp"
#include "vault/tables.hpp"

// Erasure and queue rows in their tables, cut into pieces: a row may be longer than one value of
// the store.

namespace oubliette {
namespace {

constexpr std::size_t kPieceSize = 60'000;  // bytes

Bytes piece_key(const keys::RequestId& id, std::uint16_t piece) {
    Bytes key;
    ByteWriter{key}.bytes(id).be16(piece);
    return key;
}

void remove_pieces(store::WriteView& view, store::TableId table, const keys::RequestId& id,
                   std::uint16_t from) {
    while (view.remove(table, piece_key(id, from))) ++from;
}

void put_pieces(store::WriteView& view, store::TableId table, const keys::RequestId& id,
                ByteView row) {
    std::uint16_t piece = 0;
    for (ByteView rest = row; !rest.empty(); ++piece) {
        const ByteView front = rest.first(std::min(rest.size(), kPieceSize));
        view.put(table, piece_key(id, piece), front);
        rest = rest.subspan(front.size());
    }
    remove_pieces(view, table, id, piece);
}

ByteArray<6> superseded_prefix(keys::SubjectNumber number) noexcept {
    ByteArray<6> prefix{};
    for (std::size_t i = 1; i < prefix.size(); ++i) {
        prefix[i] = static_cast<Byte>(number.local >> (8 * (prefix.size() - 1 - i)));
    }
    return prefix;
}

// Calls `visit` with each row whose key begins with `prefix`, put together; with no bytes, which no
// row has, where a piece is missing.
void scan_pieces(const store::ReadView& view, store::TableId table, ByteView prefix,
                 FunctionRef<void(const keys::RequestId& id, ByteView row)> visit) {
    std::optional<keys::RequestId> id;
    Bytes row;
    std::uint16_t next = 0;
    bool is_whole = true;
    const auto finish = [&] {
        if (id) visit(*id, is_whole ? ByteView{row} : ByteView{});
    };
    view.scan(table, prefix, {}, [&](ByteView key, ByteView value) {
        ByteReader in{key};
        const auto this_id = in.array<16>();
        const std::uint16_t piece = in.be16();
        if (this_id != id) {
            finish();
            id = this_id;
            row.clear();
            next = 0;
            is_whole = true;
        }
        is_whole = is_whole && in.finished() && piece == next;
        ++next;
        row.insert(row.end(), value.begin(), value.end());
        return true;
    });
    finish();
}

}  // namespace

void write_erasure(store::WriteView& view, const ErasureRow& row) {
    put_pieces(view, Tables::kErasures, row.id, encode(row));
}

std::optional<ErasureRow> read_erasure(const store::ReadView& view, const keys::RequestId& id) {
    std::optional<ErasureRow> found;
    scan_pieces(view, Tables::kErasures, id, [&found](const keys::RequestId& key, ByteView row) {
        found = decode_erasure_row(key, row);
        if (!found) throw Fault{FaultKind::corrupt, "an erasure's row is damaged"};
    });
    return found;
}

void visit_erasures(const store::ReadView& view,
                    FunctionRef<void(std::optional<ErasureRow> row)> visit) {
    scan_pieces(view, Tables::kErasures, {}, [&visit](const keys::RequestId& id, ByteView row) {
        visit(decode_erasure_row(id, row));
    });
}

void write_queued(store::WriteView& view, const QueueRow& row) {
    put_pieces(view, Tables::kQueue, row.revocation.id, encode(row));
}

void remove_queued(store::WriteView& view, const keys::RequestId& id) {
    remove_pieces(view, Tables::kQueue, id, 0);
}

keys::RequestId superseded_id(keys::SubjectNumber number) noexcept {
    keys::RequestId id{};
    crypto::random_bytes(id);
    std::ranges::copy(superseded_prefix(number), id.begin());
    return id;
}

void visit_queue(const store::ReadView& view,
                 FunctionRef<void(std::optional<QueueRow> row)> visit) {
    scan_pieces(view, Tables::kQueue, {}, [&visit](const keys::RequestId& id, ByteView row) {
        visit(decode_queue_row(id, row));
    });
}

std::vector<QueueRow> read_queue(const store::ReadView& view) {
    std::vector<QueueRow> rows;
    visit_queue(view, [&rows](std::optional<QueueRow> row) {
        if (!row) throw Fault{FaultKind::corrupt, "a waiting revocation is damaged"};
        rows.push_back(std::move(*row));
    });
    return rows;
}

std::vector<QueueRow> read_superseded(const store::ReadView& view,
                                      std::optional<keys::SubjectNumber> number) {
    const auto prefix = superseded_prefix(number.value_or(keys::SubjectNumber{}));
    const std::size_t size = number ? prefix.size() : 1;
    std::vector<QueueRow> rows;
    scan_pieces(view, Tables::kQueue, ByteView{prefix}.first(size),
                [&rows](const keys::RequestId& id, ByteView bytes) {
                    auto row = decode_queue_row(id, bytes);
                    if (!row) throw Fault{FaultKind::corrupt, "a waiting revocation is damaged"};
                    // Any other id begins with 0x00 as well, one in 256.
                    if (row->revocation.scope != keys::RevocationScope::superseded) return;
                    rows.push_back(std::move(*row));
                });
    return rows;
}

}  // namespace oubliette
