#include "api/consent_receipts.hpp"

#include <algorithm>

#include "crypto/encoding.hpp"
#include "vault/time_text.hpp"

namespace oubliette::api {
namespace {

constexpr std::string_view kProfile = "https://w3id.org/dpv/schema/dpv-27560#receipt-record";

bool needs(const policy::PurposeRule& purpose, std::string_view slot) {
    if (std::ranges::find(purpose.needs, slot) != purpose.needs.end()) return true;
    return purpose.objection && slot == std::string{policy::kObjectionPrefix} + purpose.name;
}

bool receives(const policy::RecipientRule& recipient, const policy::PurposeRule& purpose) {
    return std::ranges::find(recipient.purposes, purpose.name) != recipient.purposes.end();
}

void write_purpose(JsonWriter& json, const policy::Document& document,
                   const policy::PurposeRule& purpose) {
    json.begin_object()
        .member("purpose", purpose.name)
        .member("lawful_basis", word_of(purpose.basis));
    json.key("pii_information").begin_array();
    for (const auto& [field, transform] : purpose.fields) {
        const policy::FieldRule* const rule = document.find_field(field);
        json.begin_object().member("pii_type", field).member("processing_method", transform);
        if (rule != nullptr) json.key("sensitive_pii").boolean(rule->sensitive);
        json.end_object();
    }
    json.end_array().key("recipient_third_parties").begin_array();
    for (const policy::RecipientRule& recipient : document.recipients) {
        const bool is_outside = recipient.kind != policy::RecipientKind::internal;
        if (is_outside && receives(recipient, purpose)) json.string(recipient.name);
    }
    json.end_array().end_object();
}

void write_controller(JsonWriter& json, const policy::Controller& controller) {
    json.key("pii_controllers")
        .begin_array()
        .begin_object()
        .member("name", controller.name)
        .member("country", controller.country)
        .member("contact", controller.contact)
        .end_object()
        .end_array();
}

void write_record(JsonWriter& json, const policy::Document& document, std::string_view subject,
                  const ConsentRecord& record) {
    const policy::SlotRule* const slot = document.find_slot(record.slot);
    json.begin_object()
        .member("schema_version", kProfile)
        .member("pii_principal_id", subject)
        .member("privacy_notice", document.head.notice_url)
        .key("privacy_notice_version")
        .integer(std::uint32_t{record.policy_version});
    write_controller(json, document.head.controller);
    json.member("consent_slot", record.slot);
    if (slot != nullptr) json.member("question", slot->text);
    json.key("pii_processing").begin_array();
    for (const policy::PurposeRule& purpose : document.purposes) {
        if (needs(purpose, record.slot)) write_purpose(json, document, purpose);
    }
    json.end_array()
        .member("consent_type", policy::word_of(record.kind))
        .member("withdrawal_method", "PUT /v1/subjects/{subject}/consents/" + record.slot);
    json.key("events")
        .begin_array()
        .begin_object()
        .member("event_time", time_text(record.given))
        .member("event_type", "explicit")
        .member("event_state", name_of(record.state))
        .member("evidence_sha256", crypto::hex_encode(record.evidence));
    json.key("valid_until");
    if (record.expires.seconds == 0) {
        json.null();
    } else {
        json.string(time_text(record.expires));
    }
    json.end_object().end_array().end_object();
}

}  // namespace

void write_consent_receipt(JsonWriter& json, const policy::Document& document,
                           std::string_view subject, const std::vector<ConsentRecord>& records) {
    json.begin_object().member("profile", kProfile).key("records").begin_array();
    for (const ConsentRecord& record : records) {
        if (record.granted) write_record(json, document, subject, record);
    }
    json.end_array().end_object();
}

}  // namespace oubliette::api
