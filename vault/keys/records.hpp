#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "vault/keys/key_plane.hpp"

// Byte formats of everything a keeper stores beside tree pages and its cell (KEYS 4.6, 5.5, 6.1).
// Integers are little-endian here and big-endian in table keys. DO NOT CHANGE: they are on disk,
// in signatures and in receipts; tests/vectors/oubliette/plane.json freezes them.
//
//   address list   := n:u32 | n x (bits:u8 | 10 B left-aligned), sorted by Path order
//   request digest := SHA-256(request id 16 | r2 32 | address list)
//   request root   := RFC 6962 root over the request digests as entries, ordered by request id;
//                     of none: SHA-256("")
//   member         := keeper id 16 | public key 32 | class:u8 | status:u8 | last epoch:u64
//   member list    := count:u16 | count x member, ordered by keeper id
//   members        := BLAKE2b-256("oblmemb\x01" | member list)
//   h              := BLAKE2b-256("oblplane" | vault id 16 | epoch:u64 | previous h 32 |
//                     H(root slot) 32 | members 32)
//   root record    := epoch:u64 | term:u64 | previous h 32 | h 32 | members 32 |
//                     box(root key, structural, root slot 33)
//     root key     := subkey kRoot of the anchor, context `root`
//     its data     := "obl1" | 0x12 | plane:u8 = 0 | vault id | keeper id | epoch:u64 | h
//   chain row      := term:u64 | previous h 32 | H(root slot) 32 | members 32 | request root 32 |
//                     h 32 | signed:u8 | signed request root 32
//     signed 1: this keeper itself went to this epoch and signs it, with that request root (after
//     a catch-up it spans all requests of the epochs it skipped). 0: it passed over this epoch.
//   request record := scope:u8 | ground:u16 | C 32 | r2 32 | address list; cut into pieces of
//                     32,768 B, each a box(request key, value)
//     request key  := subkey kKeeperPending of the KEK, context `system`
//     its data     := "obl1" | 0x16 | plane | vault id | keeper id | request id | epoch:u64 |
//                     piece:u16 | pieces:u16      (epoch 0: not applied yet)
//   leaf record    := n x (request id 16 | request digest 32), at most 1,024 a row
//   register       := box(register key, value, u64)
//     register key := subkey kKeeperRegisters of the KEK, context `system`
//     its data     := "obl1" | 0x15 | plane | vault id | keeper id | kind:u8 | tenant:u16 | a:u16 |
//                     b:u16       (these last 7 B are big-endian, as in the table key)
//   state record   := box(state key, value, generation:u32 | sequence:u64 | log size:u64 |
//                     log root 32)
//     state key    := subkey kKeeperState of the KEK, context `system`
//     its data     := "obl1" | 0x17 | plane | vault id | keeper id
//   signing.key    := "OBLSIGN1" | version:u8 = 1 | suite:u8 = 1 | 0^2 | vault id 16 |
//                     keeper id 16 | public key 32 | box(signing wrap key, structural, seed 32) |
//                     SHA-256 of everything before 32
//     wrap key     := subkey kKeeperSigningKey of the KEK, context `system`
//     its data     := "obl1" | 0x14 | plane | vault id | keeper id | public key
//
// All functions are pure and thread-safe. Decoders return nullopt for anything but the one
// canonical encoding.

namespace oubliette::keys {

// ---- Members ----

enum class MemberStatus : std::uint8_t { joining = 1, active = 2, expelled = 3 };

struct Member {
    KeeperId id{};
    crypto::PublicKey public_key{};
    CellClass cell_class = CellClass::besteffort;
    MemberStatus status = MemberStatus::active;
    std::uint64_t last_epoch = 0;  // expelled: nothing later was ever sent to it; else 0
    friend bool operator==(const Member&, const Member&) = default;
};
using Members = std::vector<Member>;  // ordered by id

[[nodiscard]] Bytes encode_members(const Members& members);
[[nodiscard]] std::optional<Members> decode_members(ByteView encoded);
[[nodiscard]] crypto::Hash members_hash(const Members& members);

// ---- The chain of hashes ----

// h of KEYS 5.5.
[[nodiscard]] crypto::Hash plane_hash(const VaultId& vault, std::uint64_t epoch,
                                      const crypto::Hash& previous, const crypto::Hash& root,
                                      const crypto::Hash& members);
// True if `row.hash` is the hash of the row's own fields.
[[nodiscard]] bool is_consistent(const VaultId& vault, const ChainRow& row);

// A chain row as one keeper stores it.
struct StoredRow {
    ChainRow row;
    bool is_signed = false;
    crypto::Hash signed_request_root{};
};
[[nodiscard]] Bytes encode_row(const StoredRow& stored);
[[nodiscard]] std::optional<StoredRow> decode_row(std::uint64_t epoch, ByteView encoded);

// ---- Requests ----

// SHA-256(request id | r2 | address list), whatever the order of the addresses.
[[nodiscard]] crypto::Hash request_digest(const Revocation& revocation);

struct RequestLeaf {
    RequestId id{};
    crypto::Hash digest{};
    friend auto operator<=>(const RequestLeaf&, const RequestLeaf&) = default;
};
// REQUIRES: `leaves` ordered by id.
[[nodiscard]] crypto::Hash request_root(const std::vector<RequestLeaf>& leaves);
[[nodiscard]] Bytes encode_leaves(std::span<const RequestLeaf> leaves);
[[nodiscard]] bool decode_leaves(ByteView encoded, std::vector<RequestLeaf>* out);

[[nodiscard]] crypto::SecretBytes encode_request(const Revocation& revocation);
[[nodiscard]] std::optional<Revocation> decode_request(const RequestId& id, ByteView encoded);

// True if `ack` is signed by its own public key, and over a row of `chain`.
[[nodiscard]] bool acknowledges_chain(const VaultId& vault, const Acknowledgement& ack,
                                      const std::vector<ChainRow>& chain);

// What `revocation` needs to be checked offline: the proof, the chain from its epoch on, and one
// acknowledgement per keeper whose signature, members and place in the chain fit. Which keepers
// had to sign is the members hash; the caller compares the ids it trusts.
[[nodiscard]] bool verify_finality(const VaultId& vault, const Revocation& revocation,
                                   const Finality& finality);

// ---- Boxed rows of one keeper ----

struct KeeperName {
    VaultId vault{};
    KeeperId keeper{};
};

// The clear part of the root record.
struct PlaneHead {
    std::uint64_t epoch = 0;
    std::uint64_t term = 0;
    crypto::Hash previous_hash{};
    crypto::Hash hash{};
    crypto::Hash members{};
    friend bool operator==(const PlaneHead&, const PlaneHead&) = default;
};
inline constexpr std::size_t kPlaneHeadSize = 112;  // bytes

[[nodiscard]] Bytes seal_root(const crypto::Anchor& anchor, const KeeperName& name,
                              const PlaneHead& head, const RootSlot& root);
[[nodiscard]] std::optional<PlaneHead> decode_head(ByteView root_record);
[[nodiscard]] std::optional<RootSlot> open_root(const crypto::Anchor& anchor,
                                                const KeeperName& name, ByteView root_record);

inline constexpr std::size_t kRequestPieceSize = 32'768;  // bytes of plaintext
// The pieces of one request. `epoch` 0 for a pending row.
[[nodiscard]] std::vector<Bytes> seal_request(const crypto::Kek& kek, const KeeperName& name,
                                              std::uint64_t epoch, const Revocation& revocation);
[[nodiscard]] std::optional<Revocation> open_request(const crypto::Kek& kek, const KeeperName& name,
                                                     std::uint64_t epoch, const RequestId& id,
                                                     const std::vector<Bytes>& pieces);

using RegisterMap = std::map<RegisterKey, std::uint64_t>;
[[nodiscard]] Bytes encode_register_key(const RegisterKey& key);  // 7 B, big-endian
[[nodiscard]] std::optional<RegisterKey> decode_register_key(ByteView encoded);
[[nodiscard]] Bytes seal_register(const crypto::Kek& kek, const KeeperName& name,
                                  const RegisterKey& key, std::uint64_t value);
[[nodiscard]] std::optional<std::uint64_t> open_register(const crypto::Kek& kek,
                                                         const KeeperName& name,
                                                         const RegisterKey& key, ByteView box);

[[nodiscard]] Bytes seal_state(const crypto::Kek& kek, const KeeperName& name,
                               const StateRecord& state);
[[nodiscard]] std::optional<StateRecord> open_state(const crypto::Kek& kek, const KeeperName& name,
                                                    ByteView box);
// True if `a` comes before `b`.
[[nodiscard]] bool is_older(const StateRecord& a, const StateRecord& b) noexcept;

struct SigningFile {
    KeeperName name;
    crypto::PublicKey public_key{};
    Bytes box;
};
[[nodiscard]] Bytes encode_signing_file(const crypto::Kek& kek, const KeeperName& name,
                                        const crypto::Seed& seed);
[[nodiscard]] std::optional<SigningFile> decode_signing_file(ByteView file);
[[nodiscard]] std::optional<crypto::SigningKey> open_signing_key(const crypto::Kek& kek,
                                                                 const SigningFile& file);

}  // namespace oubliette::keys
