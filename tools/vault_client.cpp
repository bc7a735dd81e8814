#include "tools/vault_client.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace oubliette::tools {

namespace {

struct Remedy {
    std::string_view code;
    std::string_view words;
};

// What a person at a terminal can do about a code. The server's `detail` comes first.
constexpr std::array<Remedy, 12> kRemedies{{
    {"UNAUTHENTICATED",
     "give a key that is enrolled and not revoked with --key-file or OUBLIETTE_KEY_FILE"},
    {"ROLE_DENIED", "this needs a key of another role; init wrote one key file per role"},
    {"SEALED", "unseal the vault first"},
    {"PURPOSE_UNKNOWN", "see the purposes of the policy in force: GET /v1/policy"},
    {"PURPOSE_NOT_ALLOWED", "the policy does not give this purpose to the key's recipient"},
    {"CONSENT_MISSING", "the person has not agreed; record consents with --consent SLOT"},
    {"FIELD_NOT_NECESSARY", "the policy does not give this field to this purpose"},
    {"SLOT_UNKNOWN", "--consent must name a slot of the policy in force"},
    {"FIELD_UNKNOWN", "--map must name a field of the policy in force"},
    {"VERSION_NOT_CURRENT", "the policy changed meanwhile; run the same command again"},
    {"STORAGE_FULL", "the vault's disk is full; make room on the server"},
    {"RATE_LIMITED", "the key's rate limit is used up; run the same command again later"},
}};

bool is_worth_waiting(const HttpAnswer& answer) {
    const std::string code = problem_code(answer);
    return (answer.status == 429 && code == "RATE_LIMITED") || code == "OVERLOADED" ||
           code == "IDEMPOTENCY_IN_FLIGHT";
}

}  // namespace

HttpsClient make_client(const ServerOptions& options) {
    HttpsOptions https;
    https.url = options.url;
    https.ca_file = options.ca_file;
    https.key_file = options.key_file;
    return HttpsClient(https);
}

std::string problem_code(const HttpAnswer& answer) {
    if (!answer.content_type.starts_with("application/problem+json")) return {};
    boost::json::error_code error;
    return string_member(boost::json::parse(answer.body, error), "code");
}

void expect_accepted(const HttpAnswer& answer) {
    if (answer.status >= 200 && answer.status < 300) return;
    boost::json::error_code error;
    const boost::json::value problem = boost::json::parse(answer.body, error);
    const std::string code = string_member(problem, "code");
    std::string line = "the vault answered " + std::to_string(answer.status);
    if (!code.empty()) line += " " + code;
    if (const std::string detail = string_member(problem, "detail"); !detail.empty()) {
        line += ": " + detail;
    }
    const auto* const remedy =
        std::find_if(kRemedies.begin(), kRemedies.end(),
                     [&code](const Remedy& candidate) { return candidate.code == code; });
    if (remedy != kRemedies.end()) line.append("; ").append(remedy->words);
    if (const std::string id = string_member(problem, "request_id"); !id.empty()) {
        line += " (request " + id + ")";
    }
    throw CommandError(answer.status >= 500 ? Exit::failed : Exit::refused, line);
}

boost::json::value accepted_json(const HttpAnswer& answer) {
    expect_accepted(answer);
    boost::json::error_code error;
    boost::json::value value = boost::json::parse(answer.body, error);
    if (error) throw CommandError(Exit::failed, "the vault's answer is not JSON; is --url right?");
    return value;
}

HttpAnswer call_patiently(HttpsClient& client, const HttpRequest& request) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point give_up = Clock::now() + kPatience;
    std::chrono::milliseconds pause{100};
    for (;;) {
        std::chrono::milliseconds asked{0};
        try {
            HttpAnswer answer = client.call(request);
            asked = std::chrono::seconds(answer.retry_after_s);
            if (!is_worth_waiting(answer) || Clock::now() + asked > give_up) return answer;
        } catch (const TransportError& error) {
            // A server that was there a moment ago may be restarting; one that refuses from the
            // start is reported by the first request of a verb, which is not sent through here.
            if (Clock::now() + pause > give_up - kPatience * 5 / 6 || is_interrupted()) throw;
        }
        if (is_interrupted()) throw CommandError(Exit::interrupted, "interrupted");
        std::this_thread::sleep_for(std::max(asked, pause));
        pause = std::min(pause * 2, std::chrono::milliseconds{2'000});
    }
}

void append_json_string(std::string& out, std::string_view text) {
    out += boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

std::string string_member(const boost::json::value& object, std::string_view name) {
    const auto* const fields = object.if_object();
    if (fields == nullptr) return {};
    const auto* const member = fields->if_contains({name.data(), name.size()});
    if (member == nullptr || !member->is_string()) return {};
    return std::string(member->get_string());
}

}  // namespace oubliette::tools
