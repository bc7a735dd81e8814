#include <charconv>

#include "api/call.hpp"
#include "vault/decisions.hpp"

// Decisions explained and replayed: API 4. Officers get every step that refuses, callers the first
// code only.

namespace oubliette::api {
namespace {

constexpr RoleMask kOfficers =
    mask_of(Role::privacy_officer, Role::policy_admin, Role::auditor, Role::legal);

void write_steps(JsonWriter& json, const std::vector<policy::FailedStep>& steps) {
    json.key("reasons").begin_array();
    for (const policy::FailedStep& failed : steps) {
        json.begin_object().member("code", wire_name(failed.code));
        if (failed.step != 0) json.key("step").integer(failed.step);
        if (!failed.clause.empty()) json.member("clause", failed.clause);
        json.member("reason", failed.reason).member("remedy", failed.remedy).end_object();
    }
    json.end_array();
}

void write_explanation(JsonWriter& json, const Explanation& explanation) {
    json.begin_object()
        .key("allowed")
        .boolean(explanation.steps.empty())
        .key("policy_version")
        .integer(std::uint32_t{explanation.policy_version});
    if (!explanation.recipient.empty()) json.member("recipient", explanation.recipient);
    if (explanation.steps.empty()) json.member("transform", explanation.transform);
    write_steps(json, explanation.steps);
    json.end_object();
}

void explain(const CallPtr& call, JsonValue body, const ReadRequest& read) {
    ExplainRequest request;
    request.subject = read.subject;
    request.field = read.fields.front();
    request.purpose = read.purpose;
    request.order = read.order;
    if (const auto recipient = body.find("recipient")) {
        if (!recipient->as_text()) return call->refuse(Refusal::malformed);
        request.recipient = *recipient->as_text();
    }
    if (const auto version = body.find("version")) {
        const auto number = version->as_integer();
        if (!number || *number < 1 || *number > 0xFFFF) return call->refuse(Refusal::malformed);
        request.version = static_cast<std::uint16_t>(*number);
    }
    if (const auto at = body.find("at")) {
        request.at = parse_time_text(at->as_text().value_or(""));
        if (!request.at || request.version) return call->refuse(Refusal::malformed);
    }
    call->vault.decisions().explain(call->caller, request,
                                    [call](Result<Explanation> result, const Fault* fault) {
                                        if (call->is_refused(result, fault)) return;
                                        WipedBuffer buffer;
                                        JsonWriter json{buffer};
                                        write_explanation(json, *result);
                                        call->answer(200, buffer);
                                    });
}

void write_result(JsonWriter& json, std::string_view name, std::optional<Refusal> refusal) {
    json.member(name, refusal ? wire_name(*refusal) : "ALLOWED");
}

void write_replay(JsonWriter& json, const Replay& replay) {
    json.begin_object().key("index").integer(replay.index);
    json.member("time", time_text(replay.entry.time))
        .member("action", audit::name_of(replay.entry.action))
        .key("policy_version")
        .integer(std::uint32_t{replay.entry.policy_version});
    if (!replay.recipient.empty()) json.member("recipient", replay.recipient);
    if (!replay.purpose.empty()) json.member("purpose", replay.purpose);
    if (!replay.field.empty()) json.member("field", replay.field);
    write_result(json, "recorded", replay.entry.refusal);
    write_result(json, "replayed", replay.replayed);
    json.key("same").boolean(replay.is_same);
    if (!replay.is_same) json.member("difference", replay.difference);
    json.key("steps").begin_array();
    for (const ReplayedStep& step : replay.steps) {
        json.begin_object().key("step").integer(step.step);
        json.key("refused").boolean(step.is_refused);
        json.member("source", step.source == ReplaySource::policy ? "policy" : "record");
        json.end_object();
    }
    json.end_array().end_object();
}

}  // namespace

void handle_decide(const CallPtr& call) {
    const auto body =
        call->body({"subject", "field", "purpose", "order", "recipient", "version", "at"});
    if (!body) return call->refuse(body.error());
    const auto subject = body->find_text("subject");
    const auto field = body->find_text("field");
    const auto purpose = body->find_text("purpose");
    const bool is_order_valid = !body->find("order") || body->find_text("order");
    if (!subject || !field || !purpose || !is_order_valid) {
        return call->refuse(Refusal::malformed);
    }
    const ReadRequest read{*subject, *purpose, {*field}, body->find_text("order").value_or("")};
    if ((call->caller.roles & kOfficers) != 0) return explain(call, *body, read);
    const bool is_own = !body->find("recipient") && !body->find("version") && !body->find("at");
    if (!is_own) return call->refuse(Refusal::role_denied);
    call->vault.decide(call->caller, read, [call](Result<Decision> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().key("allowed").boolean(!result->refusal);
        if (!result->refusal) json.member("transform", result->transform);
        json.key("reasons").begin_array();
        if (result->refusal) {
            json.begin_object().member("code", wire_name(*result->refusal)).end_object();
        }
        json.end_array().end_object();
        call->answer(200, buffer);
    });
}

void handle_replay_entry(const CallPtr& call) {
    const std::string_view text = call->parameter(0);
    std::uint64_t index = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), index);
    const bool is_whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
    if (!is_whole) return call->refuse(Refusal::not_found);
    call->vault.decisions().replay(call->caller, index,
                                   [call](Result<Replay> result, const Fault* fault) {
                                       if (call->is_refused(result, fault)) return;
                                       WipedBuffer buffer;
                                       JsonWriter json{buffer};
                                       write_replay(json, *result);
                                       call->answer(200, buffer);
                                   });
}

}  // namespace oubliette::api
