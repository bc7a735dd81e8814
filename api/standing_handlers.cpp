#include "api/call.hpp"
#include "crypto/encoding.hpp"
#include "vault/standing.hpp"

// Recipients that are suspended, impact assessments, and the count of people whose data went
// abroad: API 4.

namespace oubliette::api {
namespace {

void write_assessment(JsonWriter& json, const Assessment& assessment) {
    json.begin_object()
        .member("purpose", assessment.purpose)
        .member("risk", assessment.risk == Risk::high ? "high" : "low")
        .key("blocked")
        .boolean(assessment.is_blocked)
        .key("approvals")
        .integer(assessment.approvals)
        .member("recorded", time_text(assessment.recorded))
        .member("paper_sha256", crypto::hex_encode(assessment.paper))
        .end_object();
}

Done<bool> answer_standing(const CallPtr& call) {
    return [call](Result<bool> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().member("recipient", call->parameter(0));
        json.key("suspended").boolean(*result).end_object();
        call->answer(200, buffer);
    };
}

Done<Assessment> answer_assessment(const CallPtr& call) {
    return [call](Result<Assessment> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        write_assessment(json, *result);
        call->answer(200, buffer);
    };
}

}  // namespace

void handle_list_recipients(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("recipients").begin_array();
    for (const RecipientStanding& recipient : call->vault.standing().recipients()) {
        json.begin_object()
            .member("name", recipient.name)
            .member("kind", policy::word_of(recipient.kind))
            .key("suspended")
            .boolean(recipient.is_suspended);
        if (recipient.agreement_ends) {
            json.member("agreement_ends", time_text(*recipient.agreement_ends));
        }
        json.end_object();
    }
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_suspend_recipient(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    call->vault.standing().suspend(call->caller, call->parameter(0), answer_standing(call));
}

void handle_resume_recipient(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    call->vault.standing().resume(call->caller, call->parameter(0), answer_standing(call));
}

void handle_list_assessments(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("assessments").begin_array();
    for (const Assessment& assessment : call->vault.standing().assessments()) {
        write_assessment(json, assessment);
    }
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_record_assessment(const CallPtr& call) {
    const auto body = call->body({"purpose", "risk", "paper_sha256"});
    if (!body) return call->refuse(body.error());
    const auto purpose = body->find_text("purpose");
    const auto risk = body->find_text("risk");
    const auto paper = crypto::hex_decode(body->find_text("paper_sha256").value_or(""));
    const bool is_risk = risk == "high" || risk == "low";
    crypto::Hash hash{};
    if (!purpose || !is_risk || !paper || paper->size() != hash.size()) {
        return call->refuse(Refusal::malformed);
    }
    std::ranges::copy(*paper, hash.begin());
    call->vault.standing().record(call->caller, *purpose, risk == "high" ? Risk::high : Risk::low,
                                  hash, answer_assessment(call));
}

void handle_approve_assessment(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    call->vault.standing().approve(call->caller, call->parameter(0), answer_assessment(call));
}

void handle_report_exports(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("exports").begin_array();
    for (const ExportReport& report : call->vault.standing().exports()) {
        json.begin_object()
            .member("recipient", report.recipient)
            .key("year")
            .integer(std::uint32_t{report.year})
            .key("people")
            .integer(report.people);
        if (report.people_max) json.key("people_max").integer(std::uint32_t{*report.people_max});
        json.key("alarm").boolean(report.is_alarm).end_object();
    }
    json.end_array().end_object();
    call->answer(200, buffer);
}

}  // namespace oubliette::api
