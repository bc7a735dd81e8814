#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/exchange.hpp"
#include "api/json_request.hpp"
#include "api/json_writer.hpp"
#include "api/problem.hpp"
#include "api/router.hpp"
#include "api/service.hpp"
#include "vault/time_text.hpp"
#include "vault/vault.hpp"

// One request on its way through a handler, and what handlers share. Internal to api/.

namespace oubliette::api {

// Lives until the answer is sent: requests to the vault are views into its body.
struct Call : std::enable_shared_from_this<Call> {
    Call(Vault& vault_in, ExchangePtr exchange_in) noexcept
        : vault{vault_in}, exchange{std::move(exchange_in)} {}

    Vault& vault;
    ExchangePtr exchange;
    Caller caller;
    Match match;
    QueryParameters query;
    JsonDocument document;
    std::filesystem::path scratch;
    ServiceLimits limits;

    [[nodiscard]] const Request& request() const noexcept { return exchange->request(); }
    [[nodiscard]] std::string_view parameter(std::size_t index) const noexcept {
        return match.parameters[index];
    }
    // The body as an object with only these members. Refuses: malformed, too_large.
    [[nodiscard]] Result<JsonValue> body(std::initializer_list<std::string_view> members);

    void refuse(Refusal refusal, std::span<const FieldProblem> errors = {});
    void fail(const Fault& fault);
    // `retry_after` 0: without that header.
    void answer(unsigned status, const WipedBuffer& json, std::uint32_t retry_after = 0);

    // For Done callbacks: true if `fault` or a refusal was answered.
    template <class T>
    [[nodiscard]] bool is_refused(const Result<T>& result, const Fault* fault) {
        if (fault != nullptr) {
            fail(*fault);
        } else if (!result) {
            refuse(result.error());
        }
        return fault != nullptr || !result;
    }
};
using CallPtr = std::shared_ptr<Call>;

// {"code":"CONSENT_MISSING","status":403}
void write_error(JsonWriter& json, Refusal refusal);
// A consent without its slot's name; nullopt unless it is an object with only `members`, each of
// its type.
[[nodiscard]] std::optional<ConsentInput> read_consent(
    JsonValue value, std::initializer_list<std::string_view> members);

// {"finished":"2026-11-22T18:00:00Z","running":false,"pages":9,"repaired":0,"unrepairable":0}
void write_scrub(JsonWriter& json, const keys::ScrubStatus& scrub);
// Seconds of "Prefer: wait=N" (RFC 7240), at most 60; 5 without one.
[[nodiscard]] unsigned wait_of(std::string_view prefer) noexcept;

// Runs `work` on a thread of its own, for what takes longer than a loop may wait.
void run_apart(const CallPtr& call, std::function<void(Call&)> work);

// ---- Handlers, one per operation. They answer through the call.
void handle_put_subject(const CallPtr& call);
void handle_tokenize(const CallPtr& call);
void handle_detokenize(const CallPtr& call);
void handle_inspect_token(const CallPtr& call);
void handle_plant_poison(const CallPtr& call);
void handle_get_subject(const CallPtr& call);
void handle_search(const CallPtr& call);
void handle_match(const CallPtr& call);
void handle_put_consent(const CallPtr& call);
void handle_list_consents(const CallPtr& call);
void handle_erase_subject(const CallPtr& call);
void handle_delete_field(const CallPtr& call);
void handle_get_erasure(const CallPtr& call);
void handle_receipt_keys(const CallPtr& call);
void handle_run_retention(const CallPtr& call);
void handle_open_order(const CallPtr& call);
void handle_list_orders(const CallPtr& call);
void handle_get_order(const CallPtr& call);
void handle_approve_order(const CallPtr& call);
void handle_close_order(const CallPtr& call);
void handle_notice_order(const CallPtr& call);
void handle_place_hold(const CallPtr& call);
void handle_list_holds(const CallPtr& call);
void handle_get_hold(const CallPtr& call);
void handle_approve_hold(const CallPtr& call);
void handle_release_hold(const CallPtr& call);
void handle_cut_off_recipient(const CallPtr& call);
void handle_cut_off_region(const CallPtr& call);
void handle_exit_tenant(const CallPtr& call);
void handle_open_request(const CallPtr& call);
void handle_list_requests(const CallPtr& call);
void handle_get_request(const CallPtr& call);
void handle_verify_request(const CallPtr& call);
void handle_accept_request(const CallPtr& call);
void handle_extend_request(const CallPtr& call);
void handle_refuse_request(const CallPtr& call);
void handle_withdraw_request(const CallPtr& call);
void handle_plan_request(const CallPtr& call);
void handle_execute_request(const CallPtr& call);
void handle_request_certificate(const CallPtr& call);
void handle_request_package(const CallPtr& call);
void handle_list_disclosures(const CallPtr& call);
void handle_export_subject(const CallPtr& call);
void handle_close_account(const CallPtr& call);
void handle_reopen_account(const CallPtr& call);
void handle_end_campaign(const CallPtr& call);
void handle_suppress(const CallPtr& call);
void handle_list_recalls(const CallPtr& call);
void handle_recall(const CallPtr& call);
void handle_acknowledge_recall(const CallPtr& call);
void handle_get_policy(const CallPtr& call);
void handle_get_policy_version(const CallPtr& call);
void handle_lint_policy(const CallPtr& call);
void handle_diff_policy(const CallPtr& call);
void handle_publish_policy(const CallPtr& call);
void handle_decide(const CallPtr& call);
void handle_get_contact(const CallPtr& call);
void handle_list_policy_versions(const CallPtr& call);
void handle_policy_schema(const CallPtr& call);
void handle_replay_entry(const CallPtr& call);
void handle_list_recipients(const CallPtr& call);
void handle_suspend_recipient(const CallPtr& call);
void handle_resume_recipient(const CallPtr& call);
void handle_list_assessments(const CallPtr& call);
void handle_record_assessment(const CallPtr& call);
void handle_approve_assessment(const CallPtr& call);
void handle_report_exports(const CallPtr& call);
void handle_list_clients(const CallPtr& call);
void handle_enrol_client(const CallPtr& call);
void handle_revoke_client(const CallPtr& call);
void handle_audit_checkpoint(const CallPtr& call);
void handle_audit_keys(const CallPtr& call);
void handle_audit_tile(const CallPtr& call);
void handle_audit_entry_bundle(const CallPtr& call);
void handle_audit_entries(const CallPtr& call);
void handle_audit_proof(const CallPtr& call);
void handle_list_keepers(const CallPtr& call);
void handle_enrol_keeper(const CallPtr& call);
void handle_expel_keeper(const CallPtr& call);
void handle_scrub_keepers(const CallPtr& call);
void handle_list_keys(const CallPtr& call);
void handle_rotate_key(const CallPtr& call);
void handle_status(const CallPtr& call);
void handle_backup(const CallPtr& call);
void handle_livez(const CallPtr& call);
void handle_readyz(const CallPtr& call);
void handle_version(const CallPtr& call);
void handle_openapi(const CallPtr& call);

}  // namespace oubliette::api
