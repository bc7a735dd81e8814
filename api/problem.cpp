#include "api/problem.hpp"

#include <array>
#include <string>

#include "api/json_writer.hpp"

namespace oubliette::api {
namespace {

struct ProblemText {
    unsigned status = 500;
    std::string_view code;
    std::string_view title;
    std::string_view detail;
};

std::string type_of(std::string_view code) {
    std::string type = "urn:oubliette:problem:";
    for (const char letter : code) {
        if (letter == '_') {
            type.push_back('-');
        } else {
            type.push_back(letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32)
                                                          : letter);
        }
    }
    return type;
}

Response make_response(const ProblemText& text, std::string_view request_id,
                       std::span<const FieldProblem> errors = {}, std::string_view contact = {}) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object()
        .member("type", type_of(text.code))
        .member("title", text.title)
        .key("status")
        .integer(text.status)
        .member("code", text.code)
        .member("detail", text.detail)
        .member("request_id", request_id);
    if (!errors.empty()) {
        json.key("errors").begin_array();
        for (const FieldProblem& error : errors) {
            json.begin_object()
                .member("field", error.field)
                .member("code", oubliette::wire_name(error.code))
                .end_object();
        }
        json.end_array();
    }
    if (!contact.empty()) json.member("contact", contact);
    json.end_object();

    Response response;
    response.status = text.status;
    response.content_type = "application/problem+json";
    response.body = crypto::SecretBytes{buffer.bytes()};
    if (text.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (text.status == 429 || text.status == 503) response.headers.emplace_back("Retry-After", "1");
    return response;
}

struct RefusalText {
    Refusal refusal;
    std::string_view title;
    std::string_view detail;
};

// `detail` says what the reader can do about it.
constexpr std::array kRefusalTexts{
    RefusalText{Refusal::malformed, "The request is malformed",
                "Send one JSON object in UTF-8 with only the members that /openapi.json names."},
    RefusalText{Refusal::unauthenticated, "Not authenticated",
                "Send a live API key as Authorization: Bearer obk_..., or an enrolled client "
                "certificate."},
    RefusalText{Refusal::role_denied, "The role does not allow this",
                "Use a client whose roles include this operation; see `oubliette client list`."},
    RefusalText{Refusal::not_found, "Not found",
                "There is no such thing, or this client may not know of it."},
    RefusalText{Refusal::method_not_allowed, "Method not allowed",
                "Use one of the methods named in the Allow header."},
    RefusalText{Refusal::wrong_state, "The state does not allow this",
                "Read the object again: its state excludes this step."},
    RefusalText{Refusal::version_not_current, "The policy version is not current",
                "Read GET /v1/policy and send the version that is in force."},
    RefusalText{Refusal::idempotency_in_flight, "The same request is still running",
                "Wait for the first answer, then repeat with the same Idempotency-Key."},
    RefusalText{Refusal::erased, "Erased", "The keys were destroyed; nobody can read this again."},
    RefusalText{Refusal::too_large, "Too large", "Send fewer or smaller items in one request."},
    RefusalText{Refusal::media_type, "Media type not supported",
                "Send Content-Type: application/json."},
    RefusalText{Refusal::value_invalid, "The value does not fit its field",
                "Compare the value with the type of the field in GET /v1/policy."},
    RefusalText{Refusal::field_unknown, "Unknown field",
                "Use a field name of the policy in force."},
    RefusalText{Refusal::slot_unknown, "Unknown consent slot",
                "Use a consent slot of the policy in force."},
    RefusalText{Refusal::transform_unknown, "Unknown transform",
                "Use a transform name of the policy in force."},
    RefusalText{Refusal::transform_unavailable, "The transform cannot be applied to this value",
                "Store the value with its parts, or ask for another transform."},
    RefusalText{Refusal::field_not_searchable, "The field is not searchable",
                "Only fields that the policy marks as searchable have an index."},
    RefusalText{Refusal::token_kind_unknown, "Unknown kind of token",
                "Use a token kind that the policy allows for this field."},
    RefusalText{Refusal::token_used, "The token was used",
                "It could be opened once; ask for a new one with POST /v1/tokenize."},
    RefusalText{Refusal::token_expired, "The token has expired",
                "Ask for a new one with POST /v1/tokenize."},
    RefusalText{Refusal::token_space_full, "Too few texts of this shape are left",
                "Use pointer tokens or a longer token_format for this field, or cut the recipient "
                "off to begin a new space."},
    RefusalText{Refusal::idempotency_mismatch, "The Idempotency-Key was used for another request",
                "Use a fresh Idempotency-Key for each different request."},
    RefusalText{Refusal::paused, "Paused",
                "The person paused the use of this data; only they can resume it."},
    RefusalText{Refusal::restricted, "Restricted",
                "The use of this data is restricted; ask the privacy officer."},
    RefusalText{Refusal::held, "Held", "A legal hold covers this; it must end first."},
    RefusalText{Refusal::rate_limited, "Too many requests",
                "Slow down and repeat after Retry-After seconds."},
    RefusalText{Refusal::subject_budget, "Too many different people",
                "The budget of people per hour is used up; repeat later."},
    RefusalText{Refusal::match_limit, "Too many attempts",
                "The attempts for this token are used up; repeat later."},
    RefusalText{Refusal::integrity, "A record is damaged",
                "The operator should run `oubliette doctor`; nothing was disclosed."},
    RefusalText{Refusal::sealed, "Sealed",
                "An operator must unseal the vault first: `oubliette unseal`."},
    RefusalText{Refusal::overloaded, "Overloaded", "Repeat after Retry-After seconds."},
    RefusalText{Refusal::audit_unavailable, "The audit log cannot be written",
                "Nothing is disclosed without its entry; the operator should look at the disk."},
    RefusalText{Refusal::storage_full, "The storage is full",
                "Reading and erasing still work; the operator must make room."},
    RefusalText{Refusal::purpose_unknown, "Unknown purpose",
                "Use a purpose of the policy in force."},
    RefusalText{Refusal::purpose_not_allowed, "The recipient does not have this purpose",
                "The policy must name this purpose for the recipient of the client."},
    RefusalText{Refusal::recipient_unknown, "Unknown recipient",
                "Use a recipient of the policy in force."},
    RefusalText{Refusal::recipient_suspended, "The recipient is suspended",
                "A policy administrator must end the suspension."},
    RefusalText{Refusal::agreement_expired, "The agreement with the recipient has ended",
                "Renew the agreement and publish its new end in the policy."},
    RefusalText{Refusal::field_not_necessary, "The field is not necessary for this purpose",
                "The policy must list the field for this recipient and purpose."},
    RefusalText{Refusal::cross_border_blocked, "The policy has no rule for this transfer abroad",
                "Publish a cross-border rule for the country of the recipient."},
    RefusalText{Refusal::cross_border_no_consent, "The consent to the transfer abroad is missing",
                "Ask the person for the consent slot that the cross-border rule names."},
    RefusalText{Refusal::consent_missing, "The consent is missing",
                "Ask the person and record the consent slot that the purpose needs."},
    RefusalText{Refusal::consent_stale, "The consent was given for an older policy",
                "The meaning of the slot changed: ask the person again."},
    RefusalText{Refusal::consent_expired, "The consent has expired",
                "Ask the person again and record the consent."},
    RefusalText{Refusal::consent_kind, "The consent is not strong enough",
                "Record a consent of the kind that the slot asks for."},
    RefusalText{Refusal::order_required, "A disclosure order is required",
                "An approved order that covers this request must be live."},
    RefusalText{Refusal::order_needs_approval, "The order lacks approvals",
                "Others must approve it, in the roles that the policy names: `oubliette order "
                "approve`."},
    RefusalText{Refusal::order_scope, "The order does not cover this",
                "Open an order that names this person and this field, within the policy's limits."},
    RefusalText{Refusal::order_expired, "The order has ended",
                "Open a new order; an order is not extended."},
    RefusalText{Refusal::same_approver, "The same person has approved already",
                "Another person, in another role, must approve."},
    RefusalText{Refusal::needs_second, "A second person is needed",
                "Your approval is recorded; another person, in another role, must do the same."},
    RefusalText{Refusal::evidence_required, "Evidence is required",
                "Send the SHA-256 of the paper, permit or evidence file that the policy asks for."},
    RefusalText{Refusal::hold_too_wide, "The hold is too wide",
                "Name only what the policy's rule for this ground lets a hold keep, and for no "
                "longer."},
    RefusalText{Refusal::linkage, "Too much of one person together",
                "The policy keeps these fields apart; do without one of them or wait ten minutes."},
    RefusalText{Refusal::export_limit, "Too many people abroad this year",
                "The yearly number of people for this receiver is used up; raise it in the policy "
                "after a new assessment, or wait for the next year."},
    RefusalText{Refusal::assessment_blocked, "The impact assessment says high risk",
                "Two people of different roles must approve the assessment of this purpose."},
    RefusalText{Refusal::version_frozen, "A published version never changes",
                "Publish the change as the next version."},
    RefusalText{Refusal::identity_not_proved, "The identity is not proved",
                "Prove it with POST /v1/requests/{id}/verify until the level of the request's type "
                "is reached; five wrong tries close the request."},
    RefusalText{Refusal::proof_not_independent, "The proof is not independent",
                "The field under correction proves nothing: use another field or method."},
    RefusalText{Refusal::suppressed, "The person objected to this use",
                "Do not use this contact for this purpose; other purposes work."},
    RefusalText{Refusal::fee_or_refuse, "The free requests of this year are used up",
                "An officer must accept with the fee settled, or refuse with a reason."},
    RefusalText{Refusal::retention_ended, "The retention has ended",
                "The policy keeps this value no longer for this purpose."},
};

const RefusalText& text_for(Refusal refusal) noexcept {
    for (const RefusalText& text : kRefusalTexts) {
        if (text.refusal == refusal) return text;
    }
    return kRefusalTexts.front();
}

}  // namespace

unsigned status_of(Refusal refusal) noexcept {
    switch (refusal) {
    case Refusal::malformed: return 400;
    case Refusal::unauthenticated: return 401;
    case Refusal::role_denied:
    case Refusal::purpose_unknown:
    case Refusal::purpose_not_allowed:
    case Refusal::recipient_unknown:
    case Refusal::recipient_suspended:
    case Refusal::agreement_expired:
    case Refusal::field_not_necessary:
    case Refusal::cross_border_blocked:
    case Refusal::cross_border_no_consent:
    case Refusal::consent_missing:
    case Refusal::consent_stale:
    case Refusal::consent_expired:
    case Refusal::consent_kind:
    case Refusal::order_required:
    case Refusal::order_needs_approval:
    case Refusal::order_scope:
    case Refusal::order_expired:
    case Refusal::same_approver:
    case Refusal::needs_second:
    case Refusal::evidence_required:
    case Refusal::hold_too_wide:
    case Refusal::linkage:
    case Refusal::assessment_blocked:
    case Refusal::identity_not_proved:
    case Refusal::proof_not_independent:
    case Refusal::suppressed:
    case Refusal::fee_or_refuse:
    case Refusal::retention_ended: return 403;
    case Refusal::not_found: return 404;
    case Refusal::method_not_allowed: return 405;
    case Refusal::wrong_state:
    case Refusal::version_not_current:
    case Refusal::version_frozen:
    case Refusal::idempotency_in_flight: return 409;
    case Refusal::erased:
    case Refusal::token_used:
    case Refusal::token_expired: return 410;
    case Refusal::too_large: return 413;
    case Refusal::media_type: return 415;
    case Refusal::value_invalid:
    case Refusal::field_unknown:
    case Refusal::slot_unknown:
    case Refusal::transform_unknown:
    case Refusal::transform_unavailable:
    case Refusal::field_not_searchable:
    case Refusal::token_kind_unknown:
    case Refusal::token_space_full:
    case Refusal::idempotency_mismatch: return 422;
    case Refusal::paused:
    case Refusal::restricted:
    case Refusal::held: return 423;
    case Refusal::rate_limited:
    case Refusal::subject_budget:
    case Refusal::export_limit:
    case Refusal::match_limit: return 429;
    case Refusal::integrity: return 500;
    case Refusal::sealed:
    case Refusal::overloaded:
    case Refusal::audit_unavailable:
    case Refusal::storage_full: return 503;
    }
    return 500;
}

unsigned status_of(FaultKind kind) noexcept {
    switch (kind) {
    case FaultKind::storage:
    case FaultKind::storage_full:
    case FaultKind::sealed:
    case FaultKind::audit_unavailable:
    case FaultKind::conflict: return 503;
    case FaultKind::corrupt:
    case FaultKind::configuration: return 500;
    }
    return 500;
}

std::string_view wire_name(FaultKind kind) noexcept {
    switch (kind) {
    case FaultKind::storage: return "STORAGE_UNAVAILABLE";
    case FaultKind::storage_full: return "STORAGE_FULL";
    case FaultKind::corrupt: return "INTEGRITY";
    case FaultKind::sealed: return "SEALED";
    case FaultKind::audit_unavailable: return "AUDIT_UNAVAILABLE";
    case FaultKind::configuration: return "INTERNAL";
    case FaultKind::conflict: return "STORAGE_UNAVAILABLE";
    }
    return "INTERNAL";
}

Response problem_response(Refusal refusal, std::string_view request_id,
                          std::span<const FieldProblem> errors, std::string_view contact) {
    const RefusalText& text = text_for(refusal);
    return make_response(
        {status_of(refusal), oubliette::wire_name(refusal), text.title, text.detail}, request_id,
        errors, contact);
}

Response problem_response(Refusal refusal, std::string_view request_id, std::string_view detail) {
    return make_response(
        {status_of(refusal), oubliette::wire_name(refusal), text_for(refusal).title, detail},
        request_id);
}

Response problem_response(Refusal refusal, std::string_view request_id,
                          const std::vector<std::pair<std::string_view, std::string>>& members) {
    Response response = problem_response(refusal, request_id);
    WipedBuffer buffer;
    const ByteView problem = response.body.expose();
    buffer.append(problem.first(problem.size() - 1));  // without its closing brace
    for (const auto& [name, value] : members) {
        buffer.append(',');
        JsonWriter{buffer}.member(name, value);
    }
    buffer.append('}');
    response.body = crypto::SecretBytes{buffer.bytes()};
    return response;
}

Response problem_response(FaultKind kind, std::string_view request_id) {
    switch (kind) {
    case FaultKind::storage_full: return problem_response(Refusal::storage_full, request_id);
    case FaultKind::corrupt: return problem_response(Refusal::integrity, request_id);
    case FaultKind::sealed: return problem_response(Refusal::sealed, request_id);
    case FaultKind::audit_unavailable:
        return problem_response(Refusal::audit_unavailable, request_id);
    case FaultKind::configuration: return internal_error_response(request_id);
    case FaultKind::storage:
    case FaultKind::conflict: break;
    }
    return make_response({503, wire_name(kind), "The storage is not available",
                          "The operator should run `oubliette doctor`; the request may be "
                          "repeated with the same Idempotency-Key."},
                         request_id);
}

Response problem_response(HeadError error, std::string_view request_id) {
    ProblemText text{400, "MALFORMED", "The request is malformed",
                     "Send HTTP/1.1 with one Host, an origin-form target and no folded lines."};
    switch (error) {
    case HeadError::malformed: break;
    case HeadError::body_not_allowed: text.detail = "GET and DELETE take no body."; break;
    case HeadError::length_required:
        text = {411, "LENGTH_REQUIRED", "Content-Length required",
                "PUT and POST need exactly one Content-Length of digits only."};
        break;
    case HeadError::expectation_failed:
        text = {417, "EXPECTATION_FAILED", "Expect is not supported",
                "Send the body at once, without Expect."};
        break;
    case HeadError::head_too_large:
        text = {431, "HEADER_TOO_LARGE", "The request header is too large",
                "Send at most 64 header fields and 8 KiB."};
        break;
    case HeadError::not_implemented:
        text = {501, "NOT_IMPLEMENTED", "Not implemented",
                "Use GET, PUT, POST or DELETE and frame the body with Content-Length."};
        break;
    case HeadError::version_unsupported:
        text = {505, "VERSION_NOT_SUPPORTED", "HTTP version not supported", "Use HTTP/1.1."};
        break;
    }
    return make_response(text, request_id);
}

Response timeout_response(std::string_view request_id) {
    return make_response({408, "REQUEST_TIMEOUT", "The request did not arrive in time",
                          "Send the whole header within 10 seconds and the body within 30."},
                         request_id);
}

Response internal_error_response(std::string_view request_id) {
    return make_response({500, "INTERNAL", "Internal error",
                          "The operator finds the request id in the server's log."},
                         request_id);
}

}  // namespace oubliette::api
