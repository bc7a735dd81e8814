#include <algorithm>
#include <thread>

#include <nlohmann/json.hpp>

#include "tests/crypto/child_process.hpp"
#include "tests/vault/vault_fixture.hpp"
#include "vault/receipt_check.hpp"

// Groups of keys that die at once: all tokens of a recipient, a region, a bank, the tenant. None of
// it comes back with an older copy of the data.

namespace oubliette::testing {
namespace {

using keys::RevocationScope;

// The next version: new people are at home in another region of the same country.
std::string policy_of_the_south() {
    auto json = nlohmann::json::parse(policy::example_policy());
    json["policy"]["version"] = 4;
    json["policy"]["supersedes"] = 3;
    json["policy"]["home_region"] = "south";
    json["policy"]["changes"] = {{{"kind", "region.added"}, {"affects", {"south"}}}};
    json["regions"]["south"] = {{"countries", {"CN"}}};
    for (auto& slot : json["consents"]) slot["since"] = 4;
    return json.dump();
}

// "" when it is final on all keepers, or the code of the refusal.
std::string cut_off(TestVault& vault, const CutOff& what) {
    const auto final = std::make_shared<std::promise<ErasureRow>>();
    auto future = final->get_future();
    const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
        const Caller caller{};  // the router asked for the role
        vault->cut_off(caller, what, std::move(done),
                       [final](const ErasureRow& erased) { final->set_value(erased); });
    });
    if (!answer) return std::string{wire_name(answer.error())};
    REQUIRE(future.wait_for(std::chrono::seconds{30}) == std::future_status::ready);
    const ErasureRow erased = future.get();
    CHECK(erased.id == answer->erasure.id);
    CHECK(erased.scope == what.scope);
    CHECK(erased.state == ErasureState::final);
    REQUIRE(erased.finality);
    CHECK(erased.finality->acknowledgements.size() == 2);
    ReceiptQuestion question;
    question.keys = vault->receipt_keys();
    question.opening = answer->opening;
    question.external_id = what.scope == RevocationScope::bank ? "0" : std::string{what.name};
    for (const ReceiptFinding& finding :
         check_receipt(vault->receipt_of(erased), question).findings) {
        INFO(name_of(finding.check) << ": " << finding.text);
        CHECK(finding.is_good);
    }
    return {};
}

std::string cut_off_recipient(TestVault& vault, std::string_view name) {
    return cut_off(vault, {RevocationScope::recipient, name, 0});
}

std::string cut_off_region(TestVault& vault, std::string_view name) {
    return cut_off(vault, {RevocationScope::region, name, 0});
}

std::string cut_off_bank(TestVault& vault, std::uint16_t bank) {
    return cut_off(vault, {RevocationScope::bank, {}, bank});
}

std::string exit_tenant(TestVault& vault, std::string_view name) {
    return cut_off(vault, {RevocationScope::tenant, name, 0});
}

void restore(TestVault& vault, const std::string& name) {
    vault.close();
    vault.restore_data(name);
    vault.open();
    CHECK(vault->status().rolled_back);
}

std::string token_for(TestVault& vault, const std::string& recipient) {
    TokenOptions options;
    options.recipient = recipient;
    return vault.tokenize("c-1", "username", std::nullopt, options);
}

}  // namespace

TEST_CASE("all tokens of a recipient die at once, and its next ones work", "[cut_off]") {
    TestVault vault;
    const std::string own = vault.person("c-1", "ann");
    std::vector<std::string> again;
    REQUIRE(vault.put("c-1", {{"username", "ann"}}, &again).empty());
    REQUIRE(again.front() == own);  // deterministic
    const std::string desk = token_for(vault, "support_desk");
    REQUIRE(vault.detokenize(desk, "support_desk", "support") == "ann");
    vault.close();
    vault.save_data("old");
    vault.open();

    CHECK(cut_off_recipient(vault, "support_desk").empty());
    CHECK(vault.detokenize(desk, "support_desk", "support") == "ERASED");
    CHECK(vault.detokenize(desk, "support_desk", "campaign") == "PURPOSE_NOT_ALLOWED");
    CHECK(vault.detokenize(desk, "web") == "NOT_FOUND");
    CHECK(vault.detokenize(own) == "ann");
    CHECK(vault.read("c-1", "username", "support_desk", "support") == "ann");

    const std::string next = token_for(vault, "support_desk");
    CHECK(vault.detokenize(next, "support_desk", "support") == "ann");
    CHECK(vault.detokenize(next, "web") == "NOT_FOUND");
    // A second time: the tokens of both keys are dead, and there is a third.
    CHECK(cut_off_recipient(vault, "support_desk").empty());
    CHECK(vault.detokenize(next, "support_desk", "support") == "ERASED");
    CHECK(vault.detokenize(desk, "support_desk", "support") == "ERASED");
    CHECK(vault.detokenize(token_for(vault, "support_desk"), "support_desk", "support") == "ann");

    restore(vault, "old");
    CHECK(vault.detokenize(desk, "support_desk", "support") == "ERASED");
    CHECK(vault.detokenize(own) == "ann");
    CHECK(vault.detokenize(token_for(vault, "support_desk"), "support_desk", "support") == "ann");
}

TEST_CASE("a recipient that was cut off gets other deterministic tokens and pseudonyms",
          "[cut_off]") {
    TestVault vault;
    REQUIRE(vault.consent("c-1", "improve").empty());
    const std::string own = vault.person("c-1", "ann");
    const Shown pseudonym = vault.read("c-1", "username", "web", "improve");
    REQUIRE(pseudonym.size() > 20);
    CHECK(cut_off_recipient(vault, "web").empty());
    std::vector<std::string> tokens;
    REQUIRE(vault.put("c-1", {{"username", "ann"}}, &tokens).empty());
    CHECK(tokens.front() != own);
    CHECK(vault.detokenize(tokens.front()) == "ann");
    CHECK(vault.detokenize(own) == "ERASED");
    const Shown other = vault.read("c-1", "username", "web", "improve");
    CHECK(other.size() == pseudonym.size());
    CHECK(other != pseudonym);
}

TEST_CASE("only what there is can be cut off", "[cut_off]") {
    TestVault vault;
    CHECK(cut_off_recipient(vault, "nobody") == "NOT_FOUND");
    CHECK(cut_off_region(vault, "moon") == "NOT_FOUND");
    CHECK(cut_off_bank(vault, 7) == "NOT_FOUND");
    CHECK(exit_tenant(vault, "overseas ") == "VALUE_INVALID");
    // One that is no longer in the policy still has tokens.
    auto json = nlohmann::json::parse(policy::example_policy());
    json["policy"]["version"] = 4;
    json["policy"]["supersedes"] = 3;
    json["recipients"].erase("hosting");
    REQUIRE(vault.publish(json.dump()) == "4");
    CHECK(cut_off_recipient(vault, "hosting").empty());
    vault.close();
    const auto log = vault.audit_log();
    CHECK(std::ranges::count(log, audit::Action::cut_off, &audit::Entry::action) == 5);
    CHECK(std::ranges::count(log, audit::Action::erase_final, &audit::Entry::action) == 1);
}

TEST_CASE("a region's values die with its key, and others live", "[cut_off]") {
    TestVault vault;
    const std::string ann = vault.person("c-1", "ann@example.org", "email");
    REQUIRE(vault.publish(policy_of_the_south()) == "4");
    REQUIRE(vault.consent("c-1", "policy").empty());  // asked again
    const std::string bob = vault.person("c-2", "bob@example.org", "email");
    vault.close();
    vault.save_data("old");
    vault.open();
    REQUIRE(vault.detokenize(ann) == "ann@example.org");
    REQUIRE(vault.detokenize(bob) == "bob@example.org");

    CHECK(cut_off_region(vault, "cn").empty());
    CHECK(vault.detokenize(ann) == "ERASED");
    CHECK(vault.read("c-1", "email") == "ERASED");
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(vault.detokenize(bob) == "bob@example.org");
    CHECK(vault.put("c-1", {{"email", "ann@example.com"}}) == "WRONG_STATE");
    CHECK(vault.put("c-2", {{"email", "bob@example.com"}}).empty());
    CHECK(cut_off_region(vault, "cn") == "ERASED");
    CHECK(vault.erase("c-1").empty());  // who they are is not under the region's key

    restore(vault, "old");
    CHECK(vault.detokenize(ann) == "ERASED");
    CHECK(vault.detokenize(bob) == "bob@example.org");
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(cut_off_region(vault, "cn") == "ERASED");
}

TEST_CASE("everybody of a bank is erased, and new people go to the next one", "[cut_off]") {
    TestVault vault;
    std::vector<std::string> tokens;
    for (int i = 0; i < 30; ++i) {
        tokens.push_back(
            vault.person("c-" + std::to_string(i), std::to_string(i) + "@example.org", "email"));
    }
    vault.close();
    vault.save_data("old");
    vault.open();
    CHECK(cut_off_bank(vault, 0).empty());
    CHECK(vault->status().index_entries == 0);
    for (const std::string& token : tokens) CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault.read("c-1", "email") == "NOT_FOUND");
    CHECK(vault.search("email", "1@example.org").empty());
    CHECK(cut_off_bank(vault, 0) == "ERASED");

    const std::string fresh = vault.person("c-1", "new@example.org", "email");
    CHECK(vault.detokenize(fresh) == "new@example.org");
    vault.reopen();
    CHECK(vault.detokenize(fresh) == "new@example.org");
    CHECK(vault->status().index_entries == 2);
    CHECK(vault.detokenize(tokens.front()) == "ERASED");

    restore(vault, "old");
    for (const std::string& token : tokens) CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault->status().index_entries == 0);
    CHECK(vault.detokenize(vault.person("c-1", "ann")) == "ann");
}

TEST_CASE("a tenant's exit destroys everything for good", "[cut_off]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    vault.close();
    vault.save_data("old");
    vault.open();
    CHECK(exit_tenant(vault, "overseas").empty());
    CHECK_FALSE(vault.authenticate("web"));
    CHECK_FALSE(vault.authenticate("privacy_officer"));
    CHECK(vault->list_clients().empty());
    CHECK(vault->status().index_entries == 0);
    CHECK(exit_tenant(vault, "overseas") == "ERASED");
    vault.reopen();
    CHECK_FALSE(vault.authenticate("web"));
    CHECK(vault->status().plane.waiting == 0);
    restore(vault, "old");
    CHECK_FALSE(vault.authenticate("web"));
    CHECK_FALSE(vault.authenticate("policy_admin"));
    CHECK(vault->status().index_entries == 0);
    CHECK(exit_tenant(vault, "overseas") == "ERASED");
}

TEST_CASE("a cut-off that was answered survives a crash", "[cut_off]") {
    TestVault vault;
    const std::string ann = vault.person("c-1", "ann@example.org", "email");
    vault.close();
    vault.save_data("old");
    const bool is_region = GENERATE(true, false);
    REQUIRE(crypto::testing::child_succeeds([&] {
        vault.open();
        const CutOff region{RevocationScope::region, "cn", 0};
        const CutOff recipient{RevocationScope::recipient, "web", 0};
        const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
            vault->cut_off({}, is_region ? region : recipient, std::move(done), {});
        });
        ::_exit(answer ? 0 : 1);  // no destructor runs
        return 1;
    }));
    SECTION("and a restart") {}
    SECTION("and an older copy of the data") {
        vault.restore_data("old");
    }
    vault.open();
    // A token of a table cannot be told from any other text without the recipient's key.
    CHECK(vault.detokenize(ann) == (is_region ? "ERASED" : "NOT_FOUND"));
}

}  // namespace oubliette::testing
