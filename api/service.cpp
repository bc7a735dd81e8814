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

void dispatch(const CallPtr& call) {
    switch (call->match.route->operation) {
    case Operation::put_subject: return handle_put_subject(call);
    case Operation::tokenize: return handle_tokenize(call);
    case Operation::detokenize: return handle_detokenize(call);
    case Operation::inspect_token: return handle_inspect_token(call);
    case Operation::plant_poison: return handle_plant_poison(call);
    case Operation::get_subject: return handle_get_subject(call);
    case Operation::delete_field: return handle_delete_field(call);
    case Operation::search: return handle_search(call);
    case Operation::match: return handle_match(call);
    case Operation::put_consent: return handle_put_consent(call);
    case Operation::list_consents: return handle_list_consents(call);
    case Operation::erase_subject: return handle_erase_subject(call);
    case Operation::get_erasure: return handle_get_erasure(call);
    case Operation::get_receipt_keys: return handle_receipt_keys(call);
    case Operation::run_retention: return handle_run_retention(call);
    case Operation::open_order: return handle_open_order(call);
    case Operation::list_orders: return handle_list_orders(call);
    case Operation::get_order: return handle_get_order(call);
    case Operation::approve_order: return handle_approve_order(call);
    case Operation::close_order: return handle_close_order(call);
    case Operation::notice_order: return handle_notice_order(call);
    case Operation::place_hold: return handle_place_hold(call);
    case Operation::list_holds: return handle_list_holds(call);
    case Operation::get_hold: return handle_get_hold(call);
    case Operation::approve_hold: return handle_approve_hold(call);
    case Operation::release_hold: return handle_release_hold(call);
    case Operation::cut_off_recipient: return handle_cut_off_recipient(call);
    case Operation::cut_off_region: return handle_cut_off_region(call);
    case Operation::exit_tenant: return handle_exit_tenant(call);
    case Operation::open_request: return handle_open_request(call);
    case Operation::list_requests: return handle_list_requests(call);
    case Operation::get_request: return handle_get_request(call);
    case Operation::verify_request: return handle_verify_request(call);
    case Operation::accept_request: return handle_accept_request(call);
    case Operation::extend_request: return handle_extend_request(call);
    case Operation::refuse_request: return handle_refuse_request(call);
    case Operation::withdraw_request: return handle_withdraw_request(call);
    case Operation::plan_request: return handle_plan_request(call);
    case Operation::execute_request: return handle_execute_request(call);
    case Operation::request_certificate: return handle_request_certificate(call);
    case Operation::request_package: return handle_request_package(call);
    case Operation::list_disclosures: return handle_list_disclosures(call);
    case Operation::export_subject: return handle_export_subject(call);
    case Operation::close_account: return handle_close_account(call);
    case Operation::reopen_account: return handle_reopen_account(call);
    case Operation::end_campaign: return handle_end_campaign(call);
    case Operation::suppress: return handle_suppress(call);
    case Operation::list_recalls: return handle_list_recalls(call);
    case Operation::recall: return handle_recall(call);
    case Operation::acknowledge_recall: return handle_acknowledge_recall(call);
    case Operation::get_policy: return handle_get_policy(call);
    case Operation::get_policy_version: return handle_get_policy_version(call);
    case Operation::lint_policy: return handle_lint_policy(call);
    case Operation::diff_policy: return handle_diff_policy(call);
    case Operation::publish_policy: return handle_publish_policy(call);
    case Operation::decide: return handle_decide(call);
    case Operation::get_contact: return handle_get_contact(call);
    case Operation::list_policy_versions: return handle_list_policy_versions(call);
    case Operation::policy_schema: return handle_policy_schema(call);
    case Operation::replay_entry: return handle_replay_entry(call);
    case Operation::list_recipients: return handle_list_recipients(call);
    case Operation::suspend_recipient: return handle_suspend_recipient(call);
    case Operation::resume_recipient: return handle_resume_recipient(call);
    case Operation::list_assessments: return handle_list_assessments(call);
    case Operation::record_assessment: return handle_record_assessment(call);
    case Operation::approve_assessment: return handle_approve_assessment(call);
    case Operation::report_exports: return handle_report_exports(call);
    case Operation::list_clients: return handle_list_clients(call);
    case Operation::enrol_client: return handle_enrol_client(call);
    case Operation::revoke_client: return handle_revoke_client(call);
    case Operation::audit_checkpoint: return handle_audit_checkpoint(call);
    case Operation::audit_keys: return handle_audit_keys(call);
    case Operation::audit_tile: return handle_audit_tile(call);
    case Operation::audit_entry_bundle: return handle_audit_entry_bundle(call);
    case Operation::audit_entries: return handle_audit_entries(call);
    case Operation::audit_proof: return handle_audit_proof(call);
    case Operation::list_keepers: return handle_list_keepers(call);
    case Operation::enrol_keeper: return handle_enrol_keeper(call);
    case Operation::expel_keeper: return handle_expel_keeper(call);
    case Operation::scrub_keepers: return handle_scrub_keepers(call);
    case Operation::list_keys: return handle_list_keys(call);
    case Operation::rotate_key: return handle_rotate_key(call);
    case Operation::status: return handle_status(call);
    case Operation::backup: return handle_backup(call);
    case Operation::livez: return handle_livez(call);
    case Operation::readyz: return handle_readyz(call);
    case Operation::version: return handle_version(call);
    case Operation::openapi: return handle_openapi(call);
    }
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
