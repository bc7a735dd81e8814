#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vault/audit/checkpoint.hpp"
#include "vault/audit/entry.hpp"
#include "vault/erasure_rows.hpp"

// The receipt of an erasure (KEYS 5.5): what every registered keeper signed, that the request is
// among what they signed for, and that the log says so. It proves who claimed what and when, not
// physics: each keeper's cell class says how far its overwriting goes.
//
// Everything in a receipt is bound by the log's entry erase_final, whose pseudonym (an erasure has
// none) is the digest of the receipt's body:
//
//   digest := first 16 bytes of SHA-256("obl/leaf/1" | vault id 16 | request id 16 | body)
//   body := as in erasure_rows.hpp, of the final row
//   entry := action erase_final | result 0 | time | pseudonym = digest | object = request id |
//            everything else 0
//
// The keys that died are named by their addresses: a person's number, which means nothing outside
// the vault and is never given again. Thread-safe.

namespace oubliette {

// REQUIRES (of every function here): the erasure is final and its checkpoint is signed.
struct Receipt {
    keys::VaultId vault{};
    ErasureRow erasure;
    std::vector<crypto::Hash> log_proof;  // audit path of the entry under the checkpoint
};

// True when nothing is missing for a receipt.
[[nodiscard]] bool has_receipt(const ErasureRow& row) noexcept;

// The head of the log that the receipt's checkpoint signs; nullopt if none of its keys did.
[[nodiscard]] std::optional<audit::Checkpoint> log_head_of(const keys::VaultId& vault,
                                                           const LogRecord& log);

// The entry that makes a final row part of the log. REQUIRES: `row` is final.
[[nodiscard]] audit::Entry receipt_entry(const keys::VaultId& vault, const ErasureRow& row,
                                         Timestamp now);

// "software overwrite in place: flash remnants possible"
[[nodiscard]] std::string_view words_of(keys::CellClass cell_class) noexcept;

// What whoever reads the receipt has to know besides, one sentence each.
[[nodiscard]] std::vector<std::string> notes_of(const ErasureRow& row);

}  // namespace oubliette
