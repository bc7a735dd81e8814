#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/policy/counting_ids.hpp"
#include "vault/policy/example.hpp"
#include "vault/policy/gate.hpp"
#include "vault/policy/lint.hpp"

// The example policy, bent by JSON patches (RFC 6902), and what every test of policies needs.

namespace oubliette::policy {

inline const Timestamp kTestNow = *parse_time("2023-06-01T00:00:00Z");

inline nlohmann::ordered_json example_json() {
    return nlohmann::ordered_json::parse(example_policy());
}

// The example with an RFC 6902 patch applied.
inline std::string patched_example(std::string_view patch) {
    return nlohmann::json::parse(example_policy()).patch(nlohmann::json::parse(patch)).dump(2);
}

inline std::shared_ptr<const Document> parsed(std::string_view json) {
    const ParseOutcome outcome = parse_document(json);
    for (const Finding& finding : outcome.findings) {
        UNSCOPED_INFO(finding.code << " at " << finding.pointer << ": " << finding.message);
    }
    REQUIRE(outcome.document != nullptr);
    return outcome.document;
}

// The codes of findings, in order.
inline std::vector<std::string> codes_of(const std::vector<Finding>& findings) {
    std::vector<std::string> codes;
    for (const Finding& finding : findings) codes.push_back(finding.code);
    return codes;
}

}  // namespace oubliette::policy
