#include "vault/keys/records.hpp"

#include <algorithm>

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/merkle.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette::keys {
namespace {

constexpr std::uint8_t kPlane = 0;
constexpr std::size_t kRootSlotSize = 33;
constexpr std::size_t kRootBoxSize =
    kRootSlotSize + crypto::box_overhead(crypto::Commitment::structural);
constexpr std::size_t kSigningBoxSize = 32 + crypto::box_overhead(crypto::Commitment::structural);
constexpr std::string_view kSigningMagic = "OBLSIGN1";

// "obl1" | type | plane | vault id | keeper id: how the associated data of every row begins.
Bytes keeper_data(RecordType type, const KeeperName& name) {
    Bytes data;
    data.reserve(128);
    ByteWriter{data}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(type))
        .u8(kPlane)
        .bytes(name.vault)
        .bytes(name.keeper);
    return data;
}

Bytes root_data(const KeeperName& name, const PlaneHead& head) {
    Bytes data = keeper_data(RecordType::root, name);
    ByteWriter{data}.le64(head.epoch).bytes(head.hash);
    return data;
}

Bytes request_data(const KeeperName& name, const RequestId& id, std::uint64_t epoch,
                   std::size_t piece, std::size_t pieces) {
    Bytes data = keeper_data(RecordType::pending, name);
    ByteWriter{data}
        .bytes(id)
        .le64(epoch)
        .le16(static_cast<std::uint16_t>(piece))
        .le16(static_cast<std::uint16_t>(pieces));
    return data;
}

Bytes register_data(const KeeperName& name, const RegisterKey& key) {
    Bytes data = keeper_data(RecordType::registers, name);
    ByteWriter{data}.bytes(encode_register_key(key));
    return data;
}

Bytes signing_data(const KeeperName& name, const crypto::PublicKey& public_key) {
    Bytes data = keeper_data(RecordType::signing_key, name);
    ByteWriter{data}.bytes(public_key);
    return data;
}

crypto::SubKey keeper_subkey(const crypto::Kek& kek, std::uint64_t number) {
    return crypto::derive_subkey(kek.expose(), crypto::KdfContext::system, number);
}

bool is_known(RegisterKind kind) noexcept {
    const auto number = static_cast<unsigned>(kind);
    return number >= 1 && number <= static_cast<unsigned>(RegisterKind::campaign_end);
}

bool is_known(CellClass cell_class) noexcept {
    return cell_class == CellClass::software || cell_class == CellClass::besteffort;
}

}  // namespace

// ---- Members ----

Bytes encode_members(const Members& members) {
    Bytes out;
    ByteWriter writer{out};
    writer.le16(static_cast<std::uint16_t>(members.size()));
    for (const Member& member : members) {
        writer.bytes(member.id)
            .bytes(member.public_key)
            .u8(static_cast<std::uint8_t>(member.cell_class))
            .u8(static_cast<std::uint8_t>(member.status))
            .le64(member.last_epoch);
    }
    return out;
}

std::optional<Members> decode_members(ByteView encoded) {
    ByteReader reader{encoded};
    const std::size_t count = reader.le16();
    Members members;
    for (std::size_t i = 0; i < count && reader.ok(); ++i) {
        Member member;
        member.id = reader.array<16>();
        member.public_key = reader.array<32>();
        member.cell_class = static_cast<CellClass>(reader.u8());
        member.status = static_cast<MemberStatus>(reader.u8());
        member.last_epoch = reader.le64();
        const auto status = static_cast<unsigned>(member.status);
        if (!is_known(member.cell_class) || status < 1 || status > 3) return std::nullopt;
        if (!members.empty() && !(members.back().id < member.id)) return std::nullopt;
        members.push_back(member);
    }
    if (!reader.finished()) return std::nullopt;
    return members;
}

crypto::Hash members_hash(const Members& members) {
    return crypto::blake2b({bytes_of("oblmemb\x01"), encode_members(members)});
}

// ---- The chain of hashes ----

Bytes acknowledgement_bytes(const VaultId& vault, const Acknowledgement& ack) {
    Bytes out;
    out.reserve(192);
    ByteWriter{out}
        .bytes(bytes_of("oblack1"))
        .u8(0)
        .bytes(vault)
        .bytes(ack.keeper)
        .u8(static_cast<std::uint8_t>(ack.cell_class))
        .zeros(7)
        .le64(ack.term)
        .le64(ack.epoch)
        .bytes(ack.previous_hash)
        .bytes(ack.hash)
        .bytes(ack.request_root)
        .bytes(ack.members);
    return out;
}

crypto::Hash plane_hash(const VaultId& vault, std::uint64_t epoch, const crypto::Hash& previous,
                        const crypto::Hash& root, const crypto::Hash& members) {
    Bytes number;
    ByteWriter{number}.le64(epoch);
    return crypto::blake2b({bytes_of("oblplane"), vault, number, previous, root, members});
}

bool is_consistent(const VaultId& vault, const ChainRow& row) {
    return row.hash == plane_hash(vault, row.epoch, row.previous_hash, row.root_hash, row.members);
}

Bytes encode_row(const StoredRow& stored) {
    Bytes out;
    ByteWriter{out}
        .le64(stored.row.term)
        .bytes(stored.row.previous_hash)
        .bytes(stored.row.root_hash)
        .bytes(stored.row.members)
        .bytes(stored.row.request_root)
        .bytes(stored.row.hash)
        .u8(stored.is_signed ? 1 : 0)
        .bytes(stored.signed_request_root);
    return out;
}

std::optional<StoredRow> decode_row(std::uint64_t epoch, ByteView encoded) {
    ByteReader reader{encoded};
    StoredRow stored;
    stored.row.epoch = epoch;
    stored.row.term = reader.le64();
    stored.row.previous_hash = reader.array<32>();
    stored.row.root_hash = reader.array<32>();
    stored.row.members = reader.array<32>();
    stored.row.request_root = reader.array<32>();
    stored.row.hash = reader.array<32>();
    const std::uint8_t is_signed = reader.u8();
    stored.is_signed = is_signed == 1;
    stored.signed_request_root = reader.array<32>();
    if (!reader.finished() || is_signed > 1) return std::nullopt;
    return stored;
}

// ---- Requests ----

crypto::Hash request_digest(const Revocation& revocation) {
    std::vector<Path> addresses = revocation.addresses;
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    return crypto::sha256({revocation.id, revocation.blind, encode_address_list(addresses)});
}

crypto::Hash request_root(const std::vector<RequestLeaf>& leaves) {
    std::vector<crypto::Hash> hashes;
    hashes.reserve(leaves.size());
    for (const RequestLeaf& leaf : leaves) hashes.push_back(crypto::merkle_leaf(leaf.digest));
    return crypto::merkle_root(hashes);
}

Bytes encode_leaves(std::span<const RequestLeaf> leaves) {
    Bytes out;
    ByteWriter writer{out};
    for (const RequestLeaf& leaf : leaves) writer.bytes(leaf.id).bytes(leaf.digest);
    return out;
}

bool decode_leaves(ByteView encoded, std::vector<RequestLeaf>* out) {
    ByteReader reader{encoded};
    while (reader.ok() && !reader.rest().empty()) {
        RequestLeaf leaf;
        leaf.id = reader.array<16>();
        leaf.digest = reader.array<32>();
        if (!reader.ok() || (!out->empty() && !(out->back().id < leaf.id))) return false;
        out->push_back(leaf);
    }
    return reader.ok();
}

crypto::SecretBytes encode_request(const Revocation& revocation) {
    Bytes out;
    out.reserve(71 + revocation.addresses.size() * 11);
    ByteWriter{out}
        .u8(static_cast<std::uint8_t>(revocation.scope))
        .le16(revocation.ground)
        .bytes(revocation.opening_commitment)
        .bytes(revocation.blind)
        .bytes(encode_address_list(revocation.addresses));
    crypto::SecretBytes secret{ByteView{out}};
    crypto::wipe(out);
    return secret;
}

std::optional<Revocation> decode_request(const RequestId& id, ByteView encoded) {
    ByteReader reader{encoded};
    Revocation revocation;
    revocation.id = id;
    const std::uint8_t scope = reader.u8();
    if (scope < 1 || scope > kRevocationScopeMax) return std::nullopt;
    revocation.scope = static_cast<RevocationScope>(scope);
    revocation.ground = reader.le16();
    revocation.opening_commitment = reader.array<32>();
    revocation.blind = reader.array<32>();
    std::optional<std::vector<Path>> addresses = decode_address_list(reader.rest());
    if (!reader.ok() || !addresses) return std::nullopt;
    revocation.addresses = std::move(*addresses);
    return revocation;
}

// ---- Boxed rows of one keeper ----

Bytes seal_root(const crypto::Anchor& anchor, const KeeperName& name, const PlaneHead& head,
                const RootSlot& root) {
    Bytes out;
    ByteWriter{out}
        .le64(head.epoch)
        .le64(head.term)
        .bytes(head.previous_hash)
        .bytes(head.hash)
        .bytes(head.members);
    const crypto::SubKey key =
        crypto::derive_subkey(anchor.expose(), crypto::KdfContext::root, subkey::kRoot);
    ByteArray<kRootSlotSize> slot = root.encode();
    const Bytes box =
        crypto::seal_box(key.expose(), crypto::Commitment::structural, slot, root_data(name, head));
    crypto::wipe(slot);
    ByteWriter{out}.bytes(box);
    return out;
}

std::optional<PlaneHead> decode_head(ByteView root_record) {
    ByteReader reader{root_record};
    PlaneHead head;
    head.epoch = reader.le64();
    head.term = reader.le64();
    head.previous_hash = reader.array<32>();
    head.hash = reader.array<32>();
    head.members = reader.array<32>();
    if (!reader.ok() || reader.rest().size() != kRootBoxSize) return std::nullopt;
    return head;
}

std::optional<RootSlot> open_root(const crypto::Anchor& anchor, const KeeperName& name,
                                  ByteView root_record) {
    const std::optional<PlaneHead> head = decode_head(root_record);
    if (!head) return std::nullopt;
    const crypto::SubKey key =
        crypto::derive_subkey(anchor.expose(), crypto::KdfContext::root, subkey::kRoot);
    const std::optional<crypto::SecretBytes> slot =
        crypto::open_box(key.expose(), crypto::Commitment::structural,
                         root_record.subspan(kPlaneHeadSize), root_data(name, *head));
    if (!slot) return std::nullopt;
    return RootSlot::decode(slot->expose());
}

std::vector<Bytes> seal_request(const crypto::Kek& kek, const KeeperName& name, std::uint64_t epoch,
                                const Revocation& revocation) {
    const crypto::SubKey key = keeper_subkey(kek, subkey::kKeeperPending);
    const crypto::SecretBytes record = encode_request(revocation);
    const std::size_t count = (record.size() + kRequestPieceSize - 1) / kRequestPieceSize;
    std::vector<Bytes> pieces;
    for (std::size_t i = 0; i < count; ++i) {
        const ByteView piece = record.expose().subspan(
            i * kRequestPieceSize,
            std::min(kRequestPieceSize, record.size() - i * kRequestPieceSize));
        pieces.push_back(crypto::seal_box(key.expose(), crypto::Commitment::value, piece,
                                          request_data(name, revocation.id, epoch, i, count)));
    }
    return pieces;
}

std::optional<Revocation> open_request(const crypto::Kek& kek, const KeeperName& name,
                                       std::uint64_t epoch, const RequestId& id,
                                       const std::vector<Bytes>& pieces) {
    const crypto::SubKey key = keeper_subkey(kek, subkey::kKeeperPending);
    Bytes record;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const std::optional<crypto::SecretBytes> piece =
            crypto::open_box(key.expose(), crypto::Commitment::value, pieces[i],
                             request_data(name, id, epoch, i, pieces.size()));
        if (!piece) return std::nullopt;
        ByteWriter{record}.bytes(piece->expose());
    }
    std::optional<Revocation> revocation = decode_request(id, record);
    crypto::wipe(record);
    return revocation;
}

Bytes encode_register_key(const RegisterKey& key) {
    Bytes out;
    ByteWriter{out}
        .u8(static_cast<std::uint8_t>(key.kind))
        .be16(static_cast<std::uint16_t>(key.tenant))
        .be16(key.a)
        .be16(key.b);
    return out;
}

std::optional<RegisterKey> decode_register_key(ByteView encoded) {
    ByteReader reader{encoded};
    RegisterKey key;
    const std::uint8_t kind = reader.u8();
    key.kind = static_cast<RegisterKind>(kind);
    key.tenant = static_cast<TenantId>(reader.be16());
    key.a = reader.be16();
    key.b = reader.be16();
    if (!reader.finished() || !is_known(key.kind)) return std::nullopt;
    return key;
}

Bytes seal_register(const crypto::Kek& kek, const KeeperName& name, const RegisterKey& key,
                    std::uint64_t value) {
    Bytes plaintext;
    ByteWriter{plaintext}.le64(value);
    const crypto::SubKey box_key = keeper_subkey(kek, subkey::kKeeperRegisters);
    return crypto::seal_box(box_key.expose(), crypto::Commitment::value, plaintext,
                            register_data(name, key));
}

std::optional<std::uint64_t> open_register(const crypto::Kek& kek, const KeeperName& name,
                                           const RegisterKey& key, ByteView box) {
    const crypto::SubKey box_key = keeper_subkey(kek, subkey::kKeeperRegisters);
    const std::optional<crypto::SecretBytes> plaintext = crypto::open_box(
        box_key.expose(), crypto::Commitment::value, box, register_data(name, key));
    if (!plaintext) return std::nullopt;
    ByteReader reader{plaintext->expose()};
    const std::uint64_t value = reader.le64();
    if (!reader.finished()) return std::nullopt;
    return value;
}

Bytes seal_state(const crypto::Kek& kek, const KeeperName& name, const StateRecord& state) {
    Bytes plaintext;
    ByteWriter{plaintext}
        .le32(state.generation)
        .le64(state.sequence)
        .le64(state.log_size)
        .bytes(state.log_root);
    const crypto::SubKey key = keeper_subkey(kek, subkey::kKeeperState);
    return crypto::seal_box(key.expose(), crypto::Commitment::value, plaintext,
                            keeper_data(RecordType::state_record, name));
}

std::optional<StateRecord> open_state(const crypto::Kek& kek, const KeeperName& name,
                                      ByteView box) {
    const crypto::SubKey key = keeper_subkey(kek, subkey::kKeeperState);
    const std::optional<crypto::SecretBytes> plaintext = crypto::open_box(
        key.expose(), crypto::Commitment::value, box, keeper_data(RecordType::state_record, name));
    if (!plaintext) return std::nullopt;
    ByteReader reader{plaintext->expose()};
    StateRecord state;
    state.generation = reader.le32();
    state.sequence = reader.le64();
    state.log_size = reader.le64();
    state.log_root = reader.array<32>();
    if (!reader.finished()) return std::nullopt;
    return state;
}

bool is_older(const StateRecord& a, const StateRecord& b) noexcept {
    return std::pair{a.generation, a.sequence} < std::pair{b.generation, b.sequence};
}

Bytes encode_signing_file(const crypto::Kek& kek, const KeeperName& name,
                          const crypto::Seed& seed) {
    const crypto::SigningKey signing{seed.expose()};
    const crypto::SubKey key = keeper_subkey(kek, subkey::kKeeperSigningKey);
    const Bytes box = crypto::seal_box(key.expose(), crypto::Commitment::structural, seed.expose(),
                                       signing_data(name, signing.public_key()));
    Bytes out;
    ByteWriter{out}
        .bytes(bytes_of(kSigningMagic))
        .u8(1)
        .u8(1)
        .zeros(2)
        .bytes(name.vault)
        .bytes(name.keeper)
        .bytes(signing.public_key())
        .bytes(box);
    const crypto::Hash checksum = crypto::sha256({out});
    ByteWriter{out}.bytes(checksum);
    return out;
}

std::optional<SigningFile> decode_signing_file(ByteView file) {
    ByteReader reader{file};
    const bool known = text_of(reader.bytes(kSigningMagic.size())) == kSigningMagic &&
                       reader.u8() == 1 && reader.u8() == 1 && reader.le16() == 0;
    if (!known) return std::nullopt;
    SigningFile out;
    out.name.vault = reader.array<16>();
    out.name.keeper = reader.array<16>();
    out.public_key = reader.array<32>();
    const ByteView box = reader.bytes(kSigningBoxSize);
    out.box.assign(box.begin(), box.end());
    const crypto::Hash checksum = reader.array<32>();
    if (!reader.finished()) return std::nullopt;
    if (checksum != crypto::sha256({file.first(file.size() - checksum.size())})) {
        return std::nullopt;
    }
    return out;
}

std::optional<crypto::SigningKey> open_signing_key(const crypto::Kek& kek,
                                                   const SigningFile& file) {
    const crypto::SubKey key = keeper_subkey(kek, subkey::kKeeperSigningKey);
    crypto::Seed seed;
    if (!crypto::open_box_into(key.expose(), crypto::Commitment::structural, file.box,
                               signing_data(file.name, file.public_key), seed.expose_mut())) {
        return std::nullopt;
    }
    crypto::SigningKey signing{seed.expose()};
    if (signing.public_key() != file.public_key) return std::nullopt;
    return signing;
}

// ---- Offline check ----

bool acknowledges_chain(const VaultId& vault, const Acknowledgement& ack,
                        const std::vector<ChainRow>& chain) {
    const auto row = std::find_if(chain.begin(), chain.end(), [&](const ChainRow& candidate) {
        return candidate.epoch == ack.epoch && candidate.hash == ack.hash;
    });
    return row != chain.end() && row->previous_hash == ack.previous_hash &&
           row->members == ack.members && row->term == ack.term &&
           crypto::verify(ack.public_key, acknowledgement_bytes(vault, ack), ack.signature);
}

bool verify_finality(const VaultId& vault, const Revocation& revocation, const Finality& finality) {
    const std::vector<ChainRow>& chain = finality.chain;
    if (chain.empty() || finality.acknowledgements.empty()) return false;
    if (chain.front().epoch != finality.epoch || chain.front().hash != finality.hash_after ||
        chain.front().previous_hash != finality.hash_before) {
        return false;
    }
    for (std::size_t i = 0; i < chain.size(); ++i) {
        if (!is_consistent(vault, chain[i])) return false;
        if (i > 0 &&
            (chain[i].previous_hash != chain[i - 1].hash || chain[i].epoch <= chain[i - 1].epoch)) {
            return false;
        }
    }
    // A row's request root is not part of its hash: it counts because a keeper signed it.
    bool root_is_signed = false;
    for (const Acknowledgement& ack : finality.acknowledgements) {
        if (!acknowledges_chain(vault, ack, chain)) return false;
        root_is_signed = root_is_signed || (ack.epoch == finality.epoch &&
                                            ack.request_root == chain.front().request_root);
    }
    return root_is_signed &&
           crypto::verify_inclusion(crypto::merkle_leaf(request_digest(revocation)),
                                    finality.request_index, finality.request_count,
                                    finality.request_proof, chain.front().request_root);
}

}  // namespace oubliette::keys
