#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

// How the vault says no. Three kinds, three mechanisms: a Refusal is an expected answer and is
// returned; a Fault means that the world broke and is thrown; a bug is an OBL_ASSERT.

namespace oubliette {

// An expected "no": the request was understood and the vault will not do it. Callers must handle
// it. The numbers are in the audit log and the names in the HTTP API: append only.
enum class Refusal : std::uint8_t {
    malformed = 1,
    unauthenticated = 2,
    role_denied = 3,
    not_found = 4,
    wrong_state = 5,
    version_not_current = 6,
    erased = 7,
    too_large = 8,
    value_invalid = 9,
    field_unknown = 10,
    slot_unknown = 11,
    transform_unknown = 12,
    transform_unavailable = 13,
    field_not_searchable = 14,
    paused = 15,
    restricted = 16,
    held = 17,
    rate_limited = 18,
    subject_budget = 19,
    match_limit = 20,
    integrity = 21,
    sealed = 22,
    overloaded = 23,
    audit_unavailable = 24,
    storage_full = 25,
    purpose_unknown = 26,
    purpose_not_allowed = 27,
    recipient_unknown = 28,
    recipient_suspended = 29,
    agreement_expired = 30,
    field_not_necessary = 31,
    cross_border_blocked = 32,
    cross_border_no_consent = 33,
    consent_missing = 34,
    consent_stale = 35,
    consent_expired = 36,
    consent_kind = 37,
    order_required = 38,
    retention_ended = 39,
    idempotency_mismatch = 40,
    idempotency_in_flight = 41,
    method_not_allowed = 42,
    media_type = 43,
    token_kind_unknown = 44,
    order_needs_approval = 45,
    order_scope = 46,
    order_expired = 47,
    same_approver = 48,
    needs_second = 49,
    evidence_required = 50,
    hold_too_wide = 51,
    identity_not_proved = 52,
    proof_not_independent = 53,
    suppressed = 54,
    fee_or_refuse = 55,
    linkage = 58,
    export_limit = 59,
    assessment_blocked = 60,
    version_frozen = 61,
    token_used = 65,
    token_expired = 66,
    token_space_full = 67,
};

// The code on the wire and in the audit log, "CONSENT_MISSING".
[[nodiscard]] std::string_view wire_name(Refusal refusal) noexcept;

// Derived, not an alias, because Boost 1.81 does not mark its result [[nodiscard]]: an ignored
// refusal must not compile.
template <class T>
class [[nodiscard]] Result : public boost::system::result<T, Refusal> {
public:
    using boost::system::result<T, Refusal>::result;
};

// Result::value() on a refusal is a bug: test the result first, or use *result after the test.
[[noreturn]] void throw_exception_from_error(Refusal refusal, const boost::source_location& where);

// storage: the disk or the database failed. storage_full: no room; reads and erasure still work.
// corrupt: a record or a page is not what we wrote (503 or 500, never "erased").
// sealed: keys cannot be reached. audit_unavailable: an entry could not be made durable.
// configuration: start is refused; `what` names the remedy.
// conflict: another process or leader owns the thing.
enum class FaultKind : std::uint8_t {
    storage,
    storage_full,
    corrupt,
    sealed,
    audit_unavailable,
    configuration,
    conflict,
};

// The machine, the disk or the database let us down, or a record is not what we wrote. Thrown;
// caught only at the session boundary, by the committer (which hands it on) and in main().
// `what` must hold no personal data.
class Fault : public std::runtime_error {
public:
    Fault(FaultKind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
    [[nodiscard]] FaultKind kind() const noexcept { return kind_; }

private:
    FaultKind kind_;
};

}  // namespace oubliette
