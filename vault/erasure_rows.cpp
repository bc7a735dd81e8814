#include "vault/erasure_rows.hpp"

#include <algorithm>
#include <array>

#include "crypto/encoding.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::string_view kIdPrefix = "er_";
constexpr std::string_view kQueueLabel = "obl/queue/1";
constexpr std::size_t kPieceSize = 60'000;  // bytes
constexpr std::uint32_t kMinute = 60;       // seconds

struct GroundName {
    Ground ground;
    std::string_view name;
};
constexpr std::array<GroundName, 6> kGrounds{{{Ground::other, "other"},
                                              {Ground::unlawful, "unlawful"},
                                              {Ground::no_consent, "no_consent"},
                                              {Ground::breach, "breach"},
                                              {Ground::no_longer_using, "no_longer_using"},
                                              {Ground::withdrawn, "withdrawn"}}};

void encode_acknowledgement(ByteWriter& out, const keys::Acknowledgement& ack) {
    out.bytes(ack.keeper)
        .bytes(ack.public_key)
        .u8(static_cast<std::uint8_t>(ack.cell_class))
        .le64(ack.term)
        .le64(ack.epoch)
        .bytes(ack.previous_hash)
        .bytes(ack.hash)
        .bytes(ack.request_root)
        .bytes(ack.members)
        .bytes(ack.signature);
}

keys::Acknowledgement decode_acknowledgement(ByteReader& in) {
    keys::Acknowledgement ack;
    ack.keeper = in.array<16>();
    ack.public_key = in.array<32>();
    ack.cell_class = static_cast<keys::CellClass>(in.u8());
    ack.term = in.le64();
    ack.epoch = in.le64();
    ack.previous_hash = in.array<32>();
    ack.hash = in.array<32>();
    ack.request_root = in.array<32>();
    ack.members = in.array<32>();
    ack.signature = in.array<64>();
    return ack;
}

void encode_chain_row(ByteWriter& out, const keys::ChainRow& row) {
    out.le64(row.epoch)
        .le64(row.term)
        .bytes(row.previous_hash)
        .bytes(row.root_hash)
        .bytes(row.members)
        .bytes(row.request_root)
        .bytes(row.hash);
}

keys::ChainRow decode_chain_row(ByteReader& in) {
    keys::ChainRow row;
    row.epoch = in.le64();
    row.term = in.le64();
    row.previous_hash = in.array<32>();
    row.root_hash = in.array<32>();
    row.members = in.array<32>();
    row.request_root = in.array<32>();
    row.hash = in.array<32>();
    return row;
}

void encode_finality(ByteWriter& out, const keys::Finality& finality) {
    out.le64(finality.epoch)
        .bytes(finality.hash_before)
        .bytes(finality.hash_after)
        .le64(finality.request_index)
        .le64(finality.request_count);
    out.le32(static_cast<std::uint32_t>(finality.request_proof.size()));
    for (const crypto::Hash& hash : finality.request_proof) out.bytes(hash);
    out.le32(static_cast<std::uint32_t>(finality.acknowledgements.size()));
    for (const auto& ack : finality.acknowledgements) encode_acknowledgement(out, ack);
    out.le32(static_cast<std::uint32_t>(finality.chain.size()));
    for (const auto& row : finality.chain) encode_chain_row(out, row);
    out.le32(static_cast<std::uint32_t>(finality.members.size())).bytes(finality.members);
}

keys::Finality decode_finality(ByteReader& in) {
    keys::Finality finality;
    finality.epoch = in.le64();
    finality.hash_before = in.array<32>();
    finality.hash_after = in.array<32>();
    finality.request_index = in.le64();
    finality.request_count = in.le64();
    for (std::size_t n = in.le32(); n > 0 && in.ok(); --n) {
        finality.request_proof.push_back(in.array<32>());
    }
    for (std::size_t n = in.le32(); n > 0 && in.ok(); --n) {
        finality.acknowledgements.push_back(decode_acknowledgement(in));
    }
    for (std::size_t n = in.le32(); n > 0 && in.ok(); --n) {
        finality.chain.push_back(decode_chain_row(in));
    }
    const ByteView members = in.bytes(in.le32());
    finality.members.assign(members.begin(), members.end());
    return finality;
}

void encode_log_record(ByteWriter& out, const LogRecord& log) {
    out.le64(log.index).bytes(log.entry).u8(static_cast<std::uint8_t>(log.keys.size()));
    for (const crypto::PublicKey& key : log.keys) out.bytes(key);
    out.le16(static_cast<std::uint16_t>(log.checkpoint.size())).bytes(bytes_of(log.checkpoint));
}

LogRecord decode_log_record(ByteReader& in) {
    LogRecord log;
    log.index = in.le64();
    log.entry = in.array<audit::kEntrySize>();
    for (std::size_t n = in.u8(); n > 0 && in.ok(); --n) log.keys.push_back(in.array<32>());
    log.checkpoint = text_of(in.bytes(in.le16()));
    return log;
}

void encode_addresses(ByteWriter& out, const std::vector<keys::Path>& addresses) {
    out.le32(static_cast<std::uint32_t>(addresses.size()));
    for (const keys::Path& path : addresses) out.bytes(path.encode());
}

// nullopt for a path that is not one.
std::optional<std::vector<keys::Path>> decode_addresses(ByteReader& in) {
    std::vector<keys::Path> addresses;
    for (std::size_t n = in.le32(); n > 0; --n) {
        keys::Path path;
        if (!keys::Path::decode(in.bytes(11), &path)) return std::nullopt;
        addresses.push_back(path);
    }
    return addresses;
}

bool is_scope(std::uint8_t number) noexcept {
    return number >= 1 && number <= keys::kRevocationScopeMax;
}

bool is_ground(std::uint16_t number) noexcept {
    return number < kGrounds.size();
}

// ---- Pieces: a row may be longer than one value of the store.

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

std::string_view name_of(ErasureState state) noexcept {
    return state == ErasureState::final ? "final" : "effective";
}

std::string_view name_of(keys::RevocationScope scope) noexcept {
    switch (scope) {
    case keys::RevocationScope::subject: return "subject";
    case keys::RevocationScope::field: return "field";
    case keys::RevocationScope::category: return "category";
    case keys::RevocationScope::consent: return "consent";
    case keys::RevocationScope::client: return "client";
    case keys::RevocationScope::token_key: return "token_key";
    case keys::RevocationScope::superseded: return "superseded";
    case keys::RevocationScope::retention_day: return "retention_day";
    case keys::RevocationScope::region: return "region";
    case keys::RevocationScope::recipient: return "recipient";
    case keys::RevocationScope::bank: return "bank";
    case keys::RevocationScope::tenant: return "tenant";
    }
    return "subject";
}

bool gets_receipt(keys::RevocationScope scope) noexcept {
    switch (scope) {
    case keys::RevocationScope::subject:
    case keys::RevocationScope::field:
    case keys::RevocationScope::region:
    case keys::RevocationScope::recipient:
    case keys::RevocationScope::bank:
    case keys::RevocationScope::tenant: return true;
    case keys::RevocationScope::category:
    case keys::RevocationScope::consent:
    case keys::RevocationScope::client:
    case keys::RevocationScope::token_key:
    case keys::RevocationScope::superseded:
    case keys::RevocationScope::retention_day: return false;
    }
    return false;
}

Ground parse_ground(std::string_view name) noexcept {
    const auto found = std::ranges::find(kGrounds, name, &GroundName::name);
    return found == kGrounds.end() ? Ground::other : found->ground;
}

std::string_view name_of(Ground ground) noexcept {
    const auto found = std::ranges::find(kGrounds, ground, &GroundName::ground);
    return found == kGrounds.end() ? "other" : found->name;
}

std::vector<keys::Path> sorted_addresses(const keys::Revocation& revocation) {
    std::vector<keys::Path> addresses = revocation.addresses;
    std::ranges::sort(addresses);
    const auto repeated = std::ranges::unique(addresses);
    addresses.erase(repeated.begin(), repeated.end());
    return addresses;
}

Timestamp irrecoverable_after(const LogRecord& log) noexcept {
    const auto entry = audit::decode_entry(log.entry);
    return entry ? Timestamp{entry->time.seconds + kMinute} : Timestamp{};
}

crypto::Hash commitment_of(const ByteArray<32>& opening, std::string_view external_id) noexcept {
    return crypto::sha256({bytes_of("obl/rcpt/1"), opening, bytes_of(external_id)});
}

Bytes encode_body(const ErasureRow& row) {
    OBL_ASSERT((row.state == ErasureState::final) == row.finality.has_value());
    Bytes out;
    ByteWriter writer{out};
    writer.u8(kFormat)
        .u8(static_cast<std::uint8_t>(row.scope))
        .u8(static_cast<std::uint8_t>(row.state))
        .u8(0)
        .le16(static_cast<std::uint16_t>(row.ground))
        .le32(row.accepted.seconds)
        .bytes(row.commitment)
        .bytes(row.blind);
    encode_addresses(writer, row.addresses);
    if (row.finality) encode_finality(writer, *row.finality);
    return out;
}

Bytes encode(const ErasureRow& row) {
    OBL_ASSERT(row.finality.has_value() == row.log.has_value());
    Bytes out = encode_body(row);
    ByteWriter writer{out};
    if (row.log) encode_log_record(writer, *row.log);
    return out;
}

std::optional<ErasureRow> decode_erasure_row(const keys::RequestId& id, ByteView value) {
    ByteReader in{value};
    ErasureRow row;
    row.id = id;
    const std::uint8_t format = in.u8();
    const std::uint8_t scope = in.u8();
    row.scope = static_cast<keys::RevocationScope>(scope);
    const std::uint8_t state = in.u8();
    row.state = static_cast<ErasureState>(state);
    const std::uint8_t reserved = in.u8();
    const std::uint16_t ground = in.le16();
    row.ground = static_cast<Ground>(ground);
    row.accepted.seconds = in.le32();
    row.commitment = in.array<32>();
    row.blind = in.array<32>();
    auto addresses = decode_addresses(in);
    if (!addresses) return std::nullopt;
    row.addresses = std::move(*addresses);
    if (row.state == ErasureState::final) {
        row.finality = decode_finality(in);
        row.log = decode_log_record(in);
        row.finality->irrecoverable_after = irrecoverable_after(*row.log);
    }
    const bool is_known = format == kFormat && is_scope(scope) && is_ground(ground) &&
                          (state == 1 || state == 2) && reserved == 0;
    if (!in.finished() || !is_known) return std::nullopt;
    return row;
}

namespace {

Bytes encode_untagged(const QueueRow& row) {
    const keys::Revocation& revocation = row.revocation;
    Bytes out;
    ByteWriter writer{out};
    writer.u8(kFormat)
        .u8(static_cast<std::uint8_t>(revocation.scope))
        .le16(revocation.ground)
        .le32(row.due.seconds)
        .bytes(revocation.opening_commitment)
        .bytes(revocation.blind);
    encode_addresses(writer, revocation.addresses);
    return out;
}

}  // namespace

Bytes encode(const QueueRow& row) {
    Bytes out = encode_untagged(row);
    ByteWriter{out}.bytes(row.tag);
    return out;
}

crypto::Hash queue_tag(const QueueRow& row, crypto::KeyView key) {
    crypto::Hash tag{};
    crypto::blake2b_keyed(key, {bytes_of(kQueueLabel), row.revocation.id, encode_untagged(row)},
                          tag);
    return tag;
}

bool is_authentic(const QueueRow& row, crypto::KeyView key) {
    return crypto::equal_constant_time(row.tag, queue_tag(row, key));
}

std::optional<QueueRow> decode_queue_row(const keys::RequestId& id, ByteView value) {
    ByteReader in{value};
    QueueRow row;
    row.revocation.id = id;
    const std::uint8_t format = in.u8();
    const std::uint8_t scope = in.u8();
    row.revocation.scope = static_cast<keys::RevocationScope>(scope);
    row.revocation.ground = in.le16();
    row.due.seconds = in.le32();
    row.revocation.opening_commitment = in.array<32>();
    row.revocation.blind = in.array<32>();
    auto addresses = decode_addresses(in);
    row.tag = in.array<32>();
    if (!addresses || !in.finished() || format != kFormat || !is_scope(scope)) return std::nullopt;
    row.revocation.addresses = std::move(*addresses);
    return row;
}

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

std::string erasure_id_text(const keys::RequestId& id) {
    return std::string{kIdPrefix} + crypto::hex_encode(id);
}

std::optional<keys::RequestId> parse_erasure_id(std::string_view text) {
    if (!text.starts_with(kIdPrefix)) return std::nullopt;
    const auto bytes = crypto::hex_decode(text.substr(kIdPrefix.size()));
    if (!bytes || bytes->size() != 16) return std::nullopt;
    keys::RequestId id{};
    std::copy(bytes->begin(), bytes->end(), id.begin());
    return id;
}

}  // namespace oubliette
