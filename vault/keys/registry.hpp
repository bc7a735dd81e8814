#pragma once

#include <cstdint>
#include <initializer_list>

// The numbers that formats are made of, in one place. DO NOT CHANGE any of them: they are in
// addresses, associated data and key derivations of data on disk and in backups. Append only.

namespace oubliette::keys {

// ---- class 0 leaves: kind (6 bits) of `kind 6 | recipient 14 | kid 16`.
enum class SystemKind : std::uint8_t {
    token = 1,         // recipient, kid: pointer tokens of one recipient
    token_row = 2,     // recipient, kid: rows of table tokens
    index = 3,         // recipient 0, kid: search index
    client = 4,        // recipient, client number: the client's row
    api_key = 5,       // recipient, key number: one API key's verifier
    alias = 6,         // recipient 0, kid: address of a renumbered person
    audit_sign = 7,    // recipient 0, kid: seed of the log's signing key
    policy = 8,        // recipient 0, kid 0: policy and other vault-wide rows that are boxed
    pseudonym = 9,     // recipient, kid: `pseudonym` transform of one recipient
    request = 10,      // recipient 0, kid 0: idempotency and request rows
    backup_sign = 11,  // recipient 0, kid: seed that signs backups
    exception = 12,    // 0, 0: rows of orders and holds; from recipient 1 on one leaf for each of
                       // them, dead when it was ended (vault/exception_table.hpp)
    suppression = 13,  // 0, 0: contacts of people who objected (vault/suppressions.hpp)
};

// ---- associated data types (KEYS 5.2, byte 4 of every associated data).
enum class RecordType : std::uint8_t {
    value = 0x01,
    index_truth = 0x02,
    person_row = 0x03,
    hot_row = 0x04,
    marker = 0x05,
    access_list = 0x06,
    table_token = 0x07,
    handle = 0x08,
    alias = 0x09,
    client = 0x0A,
    external_id = 0x0B,
    audit_counter = 0x0C,
    page = 0x10,
    cell = 0x11,
    root = 0x12,
    seal_wrap = 0x13,
    signing_key = 0x14,
    registers = 0x15,
    pending = 0x16,
    state_record = 0x17,
    request = 0x18,
    policy = 0x19,
    exception = 0x20,
    exception_link = 0x21,
    waiting_erasure = 0x22,
    public_source = 0x23,
    subject_request = 0x24,
    recall = 0x25,
    told = 0x26,
    given_token = 0x2E,   // text of a table token, in the person's own rows
    given_handle = 0x2F,  // number of a handle token's leaf, in the person's own rows
    token_count = 0x30,   // tokens drawn from one space
};

// ---- subkey numbers per KDF context (crypto/kdf.hpp).
namespace subkey {
// from S_fix, context `subject`
inline constexpr std::uint64_t kPersonRow = 1;
inline constexpr std::uint64_t kHotRow = 2;
inline constexpr std::uint64_t kAccessList = 3;
inline constexpr std::uint64_t kAuditCounter = 4;
inline constexpr std::uint64_t kHandleList = 5;
inline constexpr std::uint64_t kTold = 0x26;
inline constexpr std::uint64_t kGivenToken = 16;  // no part of a value is in it
// from S_fix, context `audit`
inline constexpr std::uint64_t kAuditPseudonym = 0;
// from an item key, context `item`
inline constexpr std::uint64_t kMarker = 1;
inline constexpr std::uint64_t kExternalId = 2;
inline constexpr std::uint64_t kExceptionLink = 0x20;
inline constexpr std::uint64_t kExceptionFind = 0x21;
inline constexpr std::uint64_t kWaitingErasure = 0x22;
inline constexpr std::uint64_t kPublicSource = 0x23;
inline constexpr std::uint64_t kItemGivenToken = 16;
// from K_val, context `index`
inline constexpr std::uint64_t kIndexTruth = 0;
// from leaf(kind index): the field number is the subkey number, context `index`
// from leaf(kind token), context `token`
inline constexpr std::uint64_t kTokenMac = 1;
inline constexpr std::uint64_t kTokenEncryption = 2;
// from leaf(kind token_row), context `token`
inline constexpr std::uint64_t kTokenRowFind = 1;
inline constexpr std::uint64_t kTokenRowBox = 2;
// from leaf(class 2), context `token`
inline constexpr std::uint64_t kHandleBox = 3;
// from a keeper's KEK, context `system`
inline constexpr std::uint64_t kKeeperRegisters = 1;
inline constexpr std::uint64_t kKeeperPending = 2;
inline constexpr std::uint64_t kKeeperState = 3;
inline constexpr std::uint64_t kKeeperSigningKey = 4;
// from a KEK, context `cell`
inline constexpr std::uint64_t kCell = 1;
// from an anchor, context `root`
inline constexpr std::uint64_t kRoot = 1;
// from leaf(kind client), leaf(kind api_key), context `system`
inline constexpr std::uint64_t kClientRow = 1;
inline constexpr std::uint64_t kApiKeyVerifier = 2;
// from leaf(kind audit_sign | backup_sign), context `system`
inline constexpr std::uint64_t kSigningSeed = 3;
// from leaf(kind pseudonym), context `system`
inline constexpr std::uint64_t kPseudonym = 4;
// from leaf(kind request), context `system`
inline constexpr std::uint64_t kRequestRow = 5;
inline constexpr std::uint64_t kQueueTag = 7;
inline constexpr std::uint64_t kSubjectRequest = 0x24;
inline constexpr std::uint64_t kRecall = 0x25;
// from leaf(kind policy), context `system`
inline constexpr std::uint64_t kPolicyRow = 6;
// from leaf(kind suppression), context `system`
inline constexpr std::uint64_t kSuppression = 0x26;
// from leaf(kind exception, 0, 0), context `system`
inline constexpr std::uint64_t kExceptionRow = 0x20;
}  // namespace subkey

}  // namespace oubliette::keys
