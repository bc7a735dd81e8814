#include "vault/result.hpp"

#include "crypto/assert.hpp"

namespace oubliette {

std::string_view wire_name(Refusal refusal) noexcept {
    switch (refusal) {
    case Refusal::malformed: return "MALFORMED";
    case Refusal::unauthenticated: return "UNAUTHENTICATED";
    case Refusal::role_denied: return "ROLE_DENIED";
    case Refusal::not_found: return "NOT_FOUND";
    case Refusal::wrong_state: return "WRONG_STATE";
    case Refusal::version_not_current: return "VERSION_NOT_CURRENT";
    case Refusal::erased: return "ERASED";
    case Refusal::too_large: return "TOO_LARGE";
    case Refusal::value_invalid: return "VALUE_INVALID";
    case Refusal::field_unknown: return "FIELD_UNKNOWN";
    case Refusal::slot_unknown: return "SLOT_UNKNOWN";
    case Refusal::transform_unknown: return "TRANSFORM_UNKNOWN";
    case Refusal::transform_unavailable: return "TRANSFORM_UNAVAILABLE";
    case Refusal::field_not_searchable: return "FIELD_NOT_SEARCHABLE";
    case Refusal::paused: return "PAUSED";
    case Refusal::restricted: return "RESTRICTED";
    case Refusal::held: return "HELD";
    case Refusal::rate_limited: return "RATE_LIMITED";
    case Refusal::subject_budget: return "SUBJECT_BUDGET";
    case Refusal::match_limit: return "MATCH_LIMIT";
    case Refusal::integrity: return "INTEGRITY";
    case Refusal::sealed: return "SEALED";
    case Refusal::overloaded: return "OVERLOADED";
    case Refusal::audit_unavailable: return "AUDIT_UNAVAILABLE";
    case Refusal::storage_full: return "STORAGE_FULL";
    case Refusal::purpose_unknown: return "PURPOSE_UNKNOWN";
    case Refusal::purpose_not_allowed: return "PURPOSE_NOT_ALLOWED";
    case Refusal::recipient_unknown: return "RECIPIENT_UNKNOWN";
    case Refusal::recipient_suspended: return "RECIPIENT_SUSPENDED";
    case Refusal::agreement_expired: return "AGREEMENT_EXPIRED";
    case Refusal::field_not_necessary: return "FIELD_NOT_NECESSARY";
    case Refusal::cross_border_blocked: return "CROSS_BORDER_BLOCKED";
    case Refusal::cross_border_no_consent: return "CROSS_BORDER_NO_CONSENT";
    case Refusal::consent_missing: return "CONSENT_MISSING";
    case Refusal::consent_stale: return "CONSENT_STALE";
    case Refusal::consent_expired: return "CONSENT_EXPIRED";
    case Refusal::consent_kind: return "CONSENT_KIND";
    case Refusal::order_required: return "ORDER_REQUIRED";
    case Refusal::retention_ended: return "RETENTION_ENDED";
    case Refusal::idempotency_mismatch: return "IDEMPOTENCY_MISMATCH";
    case Refusal::idempotency_in_flight: return "IDEMPOTENCY_IN_FLIGHT";
    case Refusal::method_not_allowed: return "METHOD_NOT_ALLOWED";
    case Refusal::media_type: return "MEDIA_TYPE";
    case Refusal::token_kind_unknown: return "TOKEN_KIND_UNKNOWN";
    case Refusal::order_needs_approval: return "ORDER_NEEDS_APPROVAL";
    case Refusal::order_scope: return "ORDER_SCOPE";
    case Refusal::order_expired: return "ORDER_EXPIRED";
    case Refusal::same_approver: return "SAME_APPROVER";
    case Refusal::needs_second: return "NEEDS_SECOND";
    case Refusal::evidence_required: return "EVIDENCE_REQUIRED";
    case Refusal::hold_too_wide: return "HOLD_TOO_WIDE";
    case Refusal::linkage: return "LINKAGE";
    case Refusal::export_limit: return "EXPORT_LIMIT";
    case Refusal::assessment_blocked: return "ASSESSMENT_BLOCKED";
    case Refusal::version_frozen: return "VERSION_FROZEN";
    case Refusal::identity_not_proved: return "IDENTITY_NOT_PROVED";
    case Refusal::proof_not_independent: return "PROOF_NOT_INDEPENDENT";
    case Refusal::suppressed: return "SUPPRESSED";
    case Refusal::fee_or_refuse: return "FEE_OR_REFUSE";
    case Refusal::token_used: return "TOKEN_USED";
    case Refusal::token_expired: return "TOKEN_EXPIRED";
    case Refusal::token_space_full: return "TOKEN_SPACE_FULL";
    }
    return "MALFORMED";
}

void throw_exception_from_error(Refusal /*refusal*/, const boost::source_location& where) {
    assertion_failed("value() of a refused Result", where.file_name(),
                     static_cast<int>(where.line()));
}

}  // namespace oubliette
