#include "tools/forensic/keepers.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"
#include "crypto/kdf.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette::forensic {
namespace {

using crypto::Commitment;
using keys::KeeperName;
using keys::RecordType;
using keys::SealSecret;
using keys::SealType;

// ---- seal.slots, format in vault/keys/seal_slots.hpp

constexpr std::size_t kMagicSize = 8;
constexpr std::size_t kSealBoxSize = 32 + crypto::box_overhead(Commitment::structural);
constexpr std::uint32_t kMemoryKibMin = 8;

struct SealSlot {
    std::uint8_t type = 0;
    std::uint8_t generation = 0;
    ByteArray<crypto::kPassphraseSaltSize> salt{};
    std::uint32_t memory_kib = 0;
    std::uint32_t passes = 0;
    ByteView box;
};

SealSlot read_slot(ByteReader& in) {
    SealSlot slot;
    slot.type = in.u8();
    slot.generation = in.u8();
    in.le16();
    slot.salt = in.array<crypto::kPassphraseSaltSize>();
    slot.memory_kib = in.le32();
    slot.passes = in.le32();
    slot.box = in.bytes(kSealBoxSize);
    return slot;
}

// The key that `secret` would make for the slot; nullopt if it is of the other kind.
std::optional<crypto::Kek> wrapping_key(const SealSlot& slot, const SealSecret& secret) {
    const bool is_passphrase = slot.type == static_cast<std::uint8_t>(SealType::passphrase);
    if (is_passphrase != (secret.type == SealType::passphrase)) return std::nullopt;
    if (!is_passphrase) {
        // A key file and a credential differ in where they lie, not in what they hold: try both.
        if (secret.secret.size() != 32) return std::nullopt;
        const ByteArray<1> type{slot.type};
        crypto::Kek key;
        crypto::blake2b_keyed(secret.secret.expose().first<32>(),
                              {bytes_of("obl/seal/1"), type, slot.salt}, key.expose_mut());
        return key;
    }
    const std::uint64_t memory = std::uint64_t{slot.memory_kib} * 1024;
    const bool is_sound = slot.memory_kib >= kMemoryKibMin && slot.passes >= 1 &&
                          memory <= keys::kPassphraseMemoryMax &&
                          slot.passes <= keys::kPassphrasePassesMax;
    if (!is_sound) return std::nullopt;
    auto key =
        crypto::derive_from_passphrase(secret.secret.expose(), slot.salt, {memory, slot.passes});
    if (!key) {
        throw Fault{FaultKind::configuration,
                    "a passphrase needs " + std::to_string(memory >> 20) +
                        " MiB of free memory for a moment; free some and start again"};
    }
    return key;
}

bool open_slot(const SealSlot& slot, const KeeperName& name, const SealSecret& secret,
               crypto::Kek& out) {
    const auto wrapping = wrapping_key(slot, secret);
    if (!wrapping) return false;
    Bytes data;
    ByteWriter{data}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(RecordType::seal_wrap))
        .u8(slot.type)
        .u8(slot.generation)
        .bytes(name.vault)
        .bytes(name.keeper)
        .bytes(slot.salt);
    return crypto::open_box_into(wrapping->expose(), Commitment::structural, slot.box, data,
                                 out.expose_mut());
}

template <class Found>
bool holds(const std::vector<Found>& all, crypto::KeyView key,
           crypto::KeyView (*of)(const Found&)) {
    return std::ranges::any_of(
        all, [&](const Found& found) { return std::ranges::equal(of(found), key); });
}

// ---- anchor.cell, format in vault/keys/cell.hpp

constexpr std::size_t kCellHeadSize = 64;
constexpr std::size_t kCellContentSize = 32 + 8 + 8;
constexpr std::size_t kCellBoxSize =
    kCellContentSize + crypto::box_overhead(Commitment::structural);

struct CellBlock {
    KeeperName name;
    Bytes data;  // associated data
    ByteView box;
};

std::optional<CellBlock> read_block(ByteView block) {
    ByteReader in{block};
    in.bytes(kMagicSize);
    in.le16();  // version and suite
    const std::uint8_t slot = in.u8();
    const std::uint8_t cell_class = in.u8();
    in.le32();
    CellBlock out;
    out.name = {in.array<16>(), in.array<16>()};
    in.bytes(kCellHeadSize - 48);
    out.box = in.bytes(kCellBoxSize);
    if (!in.ok()) return std::nullopt;
    ByteWriter{out.data}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(RecordType::cell))
        .bytes(out.name.vault)
        .bytes(out.name.keeper)
        .u8(slot)
        .u8(cell_class);
    return out;
}

std::optional<FoundAnchor> open_block(const CellBlock& block, const crypto::Kek& kek) {
    const auto key =
        crypto::derive_subkey(kek.expose(), crypto::KdfContext::cell, keys::subkey::kCell);
    const auto content =
        crypto::open_box(key.expose(), Commitment::structural, block.box, block.data);
    if (!content) return std::nullopt;
    FoundAnchor found;
    found.anchor = crypto::Anchor{content->expose().first<32>()};
    found.name = block.name;
    ByteReader in{content->expose().subspan(32)};
    in.le64();  // sequence
    found.epoch = in.le64();
    return found;
}

// ---- Requests, keys in vault/keys/keeper_rows.hpp

using Pieces = std::map<std::uint16_t, std::vector<ByteView>>;  // by number, every version

// One version of each piece, in every combination until one opens. nullopt if none does.
std::optional<keys::Revocation> open_pieces(const FoundKek& kek, const keys::RequestId& id,
                                            const Pieces& pieces) {
    // Versions differ by keeper and by salt; the pieces of one writing stand at one place, so that
    // the combinations worth trying are the diagonals.
    std::size_t versions = 0;
    for (const auto& [number, all] : pieces) versions = std::max(versions, all.size());
    for (std::size_t v = 0; v < versions; ++v) {
        std::vector<Bytes> chosen;
        for (const auto& [number, all] : pieces) {
            const ByteView piece = all[std::min(v, all.size() - 1)];
            chosen.emplace_back(piece.begin(), piece.end());
        }
        auto request = keys::open_request(kek.kek, kek.name, 0, id, chosen);
        if (request) return request;
    }
    return std::nullopt;
}

}  // namespace

bool is_newer(const FoundRoot& a, const FoundRoot& b) noexcept {
    return std::pair{a.head.term, a.head.epoch} > std::pair{b.head.term, b.head.epoch};
}

std::vector<SealSecret> secrets_in(const std::vector<ByteView>& files) {
    std::vector<SealSecret> secrets;
    for (ByteView file : files) {
        while (!file.empty() && (file.back() == '\n' || file.back() == '\r')) {
            file = file.first(file.size() - 1);
        }
        if (file.size() == 32) {
            secrets.push_back({SealType::keyfile, crypto::SecretBytes{file}});
        } else if (file.size() == 64) {
            const auto bytes = crypto::hex_decode(text_of(file));
            if (bytes) secrets.push_back({SealType::keyfile, crypto::SecretBytes{*bytes}});
        }
    }
    return secrets;
}

std::vector<FoundKek> open_seals(const std::vector<ByteView>& seals,
                                 const std::vector<SealSecret>& secrets) {
    std::vector<FoundKek> keks;
    std::set<std::pair<std::string, std::size_t>> tried;  // an Argon2 takes a second
    for (const ByteView seal : seals) {
        ByteReader in{seal};
        in.bytes(kMagicSize);
        in.le32();  // version, suite, reserved
        const KeeperName name{in.array<16>(), in.array<16>()};
        const std::size_t count = std::min<std::size_t>(in.le16(), keys::kSealSlotCountMax);
        for (std::size_t i = 0; i < count; ++i) {
            const SealSlot slot = read_slot(in);
            if (!in.ok()) break;
            for (std::size_t s = 0; s < secrets.size(); ++s) {
                if (!tried.emplace(std::string{text_of(slot.box)}, s).second) continue;
                crypto::Kek kek;
                if (!open_slot(slot, name, secrets[s], kek)) continue;
                const auto key_of = [](const FoundKek& found) { return found.kek.expose(); };
                if (holds<FoundKek>(keks, kek.expose(), key_of)) continue;
                keks.push_back({std::move(kek), name});
            }
        }
    }
    return keks;
}

std::vector<FoundAnchor> open_cells(const std::vector<ByteView>& cells,
                                    const std::vector<FoundKek>& keks) {
    std::vector<FoundAnchor> anchors;
    for (const ByteView cell : cells) {
        const auto block = read_block(cell);
        if (!block) continue;
        for (const FoundKek& kek : keks) {
            auto found = open_block(*block, kek.kek);
            if (!found) continue;
            const auto key_of = [](const FoundAnchor& anchor) { return anchor.anchor.expose(); };
            if (holds<FoundAnchor>(anchors, found->anchor.expose(), key_of)) continue;
            anchors.push_back(std::move(*found));
        }
    }
    return anchors;
}

std::vector<FoundRoot> open_roots(const std::vector<Row>& records,
                                  const std::vector<FoundAnchor>& anchors,
                                  std::vector<Row>& closed) {
    std::vector<FoundRoot> roots;
    for (const Row& record : records) {
        const std::size_t before = roots.size();
        for (const FoundAnchor& anchor : anchors) {
            auto slot = keys::open_root(anchor.anchor, anchor.name, record.value);
            if (!slot) continue;
            roots.push_back({std::move(*slot), anchor.name, *keys::decode_head(record.value)});
            break;
        }
        if (roots.size() == before) closed.push_back(record);
    }
    return roots;
}

std::vector<keys::Path> open_pending(const std::vector<Row>& pieces,
                                     const std::vector<FoundKek>& keks) {
    std::map<keys::RequestId, Pieces> requests;
    for (const Row& row : pieces) {
        ByteReader in{row.key};
        const auto id = in.array<16>();
        requests[id][in.be16()].push_back(row.value);
    }
    std::vector<keys::Path> addresses;
    for (const auto& [id, all] : requests) {
        for (const FoundKek& kek : keks) {
            const auto request = open_pieces(kek, id, all);
            if (!request) continue;
            addresses.insert(addresses.end(), request->addresses.begin(), request->addresses.end());
            break;
        }
    }
    return keys::normalise(std::move(addresses));
}

std::uint64_t count_keeper_boxes(const Finds& finds, const std::vector<FoundKek>& keks) {
    std::uint64_t count = 0;
    for (const FoundKek& kek : keks) {
        for (const Row& row : finds.of(Shape::number)) {
            const auto key = keys::decode_register_key(row.key);
            if (key && keys::open_register(kek.kek, kek.name, *key, row.value)) ++count;
        }
        for (const Row& row : finds.of(Shape::state)) {
            if (keys::open_state(kek.kek, kek.name, row.value)) ++count;
        }
        for (const Row& row : finds.of(Shape::request)) {
            ByteReader in{row.key};
            const std::uint64_t epoch = in.be64();
            in.u8();
            const auto id = in.array<16>();
            const Bytes piece(row.value.begin(), row.value.end());
            if (keys::open_request(kek.kek, kek.name, epoch, id, {piece})) ++count;
        }
        for (const ByteView signing : finds.signings) {
            constexpr std::size_t kSize = 8 + 4 + 16 + 16 + 32 + 32 + 66 + 32;
            const auto file =
                keys::decode_signing_file(signing.first(std::min(kSize, signing.size())));
            if (file && keys::open_signing_key(kek.kek, *file)) ++count;
        }
    }
    return count;
}

}  // namespace oubliette::forensic
