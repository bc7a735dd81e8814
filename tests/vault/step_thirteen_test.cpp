#include "tests/vault/vault_fixture.hpp"
#include "vault/standing.hpp"

// Step 13 of the decision: fields kept apart, budgets of people, people whose data goes abroad.

namespace oubliette::testing {
namespace {

// The subject as web sees it for `own_account`, and its account number for `campaign`.
void make_person(TestVault& vault, const std::string& subject) {
    REQUIRE(vault.consent(subject, "policy").empty());
    REQUIRE(vault.consent(subject, "campaign").empty());
    REQUIRE(
        vault.put(subject, {{"real_name", "Ann Example"}, {"mobile", "+8613800000001"}}).empty());
    REQUIRE(vault.put(subject, {{"account_no", "6222020000000000001"}}, nullptr, "web", "campaign")
                .empty());
}

std::string budget_of_two() {
    return edited_policy({{R"("subjects_per_hour": 5000)", R"("subjects_per_hour": 2)"}});
}

std::string limit_of(unsigned people) {
    return edited_policy(
        {{R"("assessment": "PIA-2022-07" })",
          R"("assessment": "PIA-2022-07", "people_per_year": )" + std::to_string(people) + " }"}});
}

// Somebody whose name may go to the German company.
void make_exported(TestVault& vault, const std::string& subject) {
    (void)vault.person(subject, "user of " + subject);
    REQUIRE(vault.consent(subject, "export_de").empty());
}

std::string export_to_germany(TestVault& vault, const std::string& subject) {
    return vault.read(subject, "username", "affiliate_de", "support");
}

std::uint64_t exported(TestVault& vault) {
    std::uint64_t people = 0;
    for (const ExportReport& report : vault->standing().exports()) people += report.people;
    return people;
}

}  // namespace

TEST_CASE("policy 1.1: no client brings together what never_together keeps apart", "[promise]") {
    TestVault vault;
    make_person(vault, "ann");
    make_person(vault, "ben");
    CHECK(vault.read("ann", "real_name") == "Ann Example");
    CHECK(vault.read("ann", "mobile") == "+8613800000001");
    CHECK(vault.read("ann", "account_no", "web", "campaign") == "LINKAGE");
    // Another order, and another person: the set counts for each person alone.
    CHECK(vault.read("ben", "account_no", "web", "campaign").ends_with("0001"));
    CHECK(vault.read("ben", "real_name") == "Ann Example");
    CHECK(vault.read("ben", "mobile") == "LINKAGE");
    // The refused field was not seen: repeating what was seen is no linkage.
    CHECK(vault.read("ben", "account_no", "web", "campaign").ends_with("0001"));
    // Ten minutes later the first sight is forgotten.
    vault.clock.stay_awake(600);
    CHECK(vault.read("ann", "account_no", "web", "campaign").ends_with("0001"));
}

TEST_CASE("the clock on the wall does not shorten the window of never_together", "[promise]") {
    TestVault vault;
    make_person(vault, "ann");
    CHECK(vault.read("ann", "real_name") == "Ann Example");
    CHECK(vault.read("ann", "mobile") == "+8613800000001");
    vault.clock.advance(kHour);
    CHECK(vault.read("ann", "account_no", "web", "campaign") == "LINKAGE");
}

TEST_CASE("subject requests see everything together", "[promise]") {
    TestVault vault;
    make_person(vault, "ann");
    for (const char* field : {"real_name", "mobile", "account_no"}) {
        CHECK(vault.read("ann", field, "privacy_officer", "subject_rights") != "LINKAGE");
    }
}

TEST_CASE("a client reads as many different people an hour as its recipient may") {
    TestVault vault{budget_of_two()};
    for (const char* subject : {"ann", "ben", "cora"}) {
        (void)vault.person(subject, "+8613800000001", "mobile");
        REQUIRE(vault.consent(subject, "promote").empty());
    }
    const auto read = [&](const char* subject) {
        return vault.read(subject, "mobile", "marketing", "promote");
    };
    CHECK(read("ann") == "+8613800000001");
    vault.clock.stay_awake(60);
    CHECK(read("ben") == "+8613800000001");
    CHECK(read("ann") == "+8613800000001");  // counted already
    CHECK(read("cora") == "SUBJECT_BUDGET");
    vault.clock.stay_awake(kHour - 61);
    CHECK(read("cora") == "SUBJECT_BUDGET");
    vault.clock.stay_awake(1);  // ann's hour is over, ben's is not
    CHECK(read("cora") == "+8613800000001");
    CHECK(read("ann") == "SUBJECT_BUDGET");
}

TEST_CASE("policy 6b: people whose data goes abroad are counted, warned of and stopped",
          "[promise]") {
    TestVault vault{limit_of(10)};
    const auto name = [](int i) { return "p" + std::to_string(i); };
    for (int i = 0; i < 11; ++i) make_exported(vault, name(i));
    for (int i = 0; i < 8; ++i) CHECK(export_to_germany(vault, name(i)) == "user of " + name(i));
    CHECK_FALSE(vault->standing().exports().front().is_alarm);
    CHECK(export_to_germany(vault, name(8)) == "user of " + name(8));
    CHECK(vault->standing().exports().front().is_alarm);
    CHECK(export_to_germany(vault, name(9)) == "user of " + name(9));
    CHECK(export_to_germany(vault, name(10)) == "EXPORT_LIMIT");
    CHECK(export_to_germany(vault, name(3)) == "user of " + name(3));  // counted before
    CHECK(exported(vault) == 10);

    SECTION("a restart forgets nobody") {
        vault.reopen();
        CHECK(exported(vault) == 10);
        CHECK(export_to_germany(vault, name(10)) == "EXPORT_LIMIT");
        CHECK(export_to_germany(vault, name(3)) == "user of " + name(3));
    }
    SECTION("who is erased stays counted") {
        REQUIRE(vault.erase(name(0)).empty());
        CHECK(exported(vault) == 10);
        CHECK(export_to_germany(vault, name(10)) == "EXPORT_LIMIT");
    }
    SECTION("the next year begins at nothing") {
        vault.clock.advance(364 * kDay);
        CHECK(export_to_germany(vault, name(10)) == "EXPORT_LIMIT");
        vault.clock.advance(kDay);  // 2027; the grants are over by then
        REQUIRE(vault.consent(name(10), "export_de").empty());
        CHECK(export_to_germany(vault, name(10)) == "user of " + name(10));
    }
    SECTION("the alarm is in the log, once") {
        vault.close();
        const auto entries = vault.audit_log();
        CHECK(std::ranges::count(entries, audit::Action::export_alarm, &audit::Entry::action) == 1);
    }
}

TEST_CASE("a refused read counts nobody", "[promise]") {
    TestVault vault{limit_of(1)};
    (void)vault.person("ann", "user of ann");
    CHECK(export_to_germany(vault, "ann") == "CROSS_BORDER_NO_CONSENT");
    CHECK(exported(vault) == 0);
    REQUIRE(vault.consent("ann", "export_de").empty());
    CHECK(export_to_germany(vault, "ann") == "user of ann");
    CHECK(exported(vault) == 1);
}

}  // namespace oubliette::testing
