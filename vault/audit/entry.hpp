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
//            policy version:u16 | field:u16 | pseudonym:16 | failed steps:u16 |
//            recipient:u16 (of whoever asked, 0 nobody) | object:16 (a request id, or zero)
//                                                                                    (52 B)
//   object of acts on an order or a hold, and of what was read under an order := its id
//   object of acts on a subject request := its id; of recall and recall_ack := the recall's id
//   object of campaign_end := slot:u16 | 0^14
//   object of keeper_enrol, keeper_expel := the keeper's id; of bank_open := bank:u16 | 0^14
//   pseudonym := BLAKE2b-128(key = K_aud(person), n:u64le), n the person's own counter; zero
//            without a person. K_aud = subkey 0 of S_fix, context `audit`.
//            An erasure that is final has none: there it is a digest of the receipt (receipt.hpp).
//   failed steps := bit i set: step i+1 of MISSION 3.1 refused. All of steps 2 to 6 that do; only
//            when none does is the person looked at, and then all of steps 7 to 11 that refuse.
//            Steps 12 and 13 need the value and stand alone.
//   field of consent_grant and consent_withdraw := number of the slot + 1
//   object of recipient_suspend, recipient_resume := recipient:u16 | 0^14
//   object of assessment_* := purpose:u16 | 0^14; of export_alarm := recipient:u16 | year:u16 |
//            0^12
//   object of policy_publish := first 16 B of the version's link (vault/policies.hpp)
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
    order_open = 31,
    order_approve = 32,
    order_close = 33,
    order_notice = 34,
    hold_place = 35,
    hold_approve = 36,
    hold_release = 37,
    hold_lapse = 38,
    erasure_resumed = 39,
    request_open = 43,
    request_verify = 44,
    request_accept = 45,
    request_refuse = 46,
    request_execute = 47,
    disclosure_list = 48,
    request_close = 49,
    request_package = 50,
    account_close = 51,
    account_reopen = 52,
    campaign_end = 53,
    suppression = 54,
    recall = 55,
    recall_ack = 56,
    recipient_suspend = 57,
    recipient_resume = 58,
    assessment_record = 59,
    assessment_approve = 60,
    export_alarm = 61,
    replay = 62,
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
    std::uint16_t recipient = 0;
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
