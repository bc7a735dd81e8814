#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "crypto/hash.hpp"
#include "vault/clock.hpp"
#include "vault/erasure_rows.hpp"
#include "vault/keys/path.hpp"

// A subject request (MISSION 4): what one person asked of the vault, how far it is, and who decided
// what. Numbers, codes and dates only. When the person is erased the record is stripped to
// pseudonym, type, dates and codes.
//
//   record := format:u8 = 1 | type:u8 | state:u8 | channel:u8 | ground:u16 | code:u8 | flags:u8 |
//             id:16 | subject:u64 (2^64 - 1: nobody any more) | pseudonym:16 | received:u32 |
//             due:u32 | proved:u32 | decided:u32 | run after:u32 | ended:u32 | kept until:u32 |
//             awake:u64 | opened by:u16 | decided by:u16 | seconded by:u16 | executed by:u16 |
//             slot:u16 (0xFFFF none) | code field:u16 | code until:u32 | code hash:16 |
//             evidence:32 | commitment:32 | erasure:16 | tries:u8 | n:u8 | n x field:u16 |
//             n:u8 | n x (method:u8 | 0 | field:u16)
//
// DO NOT CHANGE: it is on disk and in backups. Decoding refuses anything but the one encoding.

namespace oubliette {

// The numbers are in rows and tests: append only.
enum class RequestType : std::uint8_t {
    access = 1,
    portability = 2,
    rectification = 3,
    erasure = 4,
    restriction = 5,
    objection = 6,
    withdraw = 7,
    explain = 8,
    pause = 9,
    resume = 10,
    lift_restriction = 11,
};
enum class RequestState : std::uint8_t {
    proving = 1,        // the identity is not proved yet
    review = 2,         // proved; an officer looks at it first
    fee_or_refuse = 3,  // beyond the free ones of a year
    accepted = 4,       // may be executed
    scheduled = 5,      // an erasure in its cooling-off: runs by itself
    executing = 6,      // an erasure that is not final yet
    done = 7,
    refused = 8,
    withdrawn = 9,    // by the person
    not_proved = 10,  // too many tries, or too late
    ended = 11,       // the person was erased meanwhile
};
enum class RequestChannel : std::uint8_t { other = 0, web = 1, email = 2, phone = 3, letter = 4 };

// Why a request may be refused: nothing else is a reason.
enum class RefusalCode : std::uint8_t {
    none = 0,
    identity_not_proved = 1,
    deceptive = 2,
    harms_others = 3,
    not_feasible = 4,
    repeated = 5,
    legal_hold = 6,
};
enum class ProofLevel : std::uint8_t { none = 0, session = 1, one_factor = 2, two_factors = 3 };
enum class ProofMethod : std::uint8_t {
    session = 1,   // the application says that the person is logged in
    code = 2,      // a code that was sent to a stored contact
    match = 3,     // the person knew a stored value
    document = 4,  // an officer saw a paper
};

[[nodiscard]] std::string_view name_of(RequestType type) noexcept;
[[nodiscard]] std::string_view name_of(RequestState state) noexcept;
[[nodiscard]] std::string_view name_of(RequestChannel channel) noexcept;
[[nodiscard]] std::string_view name_of(RefusalCode code) noexcept;
[[nodiscard]] std::string_view name_of(ProofLevel level) noexcept;
[[nodiscard]] std::string_view name_of(ProofMethod method) noexcept;
[[nodiscard]] std::optional<RequestType> find_request_type(std::string_view name) noexcept;
[[nodiscard]] RequestChannel parse_channel(std::string_view name) noexcept;  // unknown: other
[[nodiscard]] std::optional<RefusalCode> find_refusal_code(std::string_view name) noexcept;
[[nodiscard]] std::optional<ProofLevel> find_proof_level(std::string_view name) noexcept;
[[nodiscard]] std::optional<ProofMethod> find_proof_method(std::string_view name) noexcept;

struct ProofFactor {
    ProofMethod method{};
    std::uint16_t field = 0;  // of code and match
    friend bool operator==(const ProofFactor&, const ProofFactor&) = default;
};

struct RequestRecord {
    static constexpr std::uint8_t kExtended = 1;     // the answer has its one extension
    static constexpr std::uint8_t kClosing = 2;      // the account was closed with it
    static constexpr std::uint8_t kReviewTask = 4;   // its ground asks for an internal review
    static constexpr std::uint8_t kDownloaded = 8;   // the package was given
    static constexpr std::uint8_t kFeeSettled = 16;  // an officer took it although not free
    static constexpr std::uint16_t kNoSlot = 0xFFFF;

    keys::RequestId id{};
    RequestType type{};
    RequestState state = RequestState::proving;
    RequestChannel channel = RequestChannel::other;
    Ground ground = Ground::other;
    RefusalCode code = RefusalCode::none;
    std::uint8_t flags = 0;
    std::optional<keys::SubjectNumber> subject;
    ByteArray<16> pseudonym{};  // of the entry that opened it in the log
    Timestamp received;
    Timestamp due;  // of the answer
    Timestamp proved;
    Timestamp decided;
    Timestamp run_after;      // scheduled: end of the cooling-off
    Timestamp ended;          // in an end state
    Timestamp kept_until;     // the record itself
    std::uint64_t awake = 0;  // DayFloor::minutes_awake() at received, then when it was scheduled
    std::uint16_t opened_by = 0;
    std::uint16_t decided_by = 0;
    std::uint16_t seconded_by = 0;
    std::uint16_t executed_by = 0;
    std::uint16_t slot = kNoSlot;  // withdraw, objection
    std::uint16_t code_field = 0;  // a code was sent to it
    Timestamp code_until;
    ByteArray<16> code_hash{};
    crypto::Hash evidence{};
    crypto::Hash commitment{};          // C of the coming erasure; zero: made when it is executed
    keys::RequestId erasure{};          // zero: none
    std::uint8_t tries = 0;             // wrong ones
    std::vector<std::uint16_t> fields;  // that it is about: the disputed ones
    std::vector<ProofFactor> factors;

    [[nodiscard]] bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
    // Not in an end state.
    [[nodiscard]] bool is_open() const noexcept;
};

inline constexpr std::size_t kRequestFieldsMax = 32;
inline constexpr std::size_t kProofFactorsMax = 8;

// REQUIRES: within the limits above.
[[nodiscard]] Bytes encode(const RequestRecord& record);
[[nodiscard]] std::optional<RequestRecord> decode_request_record(ByteView plaintext);

// Takes everything away that is about the person and not about the request.
void strip(RequestRecord& record) noexcept;

// What the factors prove together.
[[nodiscard]] ProofLevel level_of(const std::vector<ProofFactor>& factors) noexcept;

// "rq_" and 32 hex digits; "rc_" for recalls.
[[nodiscard]] std::string request_id_text(const keys::RequestId& id);
[[nodiscard]] std::optional<keys::RequestId> parse_request_id(std::string_view text);
[[nodiscard]] std::string recall_id_text(const keys::RequestId& id);
[[nodiscard]] std::optional<keys::RequestId> parse_recall_id(std::string_view text);

}  // namespace oubliette
