#include "api/service.hpp"

#include "api/call.hpp"
#include "api/credentials.hpp"
#include "crypto/byte_io.hpp"

namespace oubliette::api {
namespace {

bool has_body(Method method) noexcept {
    return method == Method::put || method == Method::post;
}

// "application/json", perhaps with parameters.
bool is_json(std::string_view content_type) noexcept {
    constexpr std::string_view kJson = "application/json";
    if (!content_type.starts_with(kJson)) return false;
    return content_type.size() == kJson.size() || content_type[kJson.size()] == ';' ||
           content_type[kJson.size()] == ' ';
}

// Whom to ask, in every refusal (clause 8 of the policy model).
std::string contact_of(const Vault& vault) {
    const auto gate = vault.gate();
    return gate ? gate->document().head.controller.contact : std::string{};
}

struct Handler {
    Operation operation;
    void (*handle)(const CallPtr& call);
};

constexpr Handler kHandlers[] = {
    {Operation::put_subject, handle_put_subject},
    {Operation::tokenize, handle_tokenize},
    {Operation::detokenize, handle_detokenize},
    {Operation::inspect_token, handle_inspect_token},
    {Operation::plant_poison, handle_plant_poison},
    {Operation::get_subject, handle_get_subject},
    {Operation::delete_field, handle_delete_field},
    {Operation::search, handle_search},
    {Operation::match, handle_match},
    {Operation::put_consent, handle_put_consent},
    {Operation::list_consents, handle_list_consents},
    {Operation::erase_subject, handle_erase_subject},
    {Operation::get_erasure, handle_get_erasure},
    {Operation::get_receipt_keys, handle_receipt_keys},
    {Operation::run_retention, handle_run_retention},
    {Operation::open_order, handle_open_order},
    {Operation::list_orders, handle_list_orders},
    {Operation::get_order, handle_get_order},
    {Operation::approve_order, handle_approve_order},
    {Operation::close_order, handle_close_order},
    {Operation::notice_order, handle_notice_order},
    {Operation::place_hold, handle_place_hold},
    {Operation::list_holds, handle_list_holds},
    {Operation::get_hold, handle_get_hold},
    {Operation::approve_hold, handle_approve_hold},
    {Operation::release_hold, handle_release_hold},
    {Operation::cut_off_recipient, handle_cut_off_recipient},
    {Operation::cut_off_region, handle_cut_off_region},
    {Operation::exit_tenant, handle_exit_tenant},
    {Operation::open_request, handle_open_request},
    {Operation::list_requests, handle_list_requests},
    {Operation::get_request, handle_get_request},
    {Operation::verify_request, handle_verify_request},
    {Operation::accept_request, handle_accept_request},
    {Operation::extend_request, handle_extend_request},
    {Operation::refuse_request, handle_refuse_request},
    {Operation::withdraw_request, handle_withdraw_request},
    {Operation::plan_request, handle_plan_request},
    {Operation::execute_request, handle_execute_request},
    {Operation::request_certificate, handle_request_certificate},
    {Operation::request_package, handle_request_package},
    {Operation::list_disclosures, handle_list_disclosures},
    {Operation::export_subject, handle_export_subject},
    {Operation::close_account, handle_close_account},
    {Operation::reopen_account, handle_reopen_account},
    {Operation::end_campaign, handle_end_campaign},
    {Operation::suppress, handle_suppress},
    {Operation::list_recalls, handle_list_recalls},
    {Operation::recall, handle_recall},
    {Operation::acknowledge_recall, handle_acknowledge_recall},
    {Operation::get_policy, handle_get_policy},
    {Operation::get_policy_version, handle_get_policy_version},
    {Operation::lint_policy, handle_lint_policy},
    {Operation::diff_policy, handle_diff_policy},
    {Operation::publish_policy, handle_publish_policy},
    {Operation::decide, handle_decide},
    {Operation::get_contact, handle_get_contact},
    {Operation::list_policy_versions, handle_list_policy_versions},
    {Operation::policy_schema, handle_policy_schema},
    {Operation::replay_entry, handle_replay_entry},
    {Operation::list_recipients, handle_list_recipients},
    {Operation::suspend_recipient, handle_suspend_recipient},
    {Operation::resume_recipient, handle_resume_recipient},
    {Operation::list_assessments, handle_list_assessments},
    {Operation::record_assessment, handle_record_assessment},
    {Operation::approve_assessment, handle_approve_assessment},
    {Operation::report_exports, handle_report_exports},
    {Operation::list_clients, handle_list_clients},
    {Operation::enrol_client, handle_enrol_client},
    {Operation::revoke_client, handle_revoke_client},
    {Operation::audit_checkpoint, handle_audit_checkpoint},
    {Operation::audit_keys, handle_audit_keys},
    {Operation::audit_tile, handle_audit_tile},
    {Operation::audit_entry_bundle, handle_audit_entry_bundle},
    {Operation::audit_entries, handle_audit_entries},
    {Operation::audit_proof, handle_audit_proof},
    {Operation::list_keepers, handle_list_keepers},
    {Operation::enrol_keeper, handle_enrol_keeper},
    {Operation::expel_keeper, handle_expel_keeper},
    {Operation::scrub_keepers, handle_scrub_keepers},
    {Operation::list_keys, handle_list_keys},
    {Operation::rotate_key, handle_rotate_key},
    {Operation::status, handle_status},
    {Operation::backup, handle_backup},
    {Operation::livez, handle_livez},
    {Operation::readyz, handle_readyz},
    {Operation::version, handle_version},
    {Operation::openapi, handle_openapi},
};

// Each operation has one handler, at its own place.
constexpr bool are_in_order() noexcept {
    for (std::size_t i = 0; i < std::size(kHandlers); ++i) {
        if (kHandlers[i].operation != static_cast<Operation>(i)) return false;
    }
    return std::size(kHandlers) == kOperationCount;
}
static_assert(are_in_order());

void dispatch(const CallPtr& call) {
    const auto operation = call->match.route->operation;
    kHandlers[static_cast<std::size_t>(operation)].handle(call);
}

}  // namespace

Service::Service(Vault& vault, std::filesystem::path scratch, ServiceLimits limits)
    : vault_{vault}, scratch_{std::move(scratch)}, limits_{limits} {}

std::optional<Caller> Service::caller_of(const Request& request) const {
    if (!request.authorization.empty()) {
        const auto key = parse_authorization(request.authorization);
        if (!key) return std::nullopt;
        return vault_.authenticate(key->client, key->key, key->secret.expose());
    }
    return vault_.authenticate_san(request.client_san);
}

std::optional<Response> Service::check_header(const Request& request,
                                              std::size_t /*body_size*/) const {
    const auto refuse = [&](Refusal refusal) {
        return problem_response(refusal, request.request_id, {}, contact_of(vault_));
    };
    const auto found = find_route(request.method, request.path);
    if (const auto* const wrong = std::get_if<WrongMethod>(&found)) {
        Response response = problem_response(Refusal::method_not_allowed, request.request_id);
        response.headers.emplace_back("Allow", wrong->allow);
        return response;
    }
    if (const auto* const refusal = std::get_if<Refusal>(&found)) {
        return refuse(*refusal);
    }
    const Route& route = *std::get<Match>(found).route;
    if (!route.access.is_open()) {
        const auto caller = caller_of(request);
        if (!caller) return refuse(Refusal::unauthenticated);
        if (!route.access.permits(caller->roles)) {
            return refuse(Refusal::role_denied);
        }
    }
    if (has_body(request.method) && !is_json(request.content_type)) {
        return refuse(Refusal::media_type);
    }
    return std::nullopt;
}

void Service::handle(const ExchangePtr& exchange) const {
    const Request& request = exchange->request();
    auto call = std::make_shared<Call>(vault_, exchange);
    auto found = find_route(request.method, request.path);
    auto* const match = std::get_if<Match>(&found);
    if (match == nullptr) return call->refuse(Refusal::not_found);
    call->match = std::move(*match);
    call->scratch = scratch_;
    call->limits = limits_;
    if (!call->match.route->access.is_open()) {
        // Again, because the body may have taken a while: a revocation acts at once.
        const auto caller = caller_of(request);
        if (!caller) return call->refuse(Refusal::unauthenticated);
        call->caller = *caller;
    }
    auto query = parse_query(*call->match.route, request.query);
    if (!query) return call->refuse(query.error());
    call->query = std::move(*query);
    try {
        dispatch(call);
    } catch (const Fault& fault) {
        call->fail(fault);
    }
}

// ---- Call ----------------------------------------------------------------------------------

Result<JsonValue> Call::body(std::initializer_list<std::string_view> members) {
    auto value = document.parse(request().body.expose());
    if (!value) return value;
    const bool is_object = value->is(JsonType::object) && value->has_only(members);
    if (!is_object) return Refusal::malformed;
    return value;
}

void Call::refuse(Refusal refusal, std::span<const FieldProblem> errors) {
    exchange->respond(problem_response(refusal, request().request_id, errors, contact_of(vault)));
}

void Call::fail(const Fault& fault) {
    exchange->respond(problem_response(fault.kind(), request().request_id));
}

void Call::answer(unsigned status, const WipedBuffer& json, std::uint32_t retry_after) {
    Response response;
    response.status = status;
    if (retry_after != 0) {
        response.headers.emplace_back("Retry-After", std::to_string(retry_after));
    }
    response.body = crypto::SecretBytes{json.bytes()};
    exchange->respond(std::move(response));
}

void write_error(JsonWriter& json, Refusal refusal) {
    json.begin_object()
        .member("code", wire_name(refusal))
        .key("status")
        .integer(status_of(refusal))
        .end_object();
}

}  // namespace oubliette::api
