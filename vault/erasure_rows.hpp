#pragma once

#include <optional>
#include <string>

#include "crypto/byte_io.hpp"
#include "vault/audit/entry.hpp"
#include "vault/clock.hpp"
#include "vault/function_ref.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/store/store.hpp"

// What the data plane remembers of erasures, and of every revocation that is not final yet. No
// external id and no value; the person only as the address of the keys that died.
//
//   tables erasures and queue: request id:16 | piece:u16be -> at most 60,000 bytes of the row: the
//     receipt of an erasure that waited for a keeper has 176 bytes for each epoch meanwhile
//     erasure := body | log record (only when final)
//     body := format:u8 = 1 | scope:u8 | state:u8 | 0 | ground:u16 | accepted:u32 |
//                commitment C:32 | blind r2:32 | n:u32 | n x path 11 | finality (only when final)
//     finality := epoch:u64 | hash before:32 | hash after:32 | request index:u64 |
//                 request count:u64 | n:u32 | n x proof hash:32 | n:u32 | n x acknowledgement |
//                 n:u32 | n x chain row | n:u32 | n bytes of member list (keys/records.hpp)
//     log record := index:u64 | entry 52 | n:u8 | n x public key 32 | size:u16 | checkpoint
//     acknowledgement := keeper:16 | public key:32 | class:u8 | term:u64 | epoch:u64 | prev_h:32 |
//                 h:32 | request root:32 | members:32 | signature:64
//     chain row := epoch:u64 | term:u64 | prev_h:32 | H(root slot):32 | members:32 |
//                 request root:32 | h:32
//     queue := format:u8 = 1 | scope:u8 | ground:u16 | due:u32 | commitment:32 | blind:32 |
//              n:u32 | n x path 11 | tag:32
//
//   tag := BLAKE2b-256 keyed with the subkey kQueueTag of leaf(kind request), of
//          "obl/queue/1" | request id | the row before it
//   commitment C := SHA-256("obl/rcpt/1" | opening r:32 | external id); r is stored nowhere
//
// DO NOT CHANGE: they are on disk and in backups. Decoding refuses anything but the one encoding.

namespace oubliette {

enum class ErasureState : std::uint8_t { effective = 1, final = 2 };
[[nodiscard]] std::string_view name_of(ErasureState state) noexcept;
[[nodiscard]] std::string_view name_of(keys::RevocationScope scope) noexcept;
// True if somebody asked for it and gets a receipt: an erasure row is kept for ever.
[[nodiscard]] bool gets_receipt(keys::RevocationScope scope) noexcept;

// Why a person asked (seed policy 5.2); an unknown ground is `other`, never refused.
enum class Ground : std::uint16_t {
    other = 0,
    unlawful = 1,
    no_consent = 2,
    breach = 3,
    no_longer_using = 4,
    withdrawn = 5,
};
[[nodiscard]] Ground parse_ground(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(Ground ground) noexcept;

// C of KEYS 5.5: binds a receipt to an external id for whoever has `opening`, and for nobody else.
[[nodiscard]] crypto::Hash commitment_of(const ByteArray<32>& opening,
                                         std::string_view external_id) noexcept;

// Where the log says that an erasure is final, and the signed head of the log at that commit. The
// keys that signed stand beside it: a receipt stays the same when the log's key is rotated.
struct LogRecord {
    std::uint64_t index = 0;  // of the entry
    ByteArray<audit::kEntrySize> entry{};
    std::vector<crypto::PublicKey> keys;  // in the order of the checkpoint's signatures
    std::string checkpoint;
};

// The end of the minute that the entry names: what was erased was gone by then.
[[nodiscard]] Timestamp irrecoverable_after(const LogRecord& log) noexcept;

struct ErasureRow {
    keys::RequestId id{};
    keys::RevocationScope scope = keys::RevocationScope::subject;
    ErasureState state = ErasureState::effective;
    Ground ground = Ground::other;
    Timestamp accepted;
    crypto::Hash commitment{};
    ByteArray<32> blind{};
    std::vector<keys::Path> addresses;
    std::optional<keys::Finality> finality;
    std::optional<LogRecord> log;
};

// The addresses of a request as its digest has them: in order, each once.
[[nodiscard]] std::vector<keys::Path> sorted_addresses(const keys::Revocation& revocation);

// Everything but the log record: what the entry in the log binds (receipt.hpp).
// REQUIRES: `finality` is set exactly when the state is final.
[[nodiscard]] Bytes encode_body(const ErasureRow& row);
// REQUIRES: `finality` and `log` are set exactly when the state is final.
[[nodiscard]] Bytes encode(const ErasureRow& row);
[[nodiscard]] std::optional<ErasureRow> decode_erasure_row(const keys::RequestId& id,
                                                           ByteView value);

struct QueueRow {
    keys::Revocation revocation;
    Timestamp due;  // superseded values wait so that one group takes many; all else is due at once
    crypto::Hash tag{};
};
// Who can write into the data plane, but has no keys of the vault, cannot have keys destroyed by a
// row of his own: what does not authenticate is not carried out.
[[nodiscard]] crypto::Hash queue_tag(const QueueRow& row, crypto::KeyView key);
[[nodiscard]] bool is_authentic(const QueueRow& row, crypto::KeyView key);
[[nodiscard]] Bytes encode(const QueueRow& row);
[[nodiscard]] std::optional<QueueRow> decode_queue_row(const keys::RequestId& id, ByteView value);

// ---- In the store. Reading throws Fault{corrupt} for a row that is damaged.
void write_erasure(store::WriteView& view, const ErasureRow& row);
[[nodiscard]] std::optional<ErasureRow> read_erasure(const store::ReadView& view,
                                                     const keys::RequestId& id);
// REQUIRES: `row.tag` is set.
void write_queued(store::WriteView& view, const QueueRow& row);
void remove_queued(store::WriteView& view, const keys::RequestId& id);
// A new id for a replaced value of a person: it begins with 0x00 | local:u40be, so that an erasure
// finds what waits for this person without reading the whole queue.
[[nodiscard]] keys::RequestId superseded_id(keys::SubjectNumber number) noexcept;
// Every row in order of request ids; nullopt for one that is damaged or lacks a piece.
void visit_erasures(const store::ReadView& view,
                    FunctionRef<void(std::optional<ErasureRow> row)> visit);
void visit_queue(const store::ReadView& view, FunctionRef<void(std::optional<QueueRow> row)> visit);
// In order of request ids.
[[nodiscard]] std::vector<QueueRow> read_queue(const store::ReadView& view);
// Replaced values only: all, or those of one person.
[[nodiscard]] std::vector<QueueRow> read_superseded(
    const store::ReadView& view, std::optional<keys::SubjectNumber> number = std::nullopt);

// "er_" and 32 hex digits.
[[nodiscard]] std::string erasure_id_text(const keys::RequestId& id);
[[nodiscard]] std::optional<keys::RequestId> parse_erasure_id(std::string_view text);

}  // namespace oubliette
