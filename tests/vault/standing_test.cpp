#include "vault/standing.hpp"

#include "tests/vault/vault_fixture.hpp"

// What acts between two versions of the policy: suspensions and impact assessments.

namespace oubliette::testing {
namespace {

std::string code_of(const Result<bool>& result) {
    return result ? std::string{} : std::string{wire_name(result.error())};
}

std::string suspend(TestVault& vault, const std::string& recipient) {
    return code_of(wait_for<bool>([&](Done<bool> done) {
        vault->standing().suspend(vault.caller("policy_admin"), recipient, std::move(done));
    }));
}

std::string resume(TestVault& vault, const std::string& recipient) {
    return code_of(wait_for<bool>([&](Done<bool> done) {
        vault->standing().resume(vault.caller("policy_admin"), recipient, std::move(done));
    }));
}

std::string assess(TestVault& vault, const std::string& purpose, Risk risk) {
    const auto result = wait_for<Assessment>([&](Done<Assessment> done) {
        vault->standing().record(vault.caller("policy_admin"), purpose, risk, {}, std::move(done));
    });
    return result ? std::string{} : std::string{wire_name(result.error())};
}

std::string approve(TestVault& vault, const std::string& purpose, const std::string& by) {
    const auto result = wait_for<Assessment>([&](Done<Assessment> done) {
        vault->standing().approve(vault.caller(by), purpose, std::move(done));
    });
    return result ? std::string{} : std::string{wire_name(result.error())};
}

}  // namespace

TEST_CASE("policy 3.1(3): a suspended recipient gets nothing from the next request on",
          "[promise]") {
    TestVault vault;
    const std::string token = vault.person("ann", "Ann");
    CHECK(suspend(vault, "nobody") == "RECIPIENT_UNKNOWN");
    REQUIRE(suspend(vault, "web").empty());
    CHECK(vault.detokenize(token) == "RECIPIENT_SUSPENDED");
    CHECK(vault.put("ann", {{"username", "Other"}}) == "RECIPIENT_SUSPENDED");
    CHECK(vault.read("ann", "username", "support_desk", "support") == "Ann");  // not its recipient
    // Steps 2 and 3 come first.
    CHECK(vault.detokenize(token, "web", "credit_score") == "PURPOSE_UNKNOWN");
    CHECK(vault.detokenize(token, "web", "promote") == "PURPOSE_NOT_ALLOWED");

    SECTION("a restart does not lift it, nor does saying it twice change it") {
        REQUIRE(suspend(vault, "web").empty());
        vault.reopen();
        CHECK(vault.detokenize(token) == "RECIPIENT_SUSPENDED");
    }
    REQUIRE(resume(vault, "web").empty());
    CHECK(vault.detokenize(token) == "Ann");
}

TEST_CASE("an older copy of the data lifts no suspension", "[promise]") {
    TestVault vault;
    const std::string token = vault.person("ann", "Ann");
    vault.close();
    vault.save_data("before");
    vault.open();
    REQUIRE(suspend(vault, "web").empty());
    REQUIRE(assess(vault, "own_account", Risk::high).empty());
    vault.close();
    vault.restore_data("before");
    vault.open();
    CHECK(vault.detokenize(token) == "RECIPIENT_SUSPENDED");
    REQUIRE(resume(vault, "web").empty());
    CHECK(vault.detokenize(token) == "ASSESSMENT_BLOCKED");
    // What it said is gone with the newer data: it must be recorded again.
    CHECK(approve(vault, "own_account", "legal") == "NOT_FOUND");
}

TEST_CASE("policy 7.4(6): high risk blocks a purpose until two people approve", "[promise]") {
    TestVault vault;
    const std::string token = vault.person("ann", "Ann");
    CHECK(assess(vault, "credit_score", Risk::high) == "PURPOSE_UNKNOWN");
    CHECK(approve(vault, "own_account", "legal") == "NOT_FOUND");
    REQUIRE(assess(vault, "own_account", Risk::low).empty());
    CHECK(vault.detokenize(token) == "Ann");
    CHECK(approve(vault, "own_account", "legal") == "WRONG_STATE");

    REQUIRE(assess(vault, "own_account", Risk::high).empty());
    CHECK(vault.detokenize(token) == "ASSESSMENT_BLOCKED");
    CHECK(vault.put("ann", {{"username", "Other"}}) == "ASSESSMENT_BLOCKED");
    CHECK(vault.detokenize(token, "web", "provide") == "Ann");                // another purpose
    CHECK(approve(vault, "own_account", "policy_admin") == "SAME_APPROVER");  // who recorded it
    REQUIRE(approve(vault, "own_account", "privacy_officer").empty());
    CHECK(vault.detokenize(token) == "ASSESSMENT_BLOCKED");
    CHECK(approve(vault, "own_account", "privacy_officer") == "SAME_APPROVER");
    vault.reopen();
    CHECK(vault.detokenize(token) == "ASSESSMENT_BLOCKED");
    REQUIRE(approve(vault, "own_account", "legal").empty());
    CHECK(vault.detokenize(token) == "Ann");
    vault.reopen();
    CHECK(vault.detokenize(token) == "Ann");
    CHECK(vault->standing().assessments().size() == 1);
}

}  // namespace oubliette::testing
