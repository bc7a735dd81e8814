#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

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

// Numbers names in the order of asking, as a tenant's register does.
class CountingIds final : public NameIds {
public:
    std::uint16_t id_of(NameKind kind, std::string_view name) override {
        auto& names = ids_[kind];
        const auto first = kind == NameKind::slot ? 0U : 1U;  // 0 is nobody, but a slot
        const auto next = static_cast<std::uint16_t>(names.size() + first);
        return names.emplace(std::string{name}, next).first->second;
    }

private:
    std::map<NameKind, std::map<std::string, std::uint16_t>> ids_;
};

}  // namespace oubliette::policy
