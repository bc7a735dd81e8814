#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "api/exchange.hpp"
#include "vault/result.hpp"
#include "vault/roles.hpp"

// Which operation a request asks for. One table, from which the router works and with which a test
// compares openapi.json in both directions. Thread-safe (no state).

namespace oubliette::api {

// operationId in openapi.json is the enumerator's name.
enum class Operation : std::uint8_t {
    put_subject,
    tokenize,
    detokenize,
    inspect_token,
    plant_poison,
    get_subject,
    delete_field,
    search,
    match,
    put_consent,
    list_consents,
    erase_subject,
    get_erasure,
    get_receipt_keys,
    run_retention,
    open_order,
    list_orders,
    get_order,
    approve_order,
    close_order,
    notice_order,
    place_hold,
    list_holds,
    get_hold,
    approve_hold,
    release_hold,
    cut_off_recipient,
    cut_off_region,
    exit_tenant,
    open_request,
    list_requests,
    get_request,
    verify_request,
    accept_request,
    extend_request,
    refuse_request,
    withdraw_request,
    plan_request,
    execute_request,
    request_certificate,
    request_package,
    list_disclosures,
    export_subject,
    close_account,
    reopen_account,
    end_campaign,
    suppress,
    list_recalls,
    recall,
    acknowledge_recall,
    get_policy,
    get_policy_version,
    lint_policy,
    diff_policy,
    publish_policy,
    decide,
    get_contact,
    list_policy_versions,
    policy_schema,
    replay_entry,
    list_recipients,
    suspend_recipient,
    resume_recipient,
    list_assessments,
    record_assessment,
    approve_assessment,
    report_exports,
    list_clients,
    enrol_client,
    revoke_client,
    audit_checkpoint,
    audit_keys,
    audit_tile,
    audit_entry_bundle,
    audit_entries,
    audit_proof,
    list_keepers,
    enrol_keeper,
    expel_keeper,
    scrub_keepers,
    list_keys,
    rotate_key,
    status,
    backup,
    livez,
    readyz,
    version,
    openapi,
};
inline constexpr std::size_t kOperationCount = static_cast<std::size_t>(Operation::openapi) + 1;

[[nodiscard]] std::string_view name_of(Operation operation) noexcept;

[[nodiscard]] constexpr RoleMask mask_of(std::same_as<Role> auto... roles) noexcept {
    return static_cast<RoleMask>((0U | ... | static_cast<unsigned>(roles)));
}

// Who may call an operation: one of the roles; no role at all means that no credential is needed.
struct Access {
    RoleMask roles = 0;
    [[nodiscard]] constexpr bool is_open() const noexcept { return roles == 0; }
    [[nodiscard]] constexpr bool permits(RoleMask held) const noexcept {
        return is_open() || (roles & held) != 0;
    }
};

inline constexpr std::size_t kQueryParametersMax = 3;

struct Route {
    Method method = Method::get;
    // "/v1/subjects/{subject}/consents/{slot}". A last "{n...}" takes all segments that are left,
    // as they are written: one with a '%' or an empty one is another path.
    std::string_view pattern;
    Access access;
    Operation operation = Operation::livez;
    // Query parameters that the operation reads; every other one is MALFORMED.
    std::array<std::string_view, kQueryParametersMax> query{};
};

[[nodiscard]] std::span<const Route> routes() noexcept;
[[nodiscard]] std::string_view name_of(Method method) noexcept;  // "GET"

inline constexpr std::size_t kPathParameterSizeMax = 128;  // bytes, decoded
inline constexpr std::size_t kPathParametersMax = 2;

// A route with the decoded parameters of its path, in the order of the pattern.
struct Match {
    const Route* route = nullptr;
    std::array<std::string, kPathParametersMax> parameters;
};

// The path exists, but not with this method.
struct WrongMethod {
    std::string allow;  // value of the Allow header: "GET, PUT"
};

// Refuses: not_found (no such path), malformed (a parameter longer than
// kPathParameterSizeMax, not UTF-8, or with a control character).
[[nodiscard]] std::variant<Match, WrongMethod, Refusal> find_route(Method method,
                                                                   std::string_view path);

// The decoded query parameters of a route; names are those of Route::query.
class QueryParameters {
public:
    [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;

private:
    friend Result<QueryParameters> parse_query(const Route& route, std::string_view query);
    struct Entry {
        std::string_view name;
        std::string value;
        bool is_set = false;
    };
    std::array<Entry, kQueryParametersMax> entries_;
};

// Refuses: malformed (a parameter that the route does not declare, one given twice, text that is
// not UTF-8 or holds a control character).
[[nodiscard]] Result<QueryParameters> parse_query(const Route& route, std::string_view query);

}  // namespace oubliette::api
