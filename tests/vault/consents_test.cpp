#include "tests/vault/vault_fixture.hpp"

// Consents: who may write them, what they open, and that they can be taken back.

namespace oubliette::testing {

using policy::ConsentKind;

namespace {

std::string states(TestVault& vault, const std::string& subject, const std::string& by = "web") {
    const auto records =
        wait_for<std::vector<ConsentRecord>>([&](Done<std::vector<ConsentRecord>> done) {
            vault->list_consents(vault.caller(by), subject, std::move(done));
        });
    if (!records) return std::string{wire_name(records.error())};
    std::string joined;
    for (const ConsentRecord& record : *records) {
        joined +=
            (joined.empty() ? "" : " ") + record.slot + ":" + std::string{name_of(record.state)};
    }
    return joined;
}

}  // namespace

TEST_CASE("a withdrawal acts on the next read, and a grant opens again", "[consents]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    CHECK(vault.consent("c-1", "policy", false).empty());
    CHECK(vault.detokenize(token) == "CONSENT_MISSING");
    CHECK(vault.read("c-1", "username") == "CONSENT_MISSING");
    CHECK(vault.put("c-1", {{"username", "bob"}}) == "CONSENT_MISSING");
    CHECK(vault.consent("c-1", "policy", false).empty());  // twice is once
    CHECK(vault.consent("c-1", "policy").empty());
    CHECK(vault.detokenize(token) == "ann");
    vault.reopen();
    CHECK(vault.detokenize(token) == "ann");
    CHECK(vault.consent("c-1", "policy", false).empty());
    vault.reopen();
    CHECK(vault.detokenize(token) == "CONSENT_MISSING");
}

TEST_CASE("a grant must be as strong as the slot asks", "[consents]") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    CHECK(vault.consent("c-1", "promote", true, ConsentKind::policy) == "CONSENT_KIND");
    CHECK(vault.consent("c-1", "identity_check", true, ConsentKind::express) == "CONSENT_KIND");
    CHECK(vault.consent("c-1", "identity_check", true, ConsentKind::separate).empty());
    CHECK(vault.consent("c-1", "improve", true, ConsentKind::separate).empty());
    CHECK(vault.consent("c-1", "nothing") == "SLOT_UNKNOWN");
    CHECK(vault.consent("c-2", "promote", false) == "NOT_FOUND");
    CHECK(vault.consent("", "policy") == "VALUE_INVALID");
}

TEST_CASE("a grant names the current version and all that had to be told", "[consents]") {
    TestVault vault;
    const auto grant = [&](std::uint16_t version, std::vector<std::string_view> told) {
        ConsentInput input;
        input.slot = "export_de";
        input.granted = true;
        input.policy_version = version;
        input.kind = ConsentKind::separate;
        input.told = std::move(told);
        const auto record = wait_for<ConsentRecord>([&](Done<ConsentRecord> done) {
            vault->put_consent(vault.caller("web"), "c-1", input, std::move(done));
        });
        return record ? std::string{} : std::string{wire_name(record.error())};
    };
    CHECK(grant(2, {}) == "VERSION_NOT_CURRENT");
    CHECK(grant(4, {}) == "VERSION_NOT_CURRENT");
    CHECK(grant(3, {"receiver", "purpose", "fields", "measures", "how_to_exercise_rights"}) ==
          "VALUE_INVALID");
    CHECK(vault.read("c-1", "username") == "NOT_FOUND");
    CHECK(grant(3, {"receiver", "purpose", "fields", "measures", "risks", "how_to_exercise_rights"})
              .empty());
}

TEST_CASE("only internal applications write consents", "[consents]") {
    TestVault vault;
    CHECK(vault.consent("c-1", "policy", true, ConsentKind::policy, "affiliate_motor") ==
          "ROLE_DENIED");
    CHECK(vault.consent("c-1", "policy", true, ConsentKind::policy, "policy_admin") ==
          "ROLE_DENIED");
    CHECK(vault.consent("c-1", "policy", true, ConsentKind::policy, "support_desk").empty());
    CHECK(vault.consent("c-1", "policy", false, ConsentKind::policy, "partner_idcheck") ==
          "ROLE_DENIED");
    CHECK(states(vault, "c-1") == "policy:live");
    CHECK(states(vault, "c-1", "partner_idcheck") == "ROLE_DENIED");
}

TEST_CASE("a grant ends on its day", "[consents]") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    REQUIRE(vault.consent("c-1", "campaign").empty());
    REQUIRE(
        vault.put("c-1", {{"account_no", "62220212345678"}}, nullptr, "web", "campaign").empty());
    const auto read = [&] { return vault.read("c-1", "account_no", "web", "campaign"); };
    CHECK(read() == "**********5678");
    vault.clock.advance(365 * kDay - 1);
    CHECK(read() == "**********5678");
    vault.clock.advance(1);
    CHECK(read() == "CONSENT_EXPIRED");
    CHECK(states(vault, "c-1") == "policy:live campaign:expired");
    vault.reopen();
    CHECK(read() == "CONSENT_EXPIRED");
    CHECK(vault.read("c-1", "username") == "ann");
    REQUIRE(vault.consent("c-1", "campaign").empty());
    CHECK(read() == "**********5678");
}

TEST_CASE("a slot whose meaning changed asks again", "[consents]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    REQUIRE(vault.consent("c-1", "improve").empty());
    REQUIRE(vault.put("c-1", {{"industry", "steel"}}).empty());
    CHECK(vault.read("c-1", "industry", "web", "improve") == "steel");
    CHECK(vault.publish(edited_policy(
              {{R"("version": 3, "supersedes": 2)", R"("version": 4, "supersedes": 3)"},
               {R"("improve":        { "ask": "express",  "since": 1)",
                R"("improve":        { "ask": "express",  "since": 4)"}})) == "4");
    CHECK(vault.read("c-1", "industry", "web", "improve") == "CONSENT_STALE");
    CHECK(vault.read("c-1", "industry") == "steel");
    CHECK(vault.detokenize(token) == "ann");
    CHECK(states(vault, "c-1").find("improve:stale") != std::string::npos);
    vault.reopen();
    CHECK(vault.read("c-1", "industry", "web", "improve") == "CONSENT_STALE");
    REQUIRE(vault.consent("c-1", "improve").empty());
    CHECK(vault.read("c-1", "industry", "web", "improve") == "steel");
    // A withdrawal ends the old grant as well as the new one.
    REQUIRE(vault.consent("c-1", "improve", false).empty());
    CHECK(vault.read("c-1", "industry", "web", "improve") == "CONSENT_MISSING");
}

TEST_CASE("an objection ends what needed no question", "[consents]") {
    constexpr const char* kNotObjected = "not_objected.promote";
    TestVault vault;
    (void)vault.person("c-1", "ann@example.org", "email");
    REQUIRE(vault.consent("c-1", "promote").empty());
    CHECK(vault.read("c-1", "email", "marketing", "promote") == "ann@example.org");
    REQUIRE(vault.consent("c-1", kNotObjected, false).empty());
    CHECK(vault.read("c-1", "email", "marketing", "promote") == "CONSENT_MISSING");
    CHECK(vault.read("c-1", "email") == "ann@example.org");
    vault.reopen();
    CHECK(vault.read("c-1", "email", "marketing", "promote") == "CONSENT_MISSING");
    REQUIRE(vault.consent("c-1", kNotObjected).empty());
    CHECK(vault.read("c-1", "email", "marketing", "promote") == "ann@example.org");
    REQUIRE(vault.consent("c-1", kNotObjected, false).empty());
    CHECK(vault.read("c-1", "email", "marketing", "promote") == "CONSENT_MISSING");

    // An older copy of the data does not undo the objection, nor a second one.
    vault.close();
    vault.save_data("objected");
    vault.open();
    REQUIRE(vault.consent("c-1", kNotObjected).empty());
    vault.close();
    vault.save_data("granted");
    vault.open();
    REQUIRE(vault.consent("c-1", kNotObjected, false).empty());
    vault.close();
    for (const char* copy : {"granted", "objected"}) {
        vault.restore_data(copy);
        vault.open();
        CHECK(vault->status().rolled_back);
        CHECK(vault.read("c-1", "email", "marketing", "promote") == "CONSENT_MISSING");
        CHECK(vault.read("c-1", "email") == "ann@example.org");
        vault.close();
    }
}

}  // namespace oubliette::testing
