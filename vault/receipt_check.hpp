#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit/checkpoint.hpp"
#include "vault/receipt.hpp"

// Checking a receipt offline, as its holder or an auditor does: with the receipt, and with public
// keys that came another way. Thread-safe.
//
//   key file := {"format":1, "vault":HEX, "keepers":[{"id":HEX, "public_key":HEX}], "log":[VKEY]}

namespace oubliette {

// What outsiders pin of a vault: written by `init --keys-out`, served at GET /v1/receipts/keys.
struct ReceiptKeys {
    keys::VaultId vault{};
    std::map<keys::KeeperId, crypto::PublicKey> keepers;
    std::vector<audit::VerifierKey> log;
};
// One object without white space.
[[nodiscard]] std::string receipt_keys_json(const ReceiptKeys& keys);
// nullopt unless `text` is exactly one key file.
[[nodiscard]] std::optional<ReceiptKeys> parse_receipt_keys(std::string_view text);

// Each can fail on its own, and is told by its name.
enum class ReceiptCheck : std::uint8_t {
    signatures,      // every acknowledgement is signed by a listed keeper over a row of the chain
    completeness,    // every registered keeper acknowledged
    chain,           // the key plane went from the hash before to the newest acknowledged one
    request,         // the addresses are those of the scope, and under a root that a keeper signed
    log_entry,       // the log's entry says that this very receipt is final
    log_inclusion,   // the entry is in the log under the checkpoint
    checkpoint,      // the checkpoint is this vault's and signed by the named keys
    pinned_keepers,  // the keepers are those of the key file
    pinned_log,      // one of the pinned keys of the log signed the checkpoint
    commitment,      // the receipt is about this external id
};
[[nodiscard]] std::string_view name_of(ReceiptCheck check) noexcept;

struct ReceiptFinding {
    ReceiptCheck check{};
    bool is_good = false;
    std::string text;  // what was found; what is wrong
};

struct ReceiptReport {
    std::vector<ReceiptFinding> findings;  // one of each check that was made
    // False: the keys are only those inside the receipt, so that it is consistent, but may be of
    // another vault than the one it names.
    bool is_pinned = false;

    [[nodiscard]] bool passed() const noexcept;
};

// What is known besides the receipt. Each is optional.
struct ReceiptQuestion {
    std::optional<ReceiptKeys> keys;        // checks pinned_keepers and pinned_log
    std::vector<audit::VerifierKey> vkeys;  // check pinned_log
    std::optional<ByteArray<32>> opening;   // r, with `external_id`: check commitment
    std::optional<std::string> external_id;
};

[[nodiscard]] ReceiptReport check_receipt(const Receipt& receipt, const ReceiptQuestion& question);

}  // namespace oubliette
