#include "api/call.hpp"
#include "api/consent_receipts.hpp"
#include "crypto/encoding.hpp"

namespace oubliette::api {
namespace {

void write_consent(JsonWriter& json, const ConsentRecord& record) {
    json.begin_object()
        .member("slot", record.slot)
        .key("granted")
        .boolean(record.granted)
        .key("version")
        .integer(std::uint32_t{record.policy_version})
        .member("state", name_of(record.state));
    if (record.granted) {
        json.member("kind", policy::word_of(record.kind)).key("expires");
        if (record.expires.seconds == 0) {
            json.null();
        } else {
            json.string(time_text(record.expires));
        }
    }
    json.end_object();
}

}  // namespace

std::optional<ConsentInput> read_consent(JsonValue value,
                                         std::initializer_list<std::string_view> members) {
    if (!value.is(JsonType::object) || !value.has_only(members)) return std::nullopt;
    ConsentInput consent;
    if (const auto granted = value.find("granted")) {
        const auto is_granted = granted->as_boolean();
        if (!is_granted) return std::nullopt;
        consent.granted = *is_granted;
    }
    if (const auto version = value.find("policy_version")) {
        const auto number = version->as_integer();
        if (!number || *number < 1 || *number > 0xFFFF) return std::nullopt;
        consent.policy_version = static_cast<std::uint16_t>(*number);
    }
    if (const auto kind = value.find("kind")) {
        consent.kind = policy::find_consent_kind(kind->as_text().value_or(""));
        if (!consent.kind) return std::nullopt;
    }
    if (const auto evidence = value.find("evidence_sha256")) {
        const auto bytes = crypto::hex_decode(evidence->as_text().value_or(""));
        if (!bytes || bytes->size() != consent.evidence.size()) return std::nullopt;
        std::ranges::copy(*bytes, consent.evidence.begin());
    }
    if (const auto told = value.find("told")) {
        if (!told->is(JsonType::array) || told->size() > 255) return std::nullopt;
        for (const JsonValue item : told->items()) {
            const auto text = item.as_text();
            if (!text) return std::nullopt;
            consent.told.push_back(*text);
        }
    }
    return consent;
}

void handle_put_consent(const CallPtr& call) {
    const std::initializer_list<std::string_view> members{"granted", "policy_version", "kind",
                                                          "evidence_sha256", "told"};
    const auto body = call->body(members);
    if (!body) return call->refuse(body.error());
    auto consent = read_consent(*body, members);
    if (!consent || !body->find("granted")) return call->refuse(Refusal::malformed);
    consent->slot = call->parameter(1);
    call->vault.put_consent(call->caller, call->parameter(0), *consent,
                            [call](Result<ConsentRecord> result, const Fault* fault) {
                                if (call->is_refused(result, fault)) return;
                                WipedBuffer buffer;
                                JsonWriter json{buffer};
                                write_consent(json, *result);
                                call->answer(200, buffer);
                            });
}

void handle_list_consents(const CallPtr& call) {
    const auto format = call->query.find("format");
    const bool is_receipt = format == "dpv-27560";
    if (format && !is_receipt) return call->refuse(Refusal::malformed);
    const auto gate = call->vault.gate();
    call->vault.list_consents(
        call->caller, call->parameter(0),
        [call, gate, is_receipt](Result<std::vector<ConsentRecord>> result, const Fault* fault) {
            if (call->is_refused(result, fault)) return;
            WipedBuffer buffer;
            JsonWriter json{buffer};
            if (is_receipt) {
                write_consent_receipt(json, gate->document(), call->parameter(0), *result);
                return call->answer(200, buffer);
            }
            json.begin_object().member("subject", call->parameter(0));
            json.key("consents").begin_array();
            for (const ConsentRecord& record : *result) write_consent(json, record);
            json.end_array().end_object();
            call->answer(200, buffer);
        });
}

}  // namespace oubliette::api
