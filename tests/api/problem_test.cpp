#include "api/problem.hpp"

#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "api/json_request.hpp"

using namespace oubliette;
using namespace oubliette::api;

namespace {

constexpr unsigned kRefusalLast = 55;

std::string body_of(const Response& response) {
    return std::string{oubliette::text_of(response.body.expose())};
}

std::string member(const Response& response, std::string_view name) {
    JsonDocument document;
    const auto root = document.parse(response.body.expose());
    REQUIRE(root.has_value());
    return std::string{root->find_text(name).value()};
}

}  // namespace

TEST_CASE("every refusal has a status and its own words", "[api][problem]") {
    std::set<std::string> titles;
    for (unsigned number = 1; number <= kRefusalLast; ++number) {
        const auto refusal = static_cast<Refusal>(number);
        const Response response = problem_response(refusal, "id-1");
        INFO(wire_name(refusal));
        CHECK(response.status == status_of(refusal));
        CHECK(response.status >= 400);
        CHECK(response.content_type == "application/problem+json");
        CHECK(member(response, "code") == wire_name(refusal));
        CHECK(member(response, "request_id") == "id-1");
        CHECK(member(response, "detail").size() > 10);
        CHECK(titles.insert(member(response, "title")).second);
    }
}

TEST_CASE("statuses are those of the contract", "[api][problem]") {
    CHECK(status_of(Refusal::consent_missing) == 403);
    CHECK(status_of(Refusal::retention_ended) == 403);
    CHECK(status_of(Refusal::not_found) == 404);
    CHECK(status_of(Refusal::version_not_current) == 409);
    CHECK(status_of(Refusal::idempotency_mismatch) == 422);
    CHECK(status_of(Refusal::erased) == 410);
    CHECK(status_of(Refusal::held) == 423);
    CHECK(status_of(Refusal::match_limit) == 429);
    CHECK(status_of(Refusal::integrity) == 500);
    CHECK(status_of(Refusal::storage_full) == 503);
    CHECK(member(problem_response(Refusal::consent_missing, "i"), "type") ==
          "urn:oubliette:problem:consent-missing");
}

TEST_CASE("faults are answered without their text", "[api][problem]") {
    CHECK(member(problem_response(FaultKind::storage_full, "i"), "code") == "STORAGE_FULL");
    CHECK(member(problem_response(FaultKind::corrupt, "i"), "code") == "INTEGRITY");
    CHECK(member(problem_response(FaultKind::sealed, "i"), "code") == "SEALED");
    CHECK(member(problem_response(FaultKind::audit_unavailable, "i"), "code") ==
          "AUDIT_UNAVAILABLE");
    CHECK(problem_response(FaultKind::corrupt, "i").status == 500);
    for (const FaultKind kind :
         {FaultKind::storage, FaultKind::storage_full, FaultKind::corrupt, FaultKind::sealed,
          FaultKind::audit_unavailable, FaultKind::configuration, FaultKind::conflict}) {
        CHECK(problem_response(kind, "i").status == status_of(kind));
        CHECK(member(problem_response(kind, "i"), "code") == wire_name(kind));
    }
}

TEST_CASE("a refused PUT names its fields", "[api][problem]") {
    const FieldProblem errors[] = {{"email", Refusal::value_invalid},
                                   {"mobile", Refusal::field_unknown}};
    const std::string body = body_of(problem_response(Refusal::value_invalid, "i", errors));
    CHECK(body.find(R"("errors":[{"field":"email","code":"VALUE_INVALID"},)"
                    R"({"field":"mobile","code":"FIELD_UNKNOWN"}])") != std::string::npos);
}
