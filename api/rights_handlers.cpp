#include <charconv>

#include "api/call.hpp"
#include "vault/campaigns.hpp"
#include "vault/disclosures.hpp"
#include "vault/recalls.hpp"
#include "vault/requests/requests.hpp"
#include "vault/suppressions.hpp"

// What a person may see, and what others are told: disclosures, the package, suppressions,
// recalls, the end of a campaign.

namespace oubliette::api {
namespace {

// nullopt: no decimal number.
std::optional<std::uint64_t> number_of(std::string_view text) noexcept {
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
    return number;
}

void write_disclosure(JsonWriter& json, const DisclosureItem& item) {
    json.begin_object().key("index").integer(item.index);
    json.member("time", time_text(item.time)).member("action", audit::name_of(item.action));
    json.key("client").integer(std::uint32_t{item.client});
    if (!item.client_name.empty()) json.member("client_name", item.client_name);
    if (!item.recipient.empty()) json.member("recipient", item.recipient);
    if (!item.purpose.empty()) json.member("purpose", item.purpose);
    if (!item.field.empty()) json.member("field", item.field);
    if (item.refusal) json.member("refused", wire_name(*item.refusal));
    json.end_object();
}

void write_page(JsonWriter& json, const DisclosurePage& page) {
    json.key("disclosures").begin_array();
    for (const DisclosureItem& item : page.items) write_disclosure(json, item);
    json.end_array().key("next");
    if (page.next) {
        json.integer(*page.next);
    } else {
        json.null();
    }
}

void write_value(JsonWriter& json, const PackagedValue& value) {
    const std::string_view text = text_of(value.value.expose());
    json.begin_object()
        .member("field", value.field)
        .member("category", value.category)
        .member("collected", time_text(value.collected))
        .key("value");
    if (value.kind == policy::ValueKind::json) {
        json.raw(text);
    } else {
        json.string(text);
    }
    json.end_object();
}

void write_retention(JsonWriter& json, const PackagedRetention& rule) {
    json.begin_object()
        .member("category", rule.category)
        .member("purpose", rule.purpose)
        .member("from", rule.from);
    json.key("keep").begin_object();
    json.key("months").integer(rule.keep.months).key("days").integer(rule.keep.days);
    json.key("seconds").integer(rule.keep.seconds).end_object();
    if (!rule.law.empty()) json.member("law", rule.law);
    json.end_object();
}

void write_consents(JsonWriter& json, const std::vector<ConsentRecord>& consents) {
    json.key("consents").begin_array();
    for (const ConsentRecord& consent : consents) {
        json.begin_object()
            .member("slot", consent.slot)
            .member("state", name_of(consent.state))
            .member("kind", policy::word_of(consent.kind));
        json.key("version").integer(std::uint32_t{consent.policy_version}).end_object();
    }
    json.end_array();
}

// Who may see which of the fields, for what.
void write_recipients(JsonWriter& json, const Package& package) {
    json.key("recipients").begin_array();
    for (const policy::RecipientRule& rule : package.gate->document().recipients) {
        json.begin_object()
            .member("name", rule.name)
            .member("kind", policy::word_of(rule.kind))
            .member("country", rule.country);
        json.key("purposes").begin_array();
        for (const std::string& purpose : rule.purposes) json.string(purpose);
        json.end_array().end_object();
    }
    json.end_array();
}

void write_package(JsonWriter& json, const Package& package) {
    const policy::Document& document = package.gate->document();
    json.begin_object()
        .member("request", request_id_text(package.record.id))
        .member("type", name_of(package.record.type))
        .member("subject", package.subject)
        .member("made", time_text(package.made));
    json.key("controller")
        .begin_object()
        .member("name", document.head.controller.name)
        .member("contact", document.head.controller.contact)
        .member("complaints", document.head.controller.complaints)
        .end_object();
    json.key("policy_version").integer(std::uint32_t{package.gate->version()});
    json.key("values").begin_array();
    for (const PackagedValue& value : package.values) write_value(json, value);
    json.end_array().key("purposes").begin_array();
    for (const policy::PurposeRule& purpose : document.purposes) {
        json.begin_object()
            .member("name", purpose.name)
            .member("basis", policy::word_of(purpose.basis))
            .member("clause", purpose.clause)
            .end_object();
    }
    json.end_array();
    write_recipients(json, package);
    json.key("retention").begin_array();
    for (const PackagedRetention& rule : package.retention) write_retention(json, rule);
    json.end_array();
    write_consents(json, package.consents);
    write_page(json, package.disclosures);
    json.end_object();
}

void fetch_package(const CallPtr& call, const keys::RequestId& id, std::string_view subject) {
    run_apart(call, [call, id, subject](Call& apart) {
        apart.vault.requests().package(apart.caller, id, subject,
                                       [call](Result<Package> result, const Fault* fault) {
                                           if (call->is_refused(result, fault)) return;
                                           WipedBuffer buffer;
                                           JsonWriter json{buffer};
                                           write_package(json, *result);
                                           call->answer(200, buffer);
                                       });
    });
}

void write_recall(JsonWriter& json, const policy::Gate& gate, const RecallRecord& record) {
    json.begin_object()
        .member("id", recall_id_text(record.id))
        .member("recipient", gate.name_of(policy::RecipientId{record.recipient}))
        .member("reason", name_of(record.reason))
        .member("made", time_text(record.made))
        .member("due", time_text(record.due));
    if (!record.is_open()) json.member("acknowledged", time_text(record.acknowledged));
    json.key("fields").begin_array();
    for (const std::uint16_t field : record.fields) {
        json.string(gate.name_of(policy::FieldId{field}));
    }
    json.end_array().end_object();
}

Done<RecallRecord> answer_recall(const CallPtr& call, unsigned status) {
    return [call, status](Result<RecallRecord> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        const auto gate = call->vault.gate();
        if (!gate) return call->refuse(Refusal::wrong_state);
        WipedBuffer buffer;
        JsonWriter json{buffer};
        write_recall(json, *gate, *result);
        call->answer(status, buffer);
    };
}

}  // namespace

void handle_list_disclosures(const CallPtr& call) {
    const auto from = number_of(call->query.find("from").value_or("0"));
    const auto count = number_of(call->query.find("count").value_or("1000"));
    if (!from || !count) return call->refuse(Refusal::malformed);
    run_apart(call, [call, from, count](Call& apart) {
        apart.vault.disclosures().list(apart.caller, {apart.parameter(0), *from, *count, false},
                                       [call](Result<DisclosurePage> result, const Fault* fault) {
                                           if (call->is_refused(result, fault)) return;
                                           WipedBuffer buffer;
                                           JsonWriter json{buffer};
                                           json.begin_object().member("subject",
                                                                      call->parameter(0));
                                           write_page(json, *result);
                                           json.end_object();
                                           call->answer(200, buffer);
                                       });
    });
}

void handle_request_package(const CallPtr& call) {
    const auto id = parse_request_id(call->parameter(0));
    if (!id) return call->refuse(Refusal::not_found);
    fetch_package(call, *id, {});
}

void handle_export_subject(const CallPtr& call) {
    const auto text = call->query.find("request");
    if (!text) return call->refuse(Refusal::malformed);
    const auto id = parse_request_id(*text);
    if (!id) return call->refuse(Refusal::not_found);
    fetch_package(call, *id, call->parameter(0));
}

void handle_suppress(const CallPtr& call) {
    const auto body = call->body({"purpose", "field", "value", "suppressed"});
    if (!body) return call->refuse(body.error());
    const auto purpose = body->find_text("purpose");
    const auto field = body->find_text("field");
    const auto value = body->find_text("value");
    const auto suppressed = body->find("suppressed");
    const bool is_whole =
        purpose && field && value && (!suppressed || suppressed->as_boolean().has_value());
    if (!is_whole) return call->refuse(Refusal::malformed);
    const bool is_suppressed = !suppressed || *suppressed->as_boolean();
    call->vault.suppressions().set(
        call->caller, {*purpose, *field, *value, is_suppressed},
        [call, is_suppressed](Result<bool> result, const Fault* fault) {
            if (call->is_refused(result, fault)) return;
            WipedBuffer buffer;
            JsonWriter json{buffer};
            json.begin_object().key("suppressed").boolean(is_suppressed).end_object();
            call->answer(200, buffer);
        });
}

void handle_end_campaign(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    call->vault.campaigns().end(call->caller, call->parameter(0),
                                [call](Result<Timestamp> result, const Fault* fault) {
                                    if (call->is_refused(result, fault)) return;
                                    WipedBuffer buffer;
                                    JsonWriter json{buffer};
                                    json.begin_object()
                                        .member("slot", call->parameter(0))
                                        .member("ended_at", time_text(*result))
                                        .end_object();
                                    call->answer(200, buffer);
                                });
}

void handle_list_recalls(const CallPtr& call) {
    const auto recalls = call->vault.recalls().list(call->caller, call->parameter(0));
    if (!recalls) return call->refuse(recalls.error());
    const auto gate = call->vault.gate();
    if (!gate) return call->refuse(Refusal::wrong_state);
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("recalls").begin_array();
    for (const RecallRecord& record : *recalls) write_recall(json, *gate, record);
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_recall(const CallPtr& call) {
    const auto body = call->body({"fields"});
    if (!body) return call->refuse(body.error());
    std::vector<std::string_view> fields;
    if (const auto list = body->find("fields")) {
        if (!list->is(JsonType::array)) return call->refuse(Refusal::malformed);
        for (const JsonValue item : list->items()) {
            const auto name = item.as_text();
            if (!name) return call->refuse(Refusal::malformed);
            fields.push_back(*name);
        }
    }
    call->vault.recalls().recall(call->caller, call->parameter(0), fields,
                                 answer_recall(call, 201));
}

void handle_acknowledge_recall(const CallPtr& call) {
    const auto body = call->body({"recall"});
    if (!body) return call->refuse(body.error());
    const auto text = body->find_text("recall");
    if (!text) return call->refuse(Refusal::malformed);
    const auto id = parse_recall_id(*text);
    if (!id) return call->refuse(Refusal::not_found);
    call->vault.recalls().acknowledge(call->caller, call->parameter(0), *id,
                                      answer_recall(call, 200));
}

}  // namespace oubliette::api
