#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "api/openapi_document.hpp"
#include "api/router.hpp"
#include "tests/policy/counting_ids.hpp"
#include "vault/policy/example.hpp"
#include "vault/policy/gate.hpp"

// The authorization matrix: role x route x recipient x purpose x field. What should be open comes
// from the texts of openapi.json and of the policy; what is open, from the router and the gate.

namespace oubliette::api {
namespace {

using Json = nlohmann::json;

constexpr Role kRoles[] = {Role::app,          Role::privacy_officer, Role::key_operator,
                           Role::policy_admin, Role::auditor,         Role::legal};
// Routes whose answer depends on a purpose and a field.
const std::set<std::string> kDataRoutes{"put_subject",  "tokenize", "detokenize", "get_subject",
                                        "delete_field", "search",   "match",      "decide"};

std::map<std::string, std::set<std::string>> described_roles() {
    std::map<std::string, std::set<std::string>> roles;
    const Json document = Json::parse(openapi_document());
    for (const auto& methods : document["paths"]) {
        for (const auto& operation : methods) {
            auto& names = roles[operation["operationId"]];
            for (const std::string name : operation.value("x-oubliette-roles", Json::array())) {
                names.insert(name);
            }
        }
    }
    return roles;
}

// True if the document lets the recipient see anything of the field for the purpose.
bool is_shown(const Json& policy, const std::string& recipient, const std::string& purpose,
              const std::string& field) {
    const Json& rule = policy["recipients"][recipient];
    const Json& purposes = rule["purposes"];
    if (std::find(purposes.begin(), purposes.end(), purpose) == purposes.end()) return false;
    if (rule.contains("fields")) {
        const Json& fields = rule["fields"];
        if (std::find(fields.begin(), fields.end(), field) == fields.end()) return false;
    }
    const Json& shown = policy["purposes"][purpose]["fields"];
    return shown.contains(field) || shown.contains("*");
}

struct Walk {
    std::size_t cells = 0;
    std::vector<std::string> leaks;  // open, and should not be
    std::vector<std::string> walls;  // the other way round
};

// `policy`: what should hold. `served`: what the gate was compiled from.
Walk walk(const Json& policy, const Json& served) {
    const auto outcome = policy::parse_document(served.dump());
    REQUIRE(outcome.document != nullptr);
    policy::CountingIds ids;
    const auto gate = policy::Gate::compile(outcome.document, ids);
    const Timestamp now = *policy::parse_time("2023-06-01T00:00:00Z");
    const auto described = described_roles();
    Walk walk;
    for (const Route& route : routes()) {
        const std::string name{name_of(route.operation)};
        const std::set<std::string>& roles = described.at(name);
        for (const Role role : kRoles) {
            const bool may_call = route.access.permits(mask_of(role));
            const bool should_call = roles.empty() || roles.contains(std::string{name_of(role)});
            if (!kDataRoutes.contains(name)) {
                ++walk.cells;
                if (may_call && !should_call) walk.leaks.push_back(name);
                if (!may_call && should_call) walk.walls.push_back(name);
                continue;
            }
            for (const auto& [recipient, rule] : policy["recipients"].items()) {
                const policy::RecipientId number = *gate->find_recipient(recipient);
                for (const auto& [purpose, uses] : policy["purposes"].items()) {
                    const auto cell = gate->resolve(number, purpose, now);
                    for (const auto& [field, type] : policy["fields"].items()) {
                        ++walk.cells;
                        const auto id = gate->find_field(field);
                        const bool is_open = may_call && cell && id &&
                                             gate->field(*cell, *id, std::nullopt).has_value();
                        const bool should_open =
                            should_call && is_shown(policy, recipient, purpose, field);
                        const auto text = [&] {
                            return name + " " + recipient + " " + purpose + " " + field;
                        };
                        if (is_open && !should_open) walk.leaks.push_back(text());
                        if (!is_open && should_open) walk.walls.push_back(text());
                    }
                }
            }
        }
    }
    return walk;
}

}  // namespace

TEST_CASE("nobody may do what neither the description nor the policy allows", "[api][matrix]") {
    const Json policy = Json::parse(policy::example_policy());
    const Walk found = walk(policy, policy);
    CHECK(found.cells >= 100'000);
    CHECK(found.leaks == std::vector<std::string>{});
    CHECK(found.walls == std::vector<std::string>{});
}

TEST_CASE("the matrix notices a hole in the policy that is served", "[api][matrix]") {
    const Json policy = Json::parse(policy::example_policy());
    Json wider = policy;
    wider["purposes"]["promote"]["fields"]["account_no"] = "last4";
    const Walk found = walk(policy, wider);
    CHECK(found.walls.empty());
    // Applications on eight routes, officers on two of them.
    REQUIRE(found.leaks.size() == 13);
    for (const std::string& leak : found.leaks) {
        CHECK(leak.ends_with(" marketing promote account_no"));
    }
}

}  // namespace oubliette::api
