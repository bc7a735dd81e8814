#include <algorithm>

#include "tests/vault/exceptions_fixture.hpp"

// Disclosure orders and break-glass: what they open, and everything that they do not.

namespace oubliette::testing {
namespace {

OrderRequest court_order(std::vector<std::string_view> subjects,
                         std::vector<std::string_view> fields) {
    OrderRequest request;
    request.basis = "criminal_case";
    request.authority = "district court";
    request.subjects = std::move(subjects);
    request.fields = std::move(fields);
    request.paper = some_hash();
    return request;
}

OrderRequest emergency(std::string_view subject) {
    OrderRequest request;
    request.basis = "vital_interest";
    request.authority = "ambulance";
    request.subjects = {subject};
    request.fields = {"mobile"};
    return request;
}

}  // namespace

TEST_CASE("an order opens what it names when two people in two roles approved", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    CHECK(vault.read_for("disclosure", "", "c-1", "username") == "ORDER_REQUIRED");
    const auto order = vault.open_order(court_order({"c-1"}, {"username"}));
    REQUIRE(order.code.empty());
    const ExceptionId id = order.thing.id;
    CHECK(vault.read_under(id, "c-1", "username") == "ORDER_NEEDS_APPROVAL");
    CHECK(vault.approve_order(id, "privacy_officer").code.empty());
    CHECK(vault.read_under(id, "c-1", "username") == "ORDER_NEEDS_APPROVAL");
    CHECK(vault.approve_order(id, "privacy_officer").code == "SAME_APPROVER");
    CHECK(vault.approve_order(id, "officer2").code == "ROLE_DENIED");  // the role is there
    CHECK(vault.approve_order(id, "duty").code == "ROLE_DENIED");
    CHECK(vault.approve_order(id, "legal").code.empty());
    CHECK(vault.read_under(id, "c-1", "username") == "ann");
    CHECK(vault.approve_order(id, "counsel").code == "WRONG_STATE");
    // It survives a restart.
    vault.reopen();
    CHECK(vault.read_under(id, "c-1", "username") == "ann");
}

TEST_CASE("an order widens nothing beside its people and fields", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    (void)vault.person("c-2", "bob");
    REQUIRE(vault.put("c-1", {{"email", "ann@example.org"}}).empty());
    const ExceptionId id = vault.live_order(court_order({"c-1"}, {"username"}));
    CHECK(vault.read_under(id, "c-1", "username") == "ann");
    CHECK(vault.read_under(id, "c-1", "email") == "ORDER_SCOPE");
    CHECK(vault.read_under(id, "c-2", "username") == "ORDER_SCOPE");
    const std::string name = exception_id_text(ExceptionKind::order, id);
    // Other purposes and other recipients are as they were.
    CHECK(vault.read_for("incident", name, "c-1", "username") == "FIELD_NOT_NECESSARY");
    CHECK(vault.read_for("disclosure", name, "c-1", "username", "web") == "PURPOSE_NOT_ALLOWED");
    CHECK(vault.read_for("promote", name, "c-1", "email", "marketing") == "CONSENT_MISSING");
    // Nonsense for an id is no order.
    CHECK(vault.read_for("disclosure", "or_00", "c-1", "username") == "ORDER_REQUIRED");
    CHECK(vault.read_for("disclosure", "or_" + std::string(32, '0'), "c-1", "username") ==
          "ORDER_REQUIRED");
}

TEST_CASE("an order ends by its time, and for good when it is closed", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    const ExceptionId first = vault.live_order(court_order({"c-1"}, {"username"}));
    const ExceptionId second = vault.live_order(court_order({"c-1"}, {"username"}));
    vault.close();
    vault.save_data("before");
    vault.open();
    CHECK(vault.close_order(second).code.empty());
    CHECK(vault.read_under(second, "c-1", "username") == "ORDER_EXPIRED");
    CHECK(vault.read_under(first, "c-1", "username") == "ann");
    vault.clock.advance(31 * kDay);
    CHECK(vault.read_under(first, "c-1", "username") == "ORDER_EXPIRED");
    CHECK(vault.approve_order(first, "counsel").code == "ORDER_EXPIRED");
    // An older copy of the data does not revive the one that was closed.
    vault.close();
    vault.restore_data("before");
    vault.clock.set({ManualClock::kStart + kHour});
    vault.open();
    CHECK(vault.read_under(second, "c-1", "username") == "ORDER_EXPIRED");
    CHECK(vault.read_under(first, "c-1", "username") == "ann");
}

TEST_CASE("an order whose end the day floor passed stays ended when the clock is set back",
          "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    auto request = court_order({"c-1"}, {"username"});
    request.expires = Timestamp{ManualClock::kStart + kDay};
    const ExceptionId id = vault.live_order(request);
    // A jump of the clock alone ends nothing for good.
    vault.clock.advance(20 * kDay);
    vault->orders().end_expired(vault.day_floor());
    CHECK(vault.read_under(id, "c-1", "username") == "ORDER_EXPIRED");
    vault.clock.set({ManualClock::kStart + kHour});
    CHECK(vault.read_under(id, "c-1", "username") == "ann");
    vault.let_days_pass(6);
    vault.clock.set({ManualClock::kStart + kHour});
    vault.reopen();
    CHECK(vault.read_under(id, "c-1", "username") == "ORDER_EXPIRED");
}

TEST_CASE("opening an order is refused", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    (void)vault.person("c-2", "bob");
    auto request = court_order({"c-1"}, {"username"});
    std::string expected;
    SECTION("for a basis that the policy does not have") {
        request.basis = "curiosity";
        expected = "VALUE_INVALID";
    }
    SECTION("without the paper") {
        request.paper = {};
        expected = "EVIDENCE_REQUIRED";
    }
    SECTION("for an authority abroad without the regulator's permit") {
        request.basis = "foreign_authority";
        expected = "EVIDENCE_REQUIRED";
    }
    SECTION("for an authority abroad under a basis of home") {
        request.country = "DE";
        expected = "EVIDENCE_REQUIRED";
    }
    SECTION("for somebody nobody knows") {
        request.subjects = {"c-9"};
        expected = "NOT_FOUND";
    }
    SECTION("for a field that the policy does not have") {
        request.fields = {"shoe_size"};
        expected = "FIELD_UNKNOWN";
    }
    SECTION("for longer than the rule") {
        request.expires = Timestamp{ManualClock::kStart + 31 * kDay};
        expected = "ORDER_SCOPE";
    }
    SECTION("with an end in the past") {
        request.expires = Timestamp{ManualClock::kStart - kDay};
        expected = "VALUE_INVALID";
    }
    SECTION("for a second person in an emergency") {
        request.basis = "vital_interest";
        request.subjects = {"c-1", "c-2"};
        expected = "ORDER_SCOPE";
    }
    CHECK(vault.open_order(request).code == expected);
    CHECK(vault->orders().list().empty());
}

TEST_CASE("an order to publish needs one approval more", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    auto request = court_order({"c-1"}, {"username"});
    request.is_public = true;
    const auto order = vault.open_order(request);
    REQUIRE(vault.approve_order(order.thing.id, "privacy_officer").code.empty());
    REQUIRE(vault.approve_order(order.thing.id, "legal").code.empty());
    CHECK(vault.read_under(order.thing.id, "c-1", "username") == "ORDER_NEEDS_APPROVAL");
    REQUIRE(vault.approve_order(order.thing.id, "counsel").code.empty());
    CHECK(vault.read_under(order.thing.id, "c-1", "username") == "ann");
}

TEST_CASE("break-glass lasts a day and must be told within three", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "+8613900001234", "mobile");
    const ExceptionId id = vault.live_order(emergency("c-1"));
    CHECK(vault.read_under(id, "c-1", "mobile") == "+8613900001234");
    CHECK(vault->status().overdue_notices == 0);
    vault.clock.advance(kDay);
    CHECK(vault.read_under(id, "c-1", "mobile") == "ORDER_EXPIRED");
    CHECK(vault.close_order(id).code.empty());
    const ExceptionId other = vault.live_order(court_order({"c-1"}, {"mobile"}));
    CHECK(vault.read_under(other, "c-1", "mobile") == "+8613900001234");
    vault.clock.advance(2 * kDay);
    // The alarm, and the orders of the officer who opened it.
    CHECK(vault->status().overdue_notices == 1);
    const auto warnings = warnings_of(vault->status());
    CHECK(std::ranges::any_of(
        warnings, [](const std::string& line) { return line.find("break-glass") != line.npos; }));
    CHECK(vault.read_under(other, "c-1", "mobile") == "WRONG_STATE");
    CHECK(vault.open_order(court_order({"c-1"}, {"mobile"})).code == "WRONG_STATE");
    CHECK(vault.open_order(court_order({"c-1"}, {"mobile"}), "legal").code.empty());
    CHECK(vault.give_notice(id).code.empty());
    CHECK(vault->status().overdue_notices == 0);
    CHECK(vault.read_under(other, "c-1", "mobile") == "+8613900001234");
    CHECK(vault.give_notice(id).code == "WRONG_STATE");
}

TEST_CASE("an order on what is public opens only values that are marked so", "[orders]") {
    ExceptionVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    PutRequest put{"c-1", "own_account", {}};
    put.fields.push_back({"real_name",
                          {policy::ValueKind::text, "Ann Example"},
                          PublicSourceInput{some_hash(), {}}});
    put.fields.push_back({"email", {policy::ValueKind::text, "ann@example.org"}});
    REQUIRE(wait_for<PutAnswer>([&](Done<PutAnswer> done) {
                vault->put(vault.caller("web"), put, std::move(done));
            })->errors.empty());
    auto request = court_order({"c-1"}, {"real_name", "email"});
    request.basis = "already_public";
    const ExceptionId id = vault.live_order(request);
    CHECK(vault.read_under(id, "c-1", "real_name") == "Ann Example");
    CHECK(vault.read_under(id, "c-1", "email") == "ORDER_SCOPE");
    // The mark is of the value, not of the field.
    REQUIRE(vault.put("c-1", {{"real_name", "Ann Other"}}).empty());
    CHECK(vault.read_under(id, "c-1", "real_name") == "ORDER_SCOPE");
}

TEST_CASE("who was in an order dies with the person", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    const ExceptionId id = vault.live_order(court_order({"c-1"}, {"username"}));
    REQUIRE(vault.erase("c-1").empty());
    (void)vault.person("c-1", "another ann");
    CHECK(vault.read_under(id, "c-1", "username") == "ORDER_SCOPE");
}

TEST_CASE("each act on an order is in the log, and reads name the order", "[orders]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    const ExceptionId id = vault.live_order(court_order({"c-1"}, {"username"}));
    CHECK(vault.read_under(id, "c-1", "username") == "ann");
    CHECK(vault.close_order(id).code.empty());
    vault.close();
    std::vector<audit::Action> actions;
    for (const audit::Entry& entry : vault.audit_log()) {
        if (entry.object == id) actions.push_back(entry.action);
    }
    using audit::Action;
    CHECK(actions == std::vector{Action::order_open, Action::order_approve, Action::order_approve,
                                 Action::read, Action::order_close});
}

}  // namespace oubliette::testing
