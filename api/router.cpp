#include "api/router.hpp"

#include <algorithm>

#include <boost/url/decode_view.hpp>
#include <boost/url/pct_string_view.hpp>

namespace oubliette::api {
namespace {

constexpr Access kOpen{};
constexpr Access kApp{mask_of(Role::app)};
constexpr Access kAppOrOfficer{mask_of(Role::app, Role::privacy_officer)};
constexpr Access kPolicyAdmin{mask_of(Role::policy_admin)};
constexpr Access kKeyOperator{mask_of(Role::key_operator)};
constexpr Access kOfficerOrOperator{mask_of(Role::privacy_officer, Role::key_operator)};
constexpr Access kErasureReaders{mask_of(Role::app, Role::privacy_officer, Role::auditor)};
constexpr Access kDeciders{
    mask_of(Role::app, Role::privacy_officer, Role::policy_admin, Role::auditor, Role::legal)};
constexpr Access kOfficer{mask_of(Role::privacy_officer)};
constexpr Access kOfficerOrAdmin{mask_of(Role::privacy_officer, Role::policy_admin)};
constexpr Access kOfficerOrAuditor{mask_of(Role::privacy_officer, Role::auditor)};
constexpr Access kRecallers{mask_of(Role::app, Role::privacy_officer, Role::policy_admin)};
constexpr Access kExceptionOfficers{
    mask_of(Role::privacy_officer, Role::legal, Role::duty_manager)};
constexpr Access kExceptionReaders{
    mask_of(Role::privacy_officer, Role::legal, Role::duty_manager, Role::auditor)};
constexpr Access kHoldOfficers{mask_of(Role::privacy_officer, Role::legal)};
constexpr Access kHoldReaders{mask_of(Role::privacy_officer, Role::legal, Role::auditor)};
constexpr Access kOfficers{
    mask_of(Role::privacy_officer, Role::policy_admin, Role::auditor, Role::legal)};
constexpr Access kSuspenders{mask_of(Role::policy_admin, Role::privacy_officer)};
constexpr Access kApprovers{mask_of(Role::privacy_officer, Role::legal)};
constexpr Access kAuditor{mask_of(Role::auditor)};
constexpr Access kEverybody{mask_of(Role::app, Role::privacy_officer, Role::key_operator,
                                    Role::policy_admin, Role::auditor, Role::legal)};
constexpr Access kStaff{mask_of(Role::privacy_officer, Role::key_operator, Role::policy_admin,
                                Role::auditor, Role::legal)};

// In the order of Operation.
constexpr std::string_view kOperationNames[] = {
    "put_subject",
    "tokenize",
    "detokenize",
    "inspect_token",
    "plant_poison",
    "get_subject",
    "delete_field",
    "search",
    "match",
    "put_consent",
    "list_consents",
    "erase_subject",
    "get_erasure",
    "get_receipt_keys",
    "run_retention",
    "open_order",
    "list_orders",
    "get_order",
    "approve_order",
    "close_order",
    "notice_order",
    "place_hold",
    "list_holds",
    "get_hold",
    "approve_hold",
    "release_hold",
    "cut_off_recipient",
    "cut_off_region",
    "exit_tenant",
    "open_request",
    "list_requests",
    "get_request",
    "verify_request",
    "accept_request",
    "extend_request",
    "refuse_request",
    "withdraw_request",
    "plan_request",
    "execute_request",
    "request_certificate",
    "request_package",
    "list_disclosures",
    "export_subject",
    "close_account",
    "reopen_account",
    "end_campaign",
    "suppress",
    "list_recalls",
    "recall",
    "acknowledge_recall",
    "get_policy",
    "get_policy_version",
    "lint_policy",
    "diff_policy",
    "publish_policy",
    "decide",
    "get_contact",
    "list_policy_versions",
    "policy_schema",
    "replay_entry",
    "list_recipients",
    "suspend_recipient",
    "resume_recipient",
    "list_assessments",
    "record_assessment",
    "approve_assessment",
    "report_exports",
    "list_clients",
    "enrol_client",
    "revoke_client",
    "audit_checkpoint",
    "audit_keys",
    "audit_tile",
    "audit_entry_bundle",
    "audit_entries",
    "audit_proof",
    "list_keepers",
    "enrol_keeper",
    "expel_keeper",
    "scrub_keepers",
    "list_keys",
    "rotate_key",
    "status",
    "backup",
    "livez",
    "readyz",
    "version",
    "openapi",
};
static_assert(std::size(kOperationNames) == kOperationCount);

// A path that matches several patterns goes to the first: of all tiles, those named `entries`.
constexpr std::array kRoutes{
    Route{Method::post, "/v1/detokenize", kApp, Operation::detokenize},
    Route{Method::post, "/v1/tokenize", kApp, Operation::tokenize},
    Route{Method::post, "/v1/tokens/inspect", kOfficerOrOperator, Operation::inspect_token},
    Route{Method::post, "/v1/recipients/{recipient}/poison", kOfficerOrOperator,
          Operation::plant_poison},
    Route{Method::post, "/v1/match", kApp, Operation::match},
    Route{Method::post, "/v1/search", kApp, Operation::search},
    Route{Method::put, "/v1/subjects/{subject}", kApp, Operation::put_subject},
    Route{Method::get,
          "/v1/subjects/{subject}",
          kApp,
          Operation::get_subject,
          {"purpose", "fields", "order"}},
    Route{Method::delete_,
          "/v1/subjects/{subject}/fields/{field}",
          kAppOrOfficer,
          Operation::delete_field,
          {"purpose"}},
    Route{Method::put, "/v1/subjects/{subject}/consents/{slot}", kApp, Operation::put_consent},
    Route{Method::get,
          "/v1/subjects/{subject}/consents",
          kAppOrOfficer,
          Operation::list_consents,
          {"format"}},
    Route{Method::post,
          "/v1/subjects/{subject}/erase",
          kAppOrOfficer,
          Operation::erase_subject,
          {"purpose"}},
    Route{Method::get, "/v1/erasures/{id}", kErasureReaders, Operation::get_erasure},
    Route{Method::get, "/v1/receipts/keys", kOpen, Operation::get_receipt_keys},
    Route{Method::post, "/v1/retention/run", kOfficerOrOperator, Operation::run_retention},
    Route{Method::post, "/v1/orders", kExceptionOfficers, Operation::open_order},
    Route{Method::get, "/v1/orders", kExceptionReaders, Operation::list_orders},
    Route{Method::get, "/v1/orders/{id}", kExceptionReaders, Operation::get_order},
    Route{Method::post, "/v1/orders/{id}/approve", kExceptionOfficers, Operation::approve_order},
    Route{Method::post, "/v1/orders/{id}/close", kExceptionOfficers, Operation::close_order},
    Route{Method::post, "/v1/orders/{id}/notice", kExceptionOfficers, Operation::notice_order},
    Route{Method::post, "/v1/holds", kHoldOfficers, Operation::place_hold},
    Route{Method::get, "/v1/holds", kHoldReaders, Operation::list_holds},
    Route{Method::get, "/v1/holds/{id}", kHoldReaders, Operation::get_hold},
    Route{Method::post, "/v1/holds/{id}/approve", kHoldOfficers, Operation::approve_hold},
    Route{Method::post, "/v1/holds/{id}/release", kHoldOfficers, Operation::release_hold},
    // Who may receive is the policy admin's business, as clients and agreements are.
    Route{Method::delete_, "/v1/recipients/{recipient}/tokens", kPolicyAdmin,
          Operation::cut_off_recipient},
    Route{Method::delete_, "/v1/regions/{region}/key", kKeyOperator, Operation::cut_off_region},
    Route{Method::post, "/v1/tenant/exit", kKeyOperator, Operation::exit_tenant},
    Route{Method::post, "/v1/requests", kAppOrOfficer, Operation::open_request},
    Route{Method::get, "/v1/requests", kOfficerOrAuditor, Operation::list_requests, {"after"}},
    Route{Method::get, "/v1/requests/{id}", kErasureReaders, Operation::get_request},
    Route{Method::post, "/v1/requests/{id}/verify", kAppOrOfficer, Operation::verify_request},
    Route{Method::post, "/v1/requests/{id}/accept", kOfficer, Operation::accept_request},
    Route{Method::post, "/v1/requests/{id}/extend", kOfficer, Operation::extend_request},
    Route{Method::post, "/v1/requests/{id}/refuse", kOfficer, Operation::refuse_request},
    Route{Method::post, "/v1/requests/{id}/withdraw", kAppOrOfficer, Operation::withdraw_request},
    Route{Method::get, "/v1/requests/{id}/plan", kOfficer, Operation::plan_request},
    Route{Method::post, "/v1/requests/{id}/execute", kAppOrOfficer, Operation::execute_request},
    Route{Method::get, "/v1/requests/{id}/certificate", kErasureReaders,
          Operation::request_certificate},
    Route{Method::get, "/v1/requests/{id}/package", kOfficer, Operation::request_package},
    Route{Method::get,
          "/v1/subjects/{subject}/disclosures",
          kOfficer,
          Operation::list_disclosures,
          {"from", "count"}},
    Route{Method::get,
          "/v1/subjects/{subject}/export",
          kOfficer,
          Operation::export_subject,
          {"request"}},
    Route{Method::post, "/v1/subjects/{subject}/close", kAppOrOfficer, Operation::close_account},
    Route{Method::post, "/v1/subjects/{subject}/reopen", kAppOrOfficer, Operation::reopen_account},
    Route{Method::post, "/v1/campaigns/{slot}/end", kOfficerOrAdmin, Operation::end_campaign},
    Route{Method::post, "/v1/suppressions", kAppOrOfficer, Operation::suppress},
    Route{Method::get, "/v1/recipients/{recipient}/recalls", kRecallers, Operation::list_recalls},
    Route{Method::post, "/v1/recipients/{recipient}/recall", kOfficerOrAdmin, Operation::recall},
    Route{Method::post, "/v1/recipients/{recipient}/ack", kRecallers,
          Operation::acknowledge_recall},
    Route{Method::get, "/v1/policy", kOpen, Operation::get_policy},
    Route{Method::get, "/v1/policy/versions", kOpen, Operation::list_policy_versions},
    Route{Method::get, "/v1/policy/versions/{version}", kOpen, Operation::get_policy_version},
    Route{Method::get, "/v1/policy/schema", kOpen, Operation::policy_schema},
    Route{Method::get, "/v1/contact", kOpen, Operation::get_contact},
    Route{Method::post, "/v1/policy/lint", kPolicyAdmin, Operation::lint_policy},
    Route{Method::post, "/v1/policy/diff", kPolicyAdmin, Operation::diff_policy},
    Route{Method::post, "/v1/policy/publish", kPolicyAdmin, Operation::publish_policy},
    Route{Method::post, "/v1/decide", kDeciders, Operation::decide},
    Route{Method::get, "/v1/audit/entries/{index}/replay", kOfficers, Operation::replay_entry},
    Route{Method::get, "/v1/recipients", kOfficers, Operation::list_recipients},
    Route{Method::post, "/v1/recipients/{recipient}/suspend", kSuspenders,
          Operation::suspend_recipient},
    Route{Method::post, "/v1/recipients/{recipient}/resume", kPolicyAdmin,
          Operation::resume_recipient},
    Route{Method::get, "/v1/assessments", kOfficers, Operation::list_assessments},
    Route{Method::post, "/v1/assessments", kSuspenders, Operation::record_assessment},
    Route{Method::post, "/v1/assessments/{purpose}/approve", kApprovers,
          Operation::approve_assessment},
    Route{Method::get, "/v1/reports/exports", kOfficers, Operation::report_exports},
    Route{Method::get, "/v1/clients", kPolicyAdmin, Operation::list_clients},
    Route{Method::post, "/v1/clients", kPolicyAdmin, Operation::enrol_client},
    Route{Method::delete_, "/v1/clients/{id}", kPolicyAdmin, Operation::revoke_client},
    Route{Method::get, "/v1/audit/checkpoint", kOpen, Operation::audit_checkpoint},
    Route{Method::get, "/v1/audit/keys", kOpen, Operation::audit_keys},
    Route{Method::get, "/v1/audit/tile/entries/{n...}", kOpen, Operation::audit_entry_bundle},
    Route{Method::get, "/v1/audit/tile/{level}/{n...}", kOpen, Operation::audit_tile},
    Route{Method::get, "/v1/audit/entries", kAuditor, Operation::audit_entries, {"from", "count"}},
    Route{Method::get,
          "/v1/audit/proof",
          kEverybody,
          Operation::audit_proof,
          {"index", "from", "size"}},
    Route{Method::get, "/v1/keepers", kKeyOperator, Operation::list_keepers},
    Route{Method::post, "/v1/keepers", kKeyOperator, Operation::enrol_keeper},
    Route{Method::delete_, "/v1/keepers/{id}", kKeyOperator, Operation::expel_keeper, {"lost"}},
    Route{Method::post, "/v1/keepers/scrub", kKeyOperator, Operation::scrub_keepers},
    Route{Method::get, "/v1/keys", kKeyOperator, Operation::list_keys},
    Route{Method::post, "/v1/keys/rotate", kKeyOperator, Operation::rotate_key},
    Route{Method::get, "/v1/status", kStaff, Operation::status},
    Route{Method::post, "/v1/sys/backup", kKeyOperator, Operation::backup},
    Route{Method::get, "/livez", kOpen, Operation::livez},
    Route{Method::get, "/readyz", kOpen, Operation::readyz},
    Route{Method::get, "/version", kOpen, Operation::version},
    Route{Method::get, "/openapi.json", kOpen, Operation::openapi},
};

// Takes the next segment off the front: "/a/b" -> "a", rest "/b".
std::string_view take_segment(std::string_view& path) noexcept {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    return segment;
}

// What is left of a path, its segments as they are: none empty, none encoded.
bool is_plain_rest(std::string_view rest) noexcept {
    return !rest.starts_with('/') && !rest.ends_with('/') && !rest.empty() &&
           rest.find("//") == std::string_view::npos && rest.find('%') == std::string_view::npos;
}

// The raw segments at the places of the pattern's parameters; nullopt if the path differs.
// Literal segments must be written plainly: "/v1/%74okenize" is another path.
std::optional<std::array<std::string_view, kPathParametersMax>> match_path(
    std::string_view pattern, std::string_view path) noexcept {
    std::array<std::string_view, kPathParametersMax> raw{};
    std::size_t count = 0;
    while (!pattern.empty() && !path.empty()) {
        const std::string_view expected = take_segment(pattern);
        if (expected.ends_with("...}")) {
            path.remove_prefix(1);
            if (!is_plain_rest(path)) return std::nullopt;
            raw.at(count) = path;
            return raw;
        }
        const std::string_view found = take_segment(path);
        if (expected.starts_with('{') && !found.empty()) {
            raw.at(count++) = found;
        } else if (expected != found) {
            return std::nullopt;
        }
    }
    if (!pattern.empty() || !path.empty()) return std::nullopt;
    return raw;
}

// RFC 3629, so that one id has one spelling.
bool is_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t tail = lead < 0x80                    ? 0
                                 : lead >= 0xC2 && lead < 0xE0  ? 1
                                 : lead >= 0xE0 && lead < 0xF0  ? 2
                                 : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                                : 4;
        if (tail == 4 || text.size() - at <= tail) return false;
        for (std::size_t i = 1; i <= tail; ++i) {
            if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return false;
        }
        const auto second = tail > 0 ? static_cast<unsigned char>(text[at + 1]) : 0;
        const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
        const bool outside = (lead == 0xED && second >= 0xA0) || (lead == 0xF4 && second >= 0x90);
        if (overlong || outside) return false;
        at += tail + 1;
    }
    return true;
}

bool has_control(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte < 0x20 || byte == 0x7F) return true;
        // C1 controls, U+0080 to U+009F.
        const bool c1 =
            byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
        if (c1) return true;
    }
    return false;
}

std::optional<std::string> decode_text(std::string_view raw) {
    const auto encoded = boost::urls::make_pct_string_view(raw);
    if (!encoded) return std::nullopt;
    std::string text;
    text.reserve(raw.size());
    for (const char letter : *(*encoded)) text.push_back(letter);
    if (!is_utf8(text) || has_control(text)) return std::nullopt;
    return text;
}

std::variant<Match, WrongMethod, Refusal> decode_match(
    const Route& route, const std::array<std::string_view, kPathParametersMax>& raw) {
    Match match;
    match.route = &route;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i].data() == nullptr) continue;
        auto text = decode_text(raw[i]);
        if (!text || text->size() > kPathParameterSizeMax) return Refusal::malformed;
        match.parameters[i] = std::move(*text);
    }
    return match;
}

}  // namespace

std::span<const Route> routes() noexcept {
    return kRoutes;
}

std::variant<Match, WrongMethod, Refusal> find_route(Method method, std::string_view path) {
    if (!path.starts_with('/')) return Refusal::not_found;
    WrongMethod wrong;
    for (const Route& route : kRoutes) {
        const auto raw = match_path(route.pattern, path);
        if (!raw) continue;
        if (route.method == method) return decode_match(route, *raw);
        if (!wrong.allow.empty()) wrong.allow += ", ";
        wrong.allow += name_of(route.method);
    }
    if (!wrong.allow.empty()) return wrong;
    return Refusal::not_found;
}

std::optional<std::string_view> QueryParameters::find(std::string_view name) const noexcept {
    for (const Entry& entry : entries_) {
        if (entry.is_set && entry.name == name) return entry.value;
    }
    return std::nullopt;
}

Result<QueryParameters> parse_query(const Route& route, std::string_view query) {
    QueryParameters parameters;
    for (std::size_t i = 0; i < route.query.size(); ++i) {
        parameters.entries_.at(i).name = route.query.at(i);
    }
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view part = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const std::size_t equals = part.find('=');
        if (equals == 0 || equals == std::string_view::npos) return Refusal::malformed;
        const auto entry =
            std::find_if(parameters.entries_.begin(), parameters.entries_.end(),
                         [&](const auto& known) { return known.name == part.substr(0, equals); });
        if (entry == parameters.entries_.end() || entry->is_set) return Refusal::malformed;
        auto value = decode_text(part.substr(equals + 1));
        if (!value) return Refusal::malformed;
        entry->value = std::move(*value);
        entry->is_set = true;
    }
    return parameters;
}

std::string_view name_of(Method method) noexcept {
    switch (method) {
    case Method::get: return "GET";
    case Method::put: return "PUT";
    case Method::post: return "POST";
    case Method::delete_: return "DELETE";
    }
    return "";
}

std::string_view name_of(Operation operation) noexcept {
    return kOperationNames[static_cast<std::size_t>(operation)];
}

}  // namespace oubliette::api
