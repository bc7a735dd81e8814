#pragma once

#include <optional>
#include <string_view>

#include "crypto/byte_io.hpp"
#include "crypto/secret.hpp"
#include "vault/clock.hpp"
#include "vault/result.hpp"

// One line of the audit log: who asked for what, why, and what came of it. Never a value, a token,
// an external id or a subject number. The person appears as a pseudonym that differs in every
// entry and that only the person's own key links: after erasure nobody can.
//
//   entry := format:u8 = 1 | action:u8 | result:u8 (0 allowed, else a Refusal) | transform:u8 |
//            time:u32 (minutes since 2020) | actor:u16 (client number, 0 the vault) | purpose:u16 |
//            policy version:u16 | field:u16 | pseudonym:16 | failed steps:u16 | 0^2 |
//            object:16 (a request id, or zero)                                       (52 B)
//   object of keeper_enrol, keeper_expel := the keeper's id; of bank_open := bank:u16 | 0^14
//   pseudonym := BLAKE2b-128(key = K_aud(person), n:u64le), n the person's own counter; zero
//            without a person. K_aud = subkey 0 of S_fix, context `audit`.
//            An erasure that is final has none: there it is a digest of the receipt (receipt.hpp).
//   failed steps := bit i set: step i+1 of MISSION 3.1 refused (the first one that did)
//
// Entries of the log about itself have no person and use the 32 bytes of pseudonym and object:
//   log_origin:       lost size:u64 | generation:u32 | 0^4 | first 16 B of the lost root
//   log_key_rotation: an Ed25519 public key; `field` is its kid, `transform` 0: it signs from now
//                     on, 1: it does not any more
//
// The end of a whole retention day (retention_end): object := retention class:u16 | day:u16 | 1 |
// 0^11. Zero, with field and pseudonym, where one value ended by itself.
//
// DO NOT CHANGE: entries are hashed into the log.

namespace oubliette::audit {

enum class Action : std::uint8_t {
    put = 1,
    tokenize = 2,
    detokenize = 3,
    read = 4,
    search = 5,
    match = 6,
    delete_field = 7,
    consent_grant = 8,
    consent_withdraw = 9,
    erase_accepted = 10,
    erase_final = 11,
    policy_publish = 12,
    policy_refused = 13,
    client_enrol = 14,
    client_revoke = 15,
    start = 16,
    rollback_accepted = 17,
    backup = 18,
    decide = 19,
    superseded = 20,
    vault_created = 21,
    consent_list = 22,
    keeper_enrol = 23,
    keeper_expel = 24,
    bank_open = 25,
    scrub = 26,
    retention_end = 27,
    cut_off = 28,
    log_origin = 29,
    log_key_rotation = 30,
    token_inspect = 67,
    poison_plant = 68,
    poison_opened = 69,
};

inline constexpr std::size_t kEntrySize = 52;  // bytes

struct Entry {
    Action action{};
    std::optional<Refusal> refusal;  // nullopt = allowed
    std::uint8_t transform = 0;      // strictness rank of what was applied
    Timestamp time;
    std::uint16_t actor = 0;
    std::uint16_t purpose = 0;
    std::uint16_t policy_version = 0;
    std::uint16_t field = 0;
    ByteArray<16> pseudonym{};
    std::uint16_t failed_steps = 0;
    ByteArray<16> object{};
};

// After an accepted rollback the log goes on under a new origin (audit/checkpoint.hpp), from the
// end of the older copy. Its first entry cites the tail that was lost: the last size and root of
// the log that the keepers knew.
struct LogOrigin {
    std::uint32_t generation = 0;  // of the new origin
    std::uint64_t lost_size = 0;
    ByteArray<16> lost_root{};  // its first bytes
};
void cite(const LogOrigin& origin, Entry& entry) noexcept;
// nullopt unless `entry` is a log_origin.
[[nodiscard]] std::optional<LogOrigin> cited_origin(const Entry& entry) noexcept;

// All values of this retention class and day (since 2020-01-01) lost their key.
struct EndedDay {
    std::uint16_t retention_class = 0;
    std::uint16_t day = 0;
};
void cite(const EndedDay& ended, Entry& entry) noexcept;
// nullopt unless `entry` is the end of a whole day.
[[nodiscard]] std::optional<EndedDay> cited_day(const Entry& entry) noexcept;

// From this entry on checkpoints are signed by this key too, or by this key no longer.
struct LogKeyRotation {
    std::uint16_t kid = 0;
    bool is_retired = false;
    ByteArray<32> public_key{};
};
void cite(const LogKeyRotation& rotation, Entry& entry) noexcept;
// nullopt unless `entry` is a log_key_rotation.
[[nodiscard]] std::optional<LogKeyRotation> cited_rotation(const Entry& entry) noexcept;

// The action's name in answers and exports, "log_origin"; empty for a number that has none.
[[nodiscard]] std::string_view name_of(Action action) noexcept;

// The pseudonym of the person with this K_aud in the person's entry number `n`.
[[nodiscard]] ByteArray<16> pseudonym_of(const crypto::SubKey& audit_key, std::uint64_t n) noexcept;

// Appends the entry's canonical bytes.
void encode(const Entry& entry, Bytes& out);
// nullopt unless `bytes` is exactly one entry of format 1.
[[nodiscard]] std::optional<Entry> decode_entry(ByteView bytes) noexcept;

}  // namespace oubliette::audit
