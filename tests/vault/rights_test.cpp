#include <algorithm>

#include "tests/vault/requests_fixture.hpp"

using namespace oubliette;
using namespace oubliette::testing;

namespace {

std::string act(RequestVault& vault, RequestType type, std::string_view slot = {},
                std::string_view purpose = {}) {
    Requests::Opening opening;
    opening.type = type;
    opening.subject = "ann";
    opening.slot = slot;
    opening.purpose = purpose;
    const std::string id = vault.open_request(opening);
    if (!parse_request_id(id)) return id;
    Requests::Proof session;
    session.method = ProofMethod::session;
    if (vault.record(id).state == RequestState::proving) (void)vault.verify(id, session);
    if (vault.record(id).state == RequestState::proving) {
        (void)vault.prove(id, "email", "ann@example.org");
    }
    return vault.execute(id, "web");
}

void add_ann(RequestVault& vault) {
    REQUIRE(vault.consent("ann", "policy").empty());
    REQUIRE(vault
                .put("ann", {{"email", "ann@example.org"},
                             {"mobile", "+8613800000001"},
                             {"real_name", "Ann Lee"}})
                .empty());
}

DisclosurePage disclosures(RequestVault& vault, std::uint64_t from = 0, std::size_t count = 100) {
    auto page = wait_for<DisclosurePage>([&](Done<DisclosurePage> done) {
        vault->disclosures().list(vault.caller("privacy_officer"), {"ann", from, count, false},
                                  std::move(done));
    });
    REQUIRE(page.has_value());
    return std::move(*page);
}

std::vector<RecallRecord> recalls(RequestVault& vault, const std::string& by,
                                  const std::string& recipient) {
    const auto list = vault->recalls().list(vault.caller(by), recipient);
    REQUIRE(list.has_value());
    return *list;
}

Result<RecallRecord> acknowledge(RequestVault& vault, const std::string& by,
                                 const std::string& recipient, const keys::RequestId& id) {
    return wait_for<RecallRecord>([&](Done<RecallRecord> done) {
        vault->recalls().acknowledge(vault.caller(by), recipient, id, std::move(done));
    });
}

// The partner has read Ann's name and knows it.
void share_with_partner(RequestVault& vault) {
    REQUIRE(vault.consent("ann", "identity_check").empty());
    REQUIRE(vault.read("ann", "real_name", "partner_idcheck", "identity_check") == "Ann Lee");
}

// Promotion by marketing: what a put of this address would answer.
std::string import_mail(RequestVault& vault, const std::string& subject, const std::string& mail) {
    REQUIRE(vault.consent(subject, "policy").empty());
    REQUIRE(vault.consent(subject, "promote").empty());
    return vault.put(subject, {{"email", mail}}, nullptr, "marketing", "promote");
}

}  // namespace

TEST_CASE("a pause acts on the next request, survives an older copy, and only resuming ends it",
          "[requests][standing]") {
    RequestVault vault;
    add_ann(vault);
    vault.close();
    vault.save_data("before");
    vault.open();
    CHECK(act(vault, RequestType::pause) == "done");
    CHECK(vault.read("ann", "email") == "PAUSED");
    SECTION("resumed") {
        CHECK(act(vault, RequestType::resume) == "done");
        CHECK(vault.read("ann", "email") == "ann@example.org");
        CHECK(act(vault, RequestType::pause) == "done");
        CHECK(vault.read("ann", "email") == "PAUSED");
    }
    SECTION("an older copy") {
        vault.close();
        vault.restore_data("before");
        vault.open();
        CHECK(vault.read("ann", "email") == "PAUSED");
        CHECK(act(vault, RequestType::resume) == "done");
        CHECK(vault.read("ann", "email") == "ann@example.org");
    }
}

TEST_CASE("a restriction stops all but the purposes that say so; an officer lifts it",
          "[requests][standing]") {
    RequestVault vault;
    add_ann(vault);
    CHECK(act(vault, RequestType::restriction) == "done");
    CHECK(vault.read("ann", "email") == "RESTRICTED");
    CHECK(vault.read("ann", "email", "privacy_officer", "subject_rights") == "ann@example.org");
    CHECK(act(vault, RequestType::lift_restriction) == "ROLE_DENIED");
    Requests::Opening opening;
    opening.type = RequestType::lift_restriction;
    opening.subject = "ann";
    CHECK(vault.execute(vault.open_request(opening), "privacy_officer") == "done");
    CHECK(vault.read("ann", "email") == "ann@example.org");
}

TEST_CASE("an objection needs no proof and acts at once", "[requests][standing]") {
    RequestVault vault;
    add_ann(vault);
    REQUIRE(vault.consent("ann", "promote").empty());
    REQUIRE(vault.read("ann", "email", "marketing", "promote") == "ann@example.org");
    CHECK(act(vault, RequestType::objection, {}, "provide") == "PURPOSE_UNKNOWN");
    CHECK(act(vault, RequestType::objection, {}, "promote") == "done");
    CHECK(vault.read("ann", "email", "marketing", "promote") == "CONSENT_MISSING");
    CHECK(vault.read("ann", "email") == "ann@example.org");
    CHECK(act(vault, RequestType::withdraw, "nothing") == "SLOT_UNKNOWN");
    CHECK(act(vault, RequestType::withdraw, "promote") == "done");
}

TEST_CASE("who objected is not promoted to after the erasure either", "[suppressions]") {
    RequestVault vault;
    add_ann(vault);
    CHECK(import_mail(vault, "carl", "carl@example.org").empty());
    REQUIRE(act(vault, RequestType::objection, {}, "promote") == "done");
    REQUIRE(vault.erase("ann").empty());
    CHECK(import_mail(vault, "ann-2", "ANN@example.org") == "SUPPRESSED");
    CHECK(vault.tokenize("ann-2", "email", "ann@example.org", {}, "marketing", "promote") ==
          "SUPPRESSED");
    CHECK(vault.put("ann-2", {{"email", "ann@example.org"}}).empty());
    CHECK(import_mail(vault, "bob", "bob@example.org").empty());
}

TEST_CASE("withdrawing the consent to promotion suppresses, granting it again frees",
          "[suppressions]") {
    RequestVault vault;
    add_ann(vault);
    REQUIRE(vault.consent("ann", "promote").empty());
    REQUIRE(vault.consent("ann", "promote", false).empty());
    CHECK(import_mail(vault, "ann-2", "ann@example.org") == "SUPPRESSED");
    REQUIRE(vault.consent("ann", "promote").empty());
    CHECK(import_mail(vault, "ann-3", "ann@example.org").empty());
}

TEST_CASE("an entry is made by hand for a purpose that people may object to", "[suppressions]") {
    RequestVault vault;
    const auto set = [&](Suppressions::Entry entry, const std::string& by = "privacy_officer") {
        const auto done = wait_for<bool>([&](Done<bool> answer) {
            vault->suppressions().set(vault.caller(by), entry, std::move(answer));
        });
        return done ? std::string{} : std::string{wire_name(done.error())};
    };
    CHECK(set({"provide", "email", "bob@example.org"}) == "PURPOSE_UNKNOWN");
    CHECK(set({"promote", "nothing", "bob@example.org"}) == "FIELD_UNKNOWN");
    CHECK(set({"promote", "username", "bob"}) == "VALUE_INVALID");
    CHECK(set({"promote", "email", "bob@example.org"}, "affiliate_motor") == "ROLE_DENIED");
    CHECK(set({"promote", "email", "bob@example.org"}).empty());
    CHECK(import_mail(vault, "bob", "bob@example.org") == "SUPPRESSED");
    CHECK(set({"promote", "email", "bob@example.org", false}).empty());
    CHECK(import_mail(vault, "bob", "bob@example.org").empty());
}

TEST_CASE("a campaign ends once, for everybody, and no older copy forgets it", "[campaigns]") {
    RequestVault vault;
    add_ann(vault);
    REQUIRE(vault.consent("ann", "campaign").empty());
    REQUIRE(vault.put("ann", {{"account_no", "6222020200112233445"}}, nullptr, "web", "campaign")
                .empty());
    const auto end = [&](const std::string& slot, const std::string& by = "privacy_officer") {
        return wait_for<Timestamp>([&](Done<Timestamp> done) {
            vault->campaigns().end(vault.caller(by), slot, std::move(done));
        });
    };
    CHECK(end("policy").error() == Refusal::slot_unknown);
    CHECK(end("campaign", "web").error() == Refusal::role_denied);
    vault.close();
    vault.save_data("before");
    vault.open();
    const auto ended = end("campaign");
    REQUIRE(ended.has_value());
    vault.clock.advance(30 * kDay);
    const auto again = end("campaign");
    REQUIRE(again.has_value());
    CHECK(again->seconds == ended->seconds);
    CHECK(vault.read("ann", "account_no", "marketing", "campaign") == "***************3445");
    SECTION("as it is") {}
    SECTION("after a restart") {
        vault.reopen();
    }
    SECTION("in an older copy") {
        vault.close();
        vault.restore_data("before");
        vault.open();
    }
    vault.clock.advance(61 * kDay);
    CHECK(vault.read("ann", "account_no", "marketing", "campaign") == "RETENTION_ENDED");
    CHECK(vault.read("ann", "email") == "ann@example.org");
}

TEST_CASE("who saw a person's data is found, page by page, and by nobody after the erasure",
          "[disclosures]") {
    RequestVault vault;
    add_ann(vault);
    REQUIRE(vault.person("bob", "b").size() > 5);
    for (int i = 0; i < 70; ++i) REQUIRE(vault.read("ann", "email") == "ann@example.org");
    REQUIRE(vault.read("bob", "username") == "b");
    REQUIRE(vault.read("ann", "account_no", "web", "campaign") == "CONSENT_MISSING");
    share_with_partner(vault);
    std::size_t found = 0;
    std::uint64_t from = 0;
    bool has_partner = false;
    for (;;) {
        const DisclosurePage page = disclosures(vault, from, 20);
        CHECK(page.items.size() <= 20);
        found += page.items.size();
        for (const DisclosureItem& item : page.items) {
            CHECK_FALSE(item.refusal.has_value());
            has_partner |= item.recipient == "partner_idcheck" && item.field == "real_name" &&
                           item.purpose == "identity_check" &&
                           item.client_name == "app-partner_idcheck";
        }
        if (!page.next) break;
        from = *page.next;
    }
    CHECK(found == 71);
    CHECK(has_partner);
    const auto denied = wait_for<DisclosurePage>([&](Done<DisclosurePage> done) {
        vault->disclosures().list(vault.caller("web"), {"ann", 0, 1, false}, std::move(done));
    });
    CHECK(denied.error() == Refusal::role_denied);
    REQUIRE(vault.erase("ann").empty());
    const auto gone = wait_for<DisclosurePage>([&](Done<DisclosurePage> done) {
        vault->disclosures().list(vault.caller("privacy_officer"), {"ann", 0, 1, false},
                                  std::move(done));
    });
    CHECK(gone.error() == Refusal::not_found);
}

TEST_CASE("a recipient that got data is recalled when the consent ends, and acknowledges",
          "[recalls]") {
    RequestVault vault;
    add_ann(vault);
    share_with_partner(vault);
    REQUIRE(vault.consent("ann", "improve").empty());
    REQUIRE(vault.consent("ann", "improve", false).empty());
    CHECK(recalls(vault, "partner_idcheck", "partner_idcheck").empty());
    REQUIRE(vault.consent("ann", "identity_check", false).empty());
    const auto open = recalls(vault, "partner_idcheck", "partner_idcheck");
    REQUIRE(open.size() == 1);
    CHECK(open.front().reason == RecallReason::withdrawal);
    CHECK(open.front().fields.size() == 1);
    CHECK(vault->recalls().list(vault.caller("web"), "partner_idcheck").error() ==
          Refusal::role_denied);
    vault.clock.advance(7 * kDay);
    CHECK(vault->status().recalls_overdue == 1);
    CHECK(acknowledge(vault, "web", "partner_idcheck", open.front().id).error() ==
          Refusal::role_denied);
    CHECK(acknowledge(vault, "affiliate_motor", "affiliate_motor", open.front().id).error() ==
          Refusal::not_found);
    CHECK(acknowledge(vault, "partner_idcheck", "partner_idcheck", open.front().id).has_value());
    CHECK(acknowledge(vault, "partner_idcheck", "partner_idcheck", open.front().id).has_value());
    CHECK(vault->status().recalls_overdue == 0);
    CHECK(recalls(vault, "partner_idcheck", "partner_idcheck").empty());
}

TEST_CASE("an erasure recalls from whoever was shown something, also before a restart",
          "[recalls]") {
    RequestVault vault;
    add_ann(vault);
    share_with_partner(vault);
    vault.reopen();
    REQUIRE(vault.erase("ann").empty());
    const auto open = recalls(vault, "privacy_officer", "partner_idcheck");
    REQUIRE(open.size() == 1);
    CHECK(open.front().reason == RecallReason::erasure);
    CHECK(recalls(vault, "privacy_officer", "affiliate_motor").empty());
}

TEST_CASE("the plan says what would go, and changes nothing", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    share_with_partner(vault);
    Requests::Opening opening;
    opening.type = RequestType::erasure;
    opening.subject = "ann";
    const std::string id = vault.open_request(opening);
    const auto plan =
        vault->requests().plan(vault.caller("privacy_officer"), *parse_request_id(id));
    REQUIRE(plan.has_value());
    std::uint64_t values = 0;
    for (const auto& category : plan->categories) values += category.values;
    CHECK(values == 3);
    CHECK(plan->held.empty());
    CHECK(plan->consents == 2);
    REQUIRE(plan->recalls.size() == 1);
    CHECK(std::ranges::find(plan->tokens_of, "web") != plan->tokens_of.end());
    CHECK(vault.read("ann", "email") == "ann@example.org");
    CHECK(vault->requests().plan(vault.caller("web"), *parse_request_id(id)).error() ==
          Refusal::role_denied);
}
