#include <algorithm>
#include <charconv>

#include "api/call.hpp"
#include "crypto/encoding.hpp"
#include "vault/receipt_json.hpp"
#include "vault/requests/request_rules.hpp"
#include "vault/requests/requests.hpp"

// Subject requests: MISSION 4.

namespace oubliette::api {
namespace {

void time_member(JsonWriter& json, std::string_view name, Timestamp time) {
    if (time.seconds != 0) json.member(name, time_text(time));
}

void write_fields(JsonWriter& json, const policy::Gate& gate,
                  const std::vector<std::uint16_t>& fields) {
    json.key("fields").begin_array();
    for (const std::uint16_t field : fields) json.string(gate.name_of(policy::FieldId{field}));
    json.end_array();
}

void write_proof(JsonWriter& json, const policy::RequestRules& rules, const RequestRecord& record) {
    json.key("proof").begin_object();
    json.member("needed", name_of(proof_for(rules, record.type)));
    json.member("level", name_of(level_of(record.factors))).key("methods").begin_array();
    for (const ProofFactor& factor : record.factors) json.string(name_of(factor.method));
    json.end_array().key("wrong_tries").integer(std::uint32_t{record.tries}).end_object();
}

// What a person is told who is refused.
void write_refusal(JsonWriter& json, const policy::Document& document,
                   const RequestRecord& record) {
    json.key("refused")
        .begin_object()
        .member("code", name_of(record.code))
        .member("evidence_sha256", crypto::hex_encode(record.evidence))
        .member("appeal", document.head.controller.complaints)
        .member("contact", document.head.controller.contact)
        .end_object();
}

void write_dates(JsonWriter& json, const RequestRecord& record, Timestamp now) {
    json.member("received", time_text(record.received)).member("due", time_text(record.due));
    json.key("overdue").boolean(record.is_open() && now >= record.due);
    json.key("extended").boolean(record.has(RequestRecord::kExtended));
    time_member(json, "proved", record.proved);
    time_member(json, "decided", record.decided);
    if (record.state == RequestState::scheduled) time_member(json, "runs_after", record.run_after);
    time_member(json, "ended", record.ended);
    time_member(json, "kept_until", record.kept_until);
}

void write_members(JsonWriter& json, const policy::Gate& gate, const RequestRecord& record) {
    json.member("id", request_id_text(record.id))
        .member("type", name_of(record.type))
        .member("state", name_of(record.state))
        .member("ground", name_of(record.ground))
        .member("channel", name_of(record.channel));
    json.key("review_task").boolean(record.has(RequestRecord::kReviewTask));
    json.member("pseudonym", crypto::hex_encode(record.pseudonym));
    if (!record.fields.empty()) write_fields(json, gate, record.fields);
    if (record.slot != RequestRecord::kNoSlot) {
        json.member("slot", gate.name_of(policy::SlotId{record.slot}));
    }
    if (record.erasure != keys::RequestId{}) {
        json.member("erasure", erasure_id_text(record.erasure));
    }
    if (record.state == RequestState::refused) write_refusal(json, gate.document(), record);
}

void write_request(JsonWriter& json, const Vault& vault, const RequestRecord& record) {
    const auto gate = vault.gate();
    if (!gate) throw Fault{FaultKind::configuration, "no policy is in force"};
    json.begin_object();
    write_members(json, *gate, record);
    write_dates(json, record, vault.now());
    if (record.subject) write_proof(json, gate->document().requests, record);
    json.end_object();
}

void answer_request(Call& call, unsigned status, const RequestRecord& record) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    try {
        write_request(json, call.vault, record);
    } catch (const Fault& fault) {
        return call.fail(fault);
    }
    call.answer(status, buffer);
}

Done<RequestRecord> answer_record(const CallPtr& call) {
    return [call](Result<RequestRecord> result, const Fault* fault) {
        if (!call->is_refused(result, fault)) answer_request(*call, 200, *result);
    };
}

// Calls `act` with the request that the path names.
template <class Act>
void with_request(const CallPtr& call, Act act) {
    const auto id = parse_request_id(call->parameter(0));
    if (!id) return call->refuse(Refusal::not_found);
    act(*id);
}

std::optional<crypto::Hash> read_hash(std::string_view text) {
    const auto bytes = crypto::hex_decode(text);
    crypto::Hash hash{};
    if (!bytes || bytes->size() != hash.size()) return std::nullopt;
    std::ranges::copy(*bytes, hash.begin());
    return hash;
}

// Text members that are there and are texts; nullopt: one is something else.
std::optional<std::string_view> text_or_empty(JsonValue body, std::string_view name) {
    const auto value = body.find(name);
    return value ? value->as_text() : std::optional{std::string_view{}};
}

std::optional<Requests::Opening> read_opening(JsonValue body) {
    Requests::Opening opening;
    const auto type = find_request_type(body.find_text("type").value_or(""));
    const auto subject = body.find_text("subject");
    if (!type || !subject) return std::nullopt;
    opening.type = *type;
    opening.subject = *subject;
    const std::pair<std::string_view, std::string_view*> texts[] = {{"ground", &opening.ground},
                                                                    {"channel", &opening.channel},
                                                                    {"slot", &opening.slot},
                                                                    {"purpose", &opening.purpose}};
    for (const auto& [name, into] : texts) {
        const auto text = text_or_empty(body, name);
        if (!text) return std::nullopt;
        *into = *text;
    }
    const auto fields = body.find("fields");
    if (!fields) return opening;
    if (!fields->is(JsonType::array)) return std::nullopt;
    for (const JsonValue item : fields->items()) {
        const auto name = item.as_text();
        if (!name) return std::nullopt;
        opening.fields.push_back(*name);
    }
    return opening;
}

std::optional<Requests::Proof> read_proof(JsonValue body) {
    Requests::Proof proof;
    const auto method = find_proof_method(body.find_text("method").value_or(""));
    if (!method) return std::nullopt;
    proof.method = *method;
    const std::pair<std::string_view, std::string_view*> texts[] = {
        {"field", &proof.field}, {"code", &proof.code}, {"value", &proof.value}};
    for (const auto& [name, into] : texts) {
        const auto text = text_or_empty(body, name);
        if (!text) return std::nullopt;
        *into = *text;
    }
    if (const auto evidence = body.find("evidence_sha256")) {
        proof.evidence = read_hash(evidence->as_text().value_or(""));
        if (!proof.evidence) return std::nullopt;
    }
    return proof;
}

}  // namespace

void handle_open_request(const CallPtr& call) {
    const auto body =
        call->body({"type", "subject", "ground", "channel", "slot", "purpose", "fields"});
    if (!body) return call->refuse(body.error());
    const auto opening = read_opening(*body);
    if (!opening) return call->refuse(Refusal::malformed);
    call->vault.requests().open(
        call->caller, *opening, [call](Result<Requests::Opened> result, const Fault* fault) {
            if (call->is_refused(result, fault)) return;
            answer_request(*call, result->is_first ? 201 : 200, result->record);
        });
}

void handle_list_requests(const CallPtr& call) {
    keys::RequestId after{};
    if (const auto text = call->query.find("after")) {
        const auto id = parse_request_id(*text);
        if (!id) return call->refuse(Refusal::malformed);
        after = *id;
    }
    constexpr std::size_t kPage = 100;
    const auto records = call->vault.requests().list(call->caller, after, kPage);
    if (!records) return call->refuse(records.error());
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("requests").begin_array();
    for (const RequestRecord& record : *records) write_request(json, call->vault, record);
    json.end_array().key("next");
    if (records->size() < kPage) {
        json.null();
    } else {
        json.string(request_id_text(records->back().id));
    }
    json.end_object();
    call->answer(200, buffer);
}

void handle_get_request(const CallPtr& call) {
    with_request(call, [&](const keys::RequestId& id) {
        const auto record = call->vault.requests().find(call->caller, id);
        if (!record) return call->refuse(record.error());
        answer_request(*call, 200, *record);
    });
}

void handle_verify_request(const CallPtr& call) {
    const auto body = call->body({"method", "field", "code", "value", "evidence_sha256"});
    if (!body) return call->refuse(body.error());
    const auto proof = read_proof(*body);
    if (!proof) return call->refuse(Refusal::malformed);
    with_request(call, [&](const keys::RequestId& id) {
        call->vault.requests().verify(call->caller, id, *proof,
                                      [call](Result<Requests::Proving> result, const Fault* fault) {
                                          if (call->is_refused(result, fault)) return;
                                          WipedBuffer buffer;
                                          JsonWriter json{buffer};
                                          json.begin_object().key("request");
                                          write_request(json, call->vault, result->record);
                                          if (!result->code.empty())
                                              json.member("code", result->code);
                                          json.end_object();
                                          call->answer(200, buffer);
                                      });
    });
}

void handle_accept_request(const CallPtr& call) {
    const auto body = call->body({"fee_settled"});
    if (!body) return call->refuse(body.error());
    const auto settled = body->find("fee_settled");
    if (settled && !settled->as_boolean()) return call->refuse(Refusal::malformed);
    with_request(call, [&](const keys::RequestId& id) {
        call->vault.requests().accept(call->caller, id, settled && *settled->as_boolean(),
                                      answer_record(call));
    });
}

void handle_extend_request(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    with_request(call, [&](const keys::RequestId& id) {
        call->vault.requests().extend(call->caller, id, answer_record(call));
    });
}

void handle_refuse_request(const CallPtr& call) {
    const auto body = call->body({"code", "evidence_sha256"});
    if (!body) return call->refuse(body.error());
    const auto code = find_refusal_code(body->find_text("code").value_or(""));
    const auto evidence = read_hash(body->find_text("evidence_sha256").value_or(""));
    if (!code || !evidence) {
        return call->exchange->respond(
            problem_response(Refusal::wrong_state, call->request().request_id,
                             "A request is refused only with a `code` of the policy's list and the "
                             "`evidence_sha256` of what shows it."));
    }
    with_request(call, [&](const keys::RequestId& id) {
        call->vault.requests().refuse(call->caller, id, *code, evidence, answer_record(call));
    });
}

void handle_withdraw_request(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    with_request(call, [&](const keys::RequestId& id) {
        call->vault.requests().withdraw(call->caller, id, answer_record(call));
    });
}

// ---- Plan and execution --------------------------------------------------------------------

namespace {

void write_categories(JsonWriter& json, std::string_view name,
                      const std::vector<Requests::PlannedCategory>& categories) {
    json.key(name).begin_array();
    for (const Requests::PlannedCategory& planned : categories) {
        json.begin_object().member("category", planned.category).key("values");
        json.integer(planned.values).end_object();
    }
    json.end_array();
}

void write_executed(JsonWriter& json, const Vault& vault, const Requests::Executed& executed) {
    json.begin_object().key("request");
    write_request(json, vault, executed.record);
    if (executed.opening) json.member("r", crypto::hex_encode(*executed.opening));
    json.end_object();
}

bool is_under_way(const RequestRecord& record) noexcept {
    return record.state == RequestState::scheduled || record.state == RequestState::executing;
}

Done<Requests::Executed> answer_executed(const CallPtr& call) {
    return [call](Result<Requests::Executed> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        write_executed(json, call->vault, *result);
        call->answer(is_under_way(result->record) ? 202 : 200, buffer);
    };
}

}  // namespace

void handle_plan_request(const CallPtr& call) {
    with_request(call, [&](const keys::RequestId& id) {
        const auto plan = call->vault.requests().plan(call->caller, id);
        if (!plan) return call->refuse(plan.error());
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().key("request");
        write_request(json, call->vault, plan->record);
        write_categories(json, "categories", plan->categories);
        write_categories(json, "held", plan->held);
        json.key("consents").integer(plan->consents).key("recalls").begin_array();
        for (const PlannedRecall& recall : plan->recalls) {
            json.begin_object().member("recipient",
                                       plan->gate->name_of(policy::RecipientId{recall.recipient}));
            write_fields(json, *plan->gate, recall.fields);
            json.end_object();
        }
        json.end_array().key("tokens_of").begin_array();
        for (const std::string_view name : plan->tokens_of) json.string(name);
        json.end_array().end_object();
        call->answer(200, buffer);
    });
}

void handle_execute_request(const CallPtr& call) {
    const auto body = call->body({"fields"});
    if (!body) return call->refuse(body.error());
    std::vector<FieldInput> corrections;
    if (const auto fields = body->find("fields")) {
        if (!fields->is(JsonType::object)) return call->refuse(Refusal::malformed);
        for (const auto [name, value] : fields->members()) {
            const auto text = value.as_text();
            const bool is_json = value.is(JsonType::object) || value.is(JsonType::array);
            if (!text && !is_json) return call->refuse(Refusal::value_invalid);
            corrections.push_back({name, text ? ValueInput{policy::ValueKind::text, *text}
                                              : ValueInput{policy::ValueKind::json, value.raw()}});
        }
    }
    with_request(call, [&](const keys::RequestId& id) {
        call->vault.requests().execute(call->caller, id, corrections, answer_executed(call), {});
    });
}

void handle_request_certificate(const CallPtr& call) {
    with_request(call, [&](const keys::RequestId& id) {
        const auto record = call->vault.requests().find(call->caller, id);
        if (!record) return call->refuse(record.error());
        if (record->state != RequestState::done) return call->refuse(Refusal::wrong_state);
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().key("request");
        write_request(json, call->vault, *record);
        if (record->erasure != keys::RequestId{}) {
            const auto erasure = call->vault.find_erasure(call->caller, record->erasure);
            if (!erasure) return call->refuse(erasure.error());
            // Keys destroyed; rows, indexes and tokens go with them.
            json.member("erasure_level", "L4");
            json.key("receipt").raw(receipt_json(call->vault.receipt_of(*erasure)));
        }
        json.end_object();
        call->answer(200, buffer);
    });
}

// ---- Accounts ------------------------------------------------------------------------------

void handle_close_account(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    call->vault.requests().close_account(call->caller, call->parameter(0), answer_executed(call));
}

void handle_reopen_account(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    call->vault.requests().reopen_account(call->caller, call->parameter(0), answer_record(call));
}

}  // namespace oubliette::api
