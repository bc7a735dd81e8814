#include "vault/keys/keeper_rows.hpp"

#include <algorithm>

#include "crypto/byte_io.hpp"

namespace oubliette::keys {
namespace {

using store::ReadView;
using store::WriteView;

constexpr std::size_t kLeavesPerPart = 1'024;
constexpr std::size_t kPruneMax = 4'096;  // rows per transaction
constexpr std::uint8_t kLeafPart = 0;
constexpr std::uint8_t kRequestPart = 1;
constexpr std::uint8_t kOpensPart = 2;

[[noreturn]] void throw_corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, std::string{"keeper: "} + what + " is damaged"};
}

Bytes epoch_key(std::uint64_t epoch) {
    Bytes key;
    ByteWriter{key}.be64(epoch);
    return key;
}

Bytes part_key(std::uint64_t epoch, std::uint8_t part) {
    Bytes key = epoch_key(epoch);
    ByteWriter{key}.u8(part);
    return key;
}

std::uint64_t epoch_of(ByteView key) {
    return ByteReader{key}.be64();
}

void remove_prefix(WriteView& view, store::TableId table, ByteView prefix) {
    std::vector<Bytes> keys;
    view.scan(table, prefix, {}, [&](ByteView key, ByteView) {
        keys.emplace_back(key.begin(), key.end());
        return true;
    });
    for (const Bytes& key : keys) (void)view.remove(table, key);
}

bool has_prefix(const ReadView& view, store::TableId table, ByteView prefix) {
    bool found = false;
    view.scan(table, prefix, {}, [&](ByteView, ByteView) {
        found = true;
        return false;
    });
    return found;
}

void put_pieces(WriteView& view, store::TableId table, const Bytes& prefix,
                const std::vector<Bytes>& pieces) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        Bytes key = prefix;
        ByteWriter{key}.be16(static_cast<std::uint16_t>(i));
        view.put(table, key, pieces[i]);
    }
}

// Calls `visit(id, pieces)` for every request whose key begins with `prefix` | id.
void scan_requests(const ReadView& view, store::TableId table, const Bytes& prefix,
                   FunctionRef<void(const RequestId&, const std::vector<Bytes>&)> visit) {
    RequestId id{};
    std::vector<Bytes> pieces;
    const auto flush = [&] {
        if (!pieces.empty()) visit(id, pieces);
        pieces.clear();
    };
    view.scan(table, prefix, {}, [&](ByteView key, ByteView value) {
        ByteReader reader{key.subspan(prefix.size())};
        const RequestId found = reader.array<16>();
        (void)reader.be16();
        if (!reader.finished()) throw_corrupt("a request key");
        if (found != id) flush();
        id = found;
        pieces.emplace_back(value.begin(), value.end());
        return true;
    });
    flush();
}

}  // namespace

std::vector<std::string> keeper_tables() {
    return {"root", "pages", "chain", "requests", "request_ids", "pending", "registers"};
}

void merge_memory(Memory& to, const Memory& from) {
    for (const auto& [key, value] : from.registers) {
        std::uint64_t& mine = to.registers[key];
        mine = std::max(mine, value);
    }
    if (is_older(to.state, from.state)) to.state = from.state;
    for (const Revocation& revocation : from.pending) {
        const bool known =
            std::any_of(to.pending.begin(), to.pending.end(),
                        [&](const Revocation& mine) { return mine.id == revocation.id; });
        if (!known) to.pending.push_back(revocation);
    }
}

// ---- Root ----

std::optional<ByteView> KeeperRows::root_record(const ReadView& view) {
    return view.get(table::kRoot, bytes_of("root"));
}

void KeeperRows::put_root_record(WriteView& view, ByteView record) {
    view.put(table::kRoot, bytes_of("root"), record);
}

std::optional<Bytes> KeeperRows::page(const ReadView& view, const PageId& id) {
    const std::optional<ByteView> record = view.get(table::kPages, id);
    if (!record) return std::nullopt;
    return Bytes{record->begin(), record->end()};
}

Members KeeperRows::members(const ReadView& view) {
    const std::optional<ByteView> row = view.get(table::kRoot, bytes_of("members"));
    std::optional<Members> members;
    if (row) members = decode_members(*row);
    if (!members) throw_corrupt("the member list");
    return std::move(*members);
}

void KeeperRows::put_members(WriteView& view, const Members& members) {
    view.put(table::kRoot, bytes_of("members"), encode_members(members));
}

// ---- Chain ----

void KeeperRows::put_row(WriteView& view, const StoredRow& row) {
    view.put(table::kChain, epoch_key(row.row.epoch), encode_row(row));
}

std::optional<StoredRow> KeeperRows::row(const ReadView& view, std::uint64_t epoch) {
    const std::optional<ByteView> value = view.get(table::kChain, epoch_key(epoch));
    if (!value) return std::nullopt;
    std::optional<StoredRow> row = decode_row(epoch, *value);
    if (!row) throw_corrupt("a chain row");
    return row;
}

std::vector<StoredRow> KeeperRows::rows_from(const ReadView& view, std::uint64_t first) {
    std::vector<StoredRow> rows;
    view.scan(table::kChain, {}, epoch_key(first), [&](ByteView key, ByteView value) {
        std::optional<StoredRow> row = decode_row(epoch_of(key), value);
        if (!row) throw_corrupt("a chain row");
        rows.push_back(*row);
        return true;
    });
    return rows;
}

void KeeperRows::prune_rows(WriteView& view, std::uint64_t floor) {
    std::vector<std::uint64_t> epochs;
    view.scan(table::kChain, {}, {}, [&](ByteView key, ByteView) {
        const std::uint64_t epoch = epoch_of(key);
        if (epoch >= floor || epochs.size() == kPruneMax) return false;
        epochs.push_back(epoch);
        return true;
    });
    for (const std::uint64_t epoch : epochs) {
        // A remembered request's proof of finality begins at its own row.
        if (has_prefix(view, table::kRequests, part_key(epoch, kRequestPart))) return;
        remove_prefix(view, table::kRequests, epoch_key(epoch));
        (void)view.remove(table::kChain, epoch_key(epoch));
    }
}

// ---- Requests ----

void KeeperRows::put_step(WriteView& view, const EpochStep& step) const {
    const std::uint64_t epoch = step.row.epoch;
    const std::span<const RequestLeaf> all{step.leaves};
    for (std::size_t at = 0, part = 0; at < all.size(); at += kLeavesPerPart, ++part) {
        Bytes key = part_key(epoch, kLeafPart);
        ByteWriter{key}.be16(static_cast<std::uint16_t>(part));
        view.put(table::kRequests, key,
                 encode_leaves(all.subspan(at, std::min(kLeavesPerPart, all.size() - at))));
    }
    for (const Revocation& revocation : step.requests) {
        Bytes key = part_key(epoch, kRequestPart);
        ByteWriter{key}.bytes(revocation.id);
        put_pieces(view, table::kRequests, key, seal_request(kek_, name_, epoch, revocation));
        view.put(table::kRequestIds, revocation.id, epoch_key(epoch));
        remove_pending(view, revocation.id);
    }
    if (!step.opens.empty()) {
        view.put(table::kRequests, part_key(epoch, kOpensPart), encode_address_list(step.opens));
    }
}

EpochStep KeeperRows::step(const ReadView& view, const ChainRow& row) const {
    EpochStep out;
    out.row = row;
    out.leaves = leaves(view, row.epoch);
    scan_requests(view, table::kRequests, part_key(row.epoch, kRequestPart),
                  [&](const RequestId& id, const std::vector<Bytes>& pieces) {
                      std::optional<Revocation> revocation =
                          open_request(kek_, name_, row.epoch, id, pieces);
                      if (!revocation) throw_corrupt("a request");
                      out.requests.push_back(std::move(*revocation));
                  });
    if (const auto opens = view.get(table::kRequests, part_key(row.epoch, kOpensPart))) {
        std::optional<std::vector<Path>> paths = decode_address_list(*opens);
        if (!paths) throw_corrupt("a list of banks");
        out.opens = std::move(*paths);
    }
    return out;
}

std::vector<RequestLeaf> KeeperRows::leaves(const ReadView& view, std::uint64_t epoch) {
    std::vector<RequestLeaf> leaves;
    view.scan(table::kRequests, part_key(epoch, kLeafPart), {}, [&](ByteView, ByteView value) {
        if (!decode_leaves(value, &leaves)) throw_corrupt("a list of requests");
        return true;
    });
    return leaves;
}

std::vector<std::pair<RequestId, std::uint64_t>> KeeperRows::request_ids(const ReadView& view) {
    std::vector<std::pair<RequestId, std::uint64_t>> ids;
    view.scan(table::kRequestIds, {}, {}, [&](ByteView key, ByteView value) {
        ByteReader reader{key};
        ids.emplace_back(reader.array<16>(), epoch_of(value));
        return true;
    });
    return ids;
}

std::optional<Revocation> KeeperRows::request(const ReadView& view, const RequestId& id) const {
    const std::optional<ByteView> value = view.get(table::kRequestIds, id);
    if (!value) return std::nullopt;
    const std::uint64_t epoch = epoch_of(*value);
    Bytes prefix = part_key(epoch, kRequestPart);
    ByteWriter{prefix}.bytes(id);
    std::vector<Bytes> pieces;
    view.scan(table::kRequests, prefix, {}, [&](ByteView, ByteView piece) {
        pieces.emplace_back(piece.begin(), piece.end());
        return true;
    });
    std::optional<Revocation> revocation = open_request(kek_, name_, epoch, id, pieces);
    if (!revocation) throw_corrupt("a request");
    return revocation;
}

void KeeperRows::forget(WriteView& view, const RequestId& id) {
    remove_pending(view, id);
    const std::optional<ByteView> value = view.get(table::kRequestIds, id);
    if (!value) return;
    const std::uint64_t epoch = epoch_of(*value);
    Bytes prefix = part_key(epoch, kRequestPart);
    const Bytes all = prefix;
    ByteWriter{prefix}.bytes(id);
    remove_prefix(view, table::kRequests, prefix);
    (void)view.remove(table::kRequestIds, id);
    // The leaves stay as long as one request of the epoch may still need a proof.
    if (!has_prefix(view, table::kRequests, all)) {
        remove_prefix(view, table::kRequests, part_key(epoch, kLeafPart));
    }
}

// ---- Pending ----

void KeeperRows::put_pending(WriteView& view, const Revocation& revocation) const {
    const Bytes prefix{revocation.id.begin(), revocation.id.end()};
    put_pieces(view, table::kPending, prefix, seal_request(kek_, name_, 0, revocation));
}

void KeeperRows::remove_pending(WriteView& view, const RequestId& id) {
    remove_prefix(view, table::kPending, id);
}

std::vector<Revocation> KeeperRows::pending(const ReadView& view) const {
    std::vector<Revocation> out;
    scan_requests(
        view, table::kPending, {}, [&](const RequestId& id, const std::vector<Bytes>& pieces) {
            std::optional<Revocation> revocation = open_request(kek_, name_, 0, id, pieces);
            if (!revocation) throw_corrupt("a pending request");
            out.push_back(std::move(*revocation));
        });
    return out;
}

// ---- Registers and state ----

void KeeperRows::put_register(WriteView& view, const RegisterKey& key, std::uint64_t value) const {
    view.put(table::kRegisters, encode_register_key(key), seal_register(kek_, name_, key, value));
}

RegisterMap KeeperRows::registers(const ReadView& view) const {
    RegisterMap out;
    view.scan(table::kRegisters, {}, {}, [&](ByteView encoded, ByteView box) {
        const std::optional<RegisterKey> key = decode_register_key(encoded);
        std::optional<std::uint64_t> value;
        if (key) value = open_register(kek_, name_, *key, box);
        if (!value) throw_corrupt("a register");
        out[*key] = *value;
        return true;
    });
    return out;
}

void KeeperRows::put_state(WriteView& view, const StateRecord& state) const {
    view.put(table::kRoot, bytes_of("state"), seal_state(kek_, name_, state));
}

StateRecord KeeperRows::state(const ReadView& view) const {
    const std::optional<ByteView> box = view.get(table::kRoot, bytes_of("state"));
    if (!box) return {};
    const std::optional<StateRecord> state = open_state(kek_, name_, *box);
    if (!state) throw_corrupt("the state record");
    return *state;
}

Memory KeeperRows::memory(const ReadView& view) const {
    return {registers(view), state(view), pending(view)};
}

void KeeperRows::put_memory(WriteView& view, const Memory& memory) const {
    for (const auto& [key, value] : memory.registers) put_register(view, key, value);
    if (memory.state != StateRecord{}) put_state(view, memory.state);
    for (const Revocation& revocation : memory.pending) put_pending(view, revocation);
}

}  // namespace oubliette::keys
