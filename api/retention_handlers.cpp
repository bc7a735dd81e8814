#include "api/call.hpp"
#include "vault/policy/calendar.hpp"

// The sweep of retention and its dry run: API 4, KEYS 5.3.

namespace oubliette::api {
namespace {

constexpr std::size_t kDateSize = 10;  // "2026-11-22"

std::string date_text(std::uint16_t day) {
    return time_text({std::uint32_t{day} * 86'400U}).substr(0, kDateSize);
}

// nullopt: a member of another type, or no date.
std::optional<RetentionRequest> read_request(JsonValue body) {
    RetentionRequest request;
    if (const auto dry_run = body.find("dry_run")) {
        if (!dry_run->as_boolean()) return std::nullopt;
        request.is_dry_run = *dry_run->as_boolean();
    }
    if (const auto catch_up = body.find("catch_up")) {
        const auto date = policy::parse_date(catch_up->as_text().value_or(""));
        if (!date) return std::nullopt;
        request.catch_up = date->day();
    }
    return request;
}

void write_day(JsonWriter& json, const RetentionDay& day) {
    json.begin_object()
        .member("category", day.category)
        .member("day", date_text(day.day))
        .key("values")
        .integer(day.values);
    if (day.block != RetentionBlock::none) json.member("blocked", name_of(day.block));
    json.end_object();
}

void answer_report(Call& call, const RetentionReport& report, bool is_dry_run) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("dry_run").boolean(is_dry_run);
    json.member("today", date_text(report.today)).member("day_floor", date_text(report.day_floor));
    json.key("days").begin_array();
    for (const RetentionDay& day : report.days) write_day(json, day);
    json.end_array().key("by_person").begin_array();
    for (const EndedCategory& ended : report.by_person) {
        json.begin_object().member("category", ended.category).key("values");
        json.integer(ended.values).end_object();
    }
    json.end_array().key("people").integer(report.people).end_object();
    call.answer(200, buffer);
}

}  // namespace

void handle_run_retention(const CallPtr& call) {
    const auto body = call->body({"dry_run", "catch_up"});
    if (!body) return call->refuse(body.error());
    const auto request = read_request(*body);
    if (!request) return call->refuse(Refusal::malformed);
    call->vault.run_retention(call->caller, *request,
                              [call, is_dry_run = request->is_dry_run](
                                  Result<RetentionReport> result, const Fault* fault) {
                                  if (!call->is_refused(result, fault))
                                      answer_report(*call, *result, is_dry_run);
                              });
}

}  // namespace oubliette::api
