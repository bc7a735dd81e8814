#include <algorithm>
#include <random>

#include "tests/vault/exceptions_fixture.hpp"
#include "vault/held_values.hpp"
#include "vault/people/records.hpp"
#include "vault/receipt_check.hpp"
#include "vault/receipt_json.hpp"
#include "vault/tables.hpp"

// Legal holds: what they keep from erasure and retention, and what happens when they end.

namespace oubliette::testing {
namespace {

constexpr std::uint32_t kReview = ManualClock::kStart + 90 * kDay;

HoldRequest tax_hold(std::string_view subject = "c-1") {
    HoldRequest request;
    request.subject = subject;
    request.ground = "legal_obligation";
    request.categories = {"orders"};
    request.review = Timestamp{kReview};
    request.law = "tax code";
    return request;
}

HoldRequest court_hold(std::string_view subject = "c-1") {
    HoldRequest request = tax_hold(subject);
    request.ground = "criminal_case";
    request.law = {};
    return request;
}

// A shop customer with a name, a mail address and an order.
void customer(ExceptionVault& vault, const std::string& subject = "c-1") {
    (void)vault.person(subject, "ann");
    REQUIRE(vault.put(subject, {{"email", subject + "@example.org"}}).empty());
    vault.put_order_info(subject);
}

ReceiptReport check(ExceptionVault& vault, const ErasureRow& row, const ByteArray<32>& opening) {
    const auto file = read_receipt_file(receipt_json(vault->receipt_of(row)));
    REQUIRE(std::holds_alternative<ReceiptFile>(file));
    ReceiptQuestion question;
    question.keys = vault->receipt_keys();
    question.external_id = "c-1";
    question.opening = opening;
    return check_receipt(std::get<ReceiptFile>(file).receipt, question);
}

constexpr const char* kOrder = R"({"sum":12})";

}  // namespace

TEST_CASE("the keys that die around held items are all others, each once", "[holds]") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    const keys::Path person = keys::person_path(keys::kFirstTenant, {4'711});
    for (const std::size_t count : {0U, 1U, 3U, 40U, 400U}) {
        std::set<std::uint32_t> held;
        while (held.size() < count) {
            const std::uint32_t area = random() % 3 == 0 ? keys::kItemCountMax : 800;
            held.insert(1 + static_cast<std::uint32_t>(random() % (area - 1)));
        }
        const std::vector<keys::Path> dying = keys_but(person, held);
        CHECK(std::ranges::is_sorted(dying));
        const auto times = [&](const keys::Path& leaf) {
            return std::ranges::count_if(
                dying, [&](const keys::Path& path) { return path.is_prefix_of(leaf); });
        };
        CHECK(times(keys::fixed_path(person)) == 1);
        CHECK(times(keys::item_path(person, 0)) == 0);
        for (unsigned marker = 0; marker < keys::kImplicitMarkerCount; ++marker) {
            REQUIRE(times(keys::implicit_marker_path(person, marker)) == 1);
        }
        for (const std::uint32_t item : held) REQUIRE(times(keys::item_path(person, item)) == 0);
        for (int i = 0; i < 300; ++i) {
            const std::uint32_t area = i % 2 == 0 ? keys::kItemCountMax : 800;
            const auto item = 1 + static_cast<std::uint32_t>(random() % (area - 1));
            if (held.contains(item)) continue;
            REQUIRE(times(keys::item_path(person, item)) == 1);
        }
    }
}

TEST_CASE("an erasure goes around a hold and finishes by itself when it is released", "[holds]") {
    ExceptionVault vault;
    customer(vault);
    const auto hold = vault.place_hold(tax_hold());
    REQUIRE(hold.code.empty());
    CHECK(hold.thing.row.state == HoldState::live);
    // A hold takes nothing away while the person is there.
    CHECK(vault.read("c-1", "order_info", "web", "provide") == kOrder);

    ErasureRow row;
    ByteArray<32> opening{};
    REQUIRE(vault.erase_around("c-1", &row, &opening).empty());
    REQUIRE(row.kept.size() == 1);
    CHECK(row.kept.front() == KeptCategory{"orders", "5.5(1)", Timestamp{kReview}});
    CHECK_FALSE(row.is_all_kept);
    CHECK(check(vault, row, opening).passed());
    CHECK(vault.read("c-1", "username") == "ERASED");
    CHECK(vault.read("c-1", "email") == "ERASED");
    CHECK(vault.read("c-1", "order_info", "web", "provide") == "RESTRICTED");
    CHECK(vault.read("c-1", "order_info", "support_desk", "support") == "RESTRICTED");
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == kOrder);
    CHECK(vault.put("c-1", {{"username", "ann"}}) == "ERASED");
    CHECK_FALSE(vault->find_rest(row).has_value());

    vault.reopen();
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == kOrder);
    CHECK(vault.read("c-1", "username") == "ERASED");
    // Asked again: the same erasure.
    ErasureRow again;
    bool first = true;
    REQUIRE(vault.erase_around("c-1", &again, nullptr, &first).empty());
    CHECK(again.id == row.id);
    CHECK_FALSE(first);

    REQUIRE(vault.release_hold(hold.thing.id, "legal").code.empty());
    const ErasureRow rest = vault.wait_for_rest(row);
    CHECK(rest.kept.empty());
    CHECK(check(vault, rest, opening).passed());
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == "NOT_FOUND");
    CHECK(vault.erase("c-1") == "NOT_FOUND");
    vault.reopen();
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == "NOT_FOUND");
}

// The count of people abroad is made with a person's own key, which is dead here.
TEST_CASE("what is held and stays at home is read under a rule that counts people abroad",
          "[holds]") {
    ExceptionVault vault{edited_policy(
        {{R"("country": "CN", "purposes": ["accounting", "campaign_pay"])",
          R"("country": "CN", "purposes": ["accounting", "campaign_pay"], "cross_border": )"
          R"({ "consent": "export_de", "mechanism": "standard_contract", )"
          R"("assessment": "PIA-2022-07", "people_per_year": 10 })"}})};
    customer(vault);
    REQUIRE(vault.place_hold(tax_hold()).code.empty());
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == kOrder);
    ErasureRow row;
    ByteArray<32> opening{};
    REQUIRE(vault.erase_around("c-1", &row, &opening).empty());
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == kOrder);
}

TEST_CASE("an erasure of which everything is held destroys no value", "[holds]") {
    ExceptionVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    vault.put_order_info("c-1");
    const auto hold = vault.place_hold(tax_hold());
    REQUIRE(hold.code.empty());
    ErasureRow row;
    REQUIRE(vault.erase_around("c-1", &row).empty());
    CHECK(row.is_all_kept);
    CHECK(vault.read("c-1", "order_info", "web", "provide") == "RESTRICTED");
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == kOrder);
    REQUIRE(vault.release_hold(hold.thing.id, "privacy_officer").code.empty());
    (void)vault.wait_for_rest(row);
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == "NOT_FOUND");
}

TEST_CASE("a hold lapses with the day floor, not with a clock that jumps", "[holds]") {
    ExceptionVault vault;
    customer(vault);
    HoldRequest request = tax_hold();
    request.review = Timestamp{ManualClock::kStart + 2 * kDay};
    REQUIRE(vault.place_hold(request).code.empty());
    ErasureRow row;
    REQUIRE(vault.erase_around("c-1", &row).empty());
    vault.clock.advance(1'000 * kDay);
    vault->holds().lapse_due(vault.day_floor());
    vault.reopen();
    vault->holds().lapse_due(vault.day_floor());
    CHECK(vault->holds().list().front().row.state == HoldState::live);
    vault.clock.set({ManualClock::kStart});
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == kOrder);
    vault.let_days_pass(7);
    (void)vault.wait_for_rest(row);
    const Hold hold = vault->holds().list().front();
    CHECK(hold.row.state == HoldState::lapsed);
    CHECK_FALSE(hold.row.subject.has_value());
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == "NOT_FOUND");
}

TEST_CASE("a hold without its second approver keeps nothing", "[holds]") {
    ExceptionVault vault;
    customer(vault, "c-1");
    customer(vault, "c-2");
    const auto first = vault.place_hold(court_hold("c-1"));
    REQUIRE(first.code.empty());
    CHECK(first.thing.row.state == HoldState::waiting);
    CHECK(vault.approve_hold(first.thing.id, "privacy_officer").code == "SAME_APPROVER");
    CHECK(vault.approve_hold(first.thing.id, "officer2").code == "ROLE_DENIED");
    const auto second = vault.place_hold(court_hold("c-2"));
    REQUIRE(vault.approve_hold(second.thing.id, "legal").code.empty());
    ErasureRow row;
    REQUIRE(vault.erase_around("c-1", &row).empty());
    CHECK(row.kept.empty());
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == "NOT_FOUND");
    REQUIRE(vault.erase_around("c-2", &row).empty());
    CHECK(row.kept.size() == 1);
    CHECK(vault.read("c-2", "order_info", "finance", "accounting") == kOrder);
    // Who goes whole is named by no hold any more.
    CHECK(vault->holds().find(first.thing.id)->row.state == HoldState::lapsed);
    // And as many release it as placed it.
    CHECK(vault.release_hold(second.thing.id, "privacy_officer").code == "NEEDS_SECOND");
    CHECK(vault.read("c-2", "order_info", "finance", "accounting") == kOrder);
    CHECK(vault.release_hold(second.thing.id, "privacy_officer").code == "SAME_APPROVER");
    CHECK(vault.release_hold(second.thing.id, "legal").code.empty());
    (void)vault.wait_for_rest(row);
    CHECK(vault.release_hold(second.thing.id, "legal").code == "WRONG_STATE");
}

TEST_CASE("placing a hold is refused", "[holds]") {
    ExceptionVault vault;
    customer(vault);
    HoldRequest request = court_hold();
    std::string expected;
    SECTION("on a ground that the policy does not have") {
        request.ground = "convenience";
        expected = "VALUE_INVALID";
    }
    SECTION("without a review date") {
        request.review.reset();
        expected = "VALUE_INVALID";
    }
    SECTION("for longer than the ground allows") {
        request.review = Timestamp{kReview + 30 * kDay};
        expected = "HOLD_TOO_WIDE";
    }
    SECTION("of nothing") {
        request.categories.clear();
        expected = "VALUE_INVALID";
    }
    SECTION("of a category nobody knows") {
        request.categories = {"shoes"};
        expected = "VALUE_INVALID";
    }
    SECTION("for abuse without evidence") {
        request.ground = "abuse";
        request.review = Timestamp{ManualClock::kStart + 20 * kDay};
        expected = "EVIDENCE_REQUIRED";
    }
    SECTION("by one person who does not name the law") {
        request.ground = "legal_obligation";
        expected = "EVIDENCE_REQUIRED";
    }
    SECTION("for a trade secret over a category") {
        request.ground = "trade_secret";
        expected = "HOLD_TOO_WIDE";
    }
    SECTION("for a trade secret over a direct identifier") {
        request.ground = "trade_secret";
        request.categories.clear();
        request.fields = {"real_name"};
        expected = "HOLD_TOO_WIDE";
    }
    SECTION("for somebody nobody knows") {
        request.subject = "c-9";
        expected = "NOT_FOUND";
    }
    CHECK(vault.place_hold(request).code == expected);
    CHECK(vault->holds().list().empty());
    ErasureRow row;
    REQUIRE(vault.erase_around("c-1", &row).empty());
    CHECK(row.kept.empty());
}

TEST_CASE("a second extension needs people who did not approve the first", "[holds]") {
    ExceptionVault vault;
    customer(vault);
    HoldRequest request = court_hold();
    request.ground = "vital_interest";
    request.review = Timestamp{ManualClock::kStart + 29 * kDay};
    const auto first = vault.place_hold(request);
    request.extends = first.thing.id;
    CHECK(vault.place_hold(request).code == "NEEDS_SECOND");
    REQUIRE(vault.approve_hold(first.thing.id, "legal").code.empty());
    const auto second = vault.place_hold(request);
    REQUIRE(second.code.empty());
    REQUIRE(vault.approve_hold(second.thing.id, "legal").code.empty());
    request.extends = second.thing.id;
    CHECK(vault.place_hold(request, "privacy_officer").code == "SAME_APPROVER");
    const auto third = vault.place_hold(request, "officer2");
    REQUIRE(third.code.empty());
    CHECK(vault.approve_hold(third.thing.id, "legal").code == "SAME_APPROVER");
    CHECK(vault.approve_hold(third.thing.id, "counsel").code.empty());
    request.ground = "criminal_case";
    CHECK(vault.place_hold(request, "officer2").code == "WRONG_STATE");
}

TEST_CASE("what is held is neither deleted nor lost when it is replaced", "[holds]") {
    ExceptionVault vault;
    customer(vault);
    HoldRequest request = tax_hold();
    request.categories.clear();
    request.fields = {"email"};
    const auto hold = vault.place_hold(request);
    REQUIRE(hold.code.empty());
    CHECK(vault.delete_field("c-1", "email") == "HELD");
    CHECK(vault.delete_field("c-1", "username").empty());
    REQUIRE(vault.put("c-1", {{"email", "new@example.org"}}).empty());
    CHECK(vault.read("c-1", "email") == "new@example.org");
    CHECK(vault.search("email", "c-1@example.org").empty());
    CHECK(vault.search("email", "new@example.org") == "c-1");
    REQUIRE(vault.release_hold(hold.thing.id, "legal").code.empty());
    CHECK(vault.read("c-1", "email") == "new@example.org");
    CHECK(vault.delete_field("c-1", "email").empty());
    vault.reopen();
    CHECK(vault.read("c-1", "email") == "NOT_FOUND");
}

TEST_CASE("tokens of held values stay good", "[holds]") {
    ExceptionVault vault;
    (void)vault.person("c-1", "ann");
    const std::string pinned =
        vault.tokenize("c-1", "order_info", kOrder, {}, "web", "provide", policy::ValueKind::json);
    (void)vault.tokenize("c-1", "order_info", R"({"sum":99})", {}, "web", "provide",
                         policy::ValueKind::json);
    CHECK(vault.detokenize(pinned, "web", "provide") == kOrder);
    REQUIRE(vault.place_hold(tax_hold()).code.empty());
    CHECK(vault.detokenize(pinned, "web", "provide") == kOrder);
    vault.reopen();
    CHECK(vault.detokenize(pinned, "web", "provide") == kOrder);
}

TEST_CASE("the sweep leaves held values, and takes them when the hold has ended", "[holds]") {
    ExceptionVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    REQUIRE(vault.consent("c-1", "preferences").empty());
    REQUIRE(vault
                .tokenize("c-1", "cookie_prefs", "{}", {}, "web", "preferences",
                          policy::ValueKind::json)
                .starts_with("obl1."));
    HoldRequest request = tax_hold();
    request.categories = {"cookies"};
    request.review = Timestamp{ManualClock::kStart + 179 * kDay};
    const auto hold = vault.place_hold(request);
    REQUIRE(hold.code.empty());
    const auto in_store = [&] {
        vault.close();
        std::size_t values = 0;
        {
            store::StoreOptions read_only;
            read_only.read_only = true;
            const auto store = vault.open_store(read_only);
            store->read()->scan(Tables::kPeople, {}, {}, [&](ByteView key, ByteView) {
                if (people::kind_of(key) == people::RowKind::value) ++values;
                return true;
            });
        }
        vault.open();
        return values;
    };
    // The operator lifts the floor past the end of the value: the hold is longer.
    vault.clock.advance(400 * kDay);
    RetentionRequest sweep;
    sweep.catch_up = static_cast<std::uint16_t>(vault.clock.now().day() - 2);
    const auto run = [&](const std::string& by) {
        return wait_for<RetentionReport>([&](Done<RetentionReport> done) {
            vault->run_retention(vault.caller(by), sweep, std::move(done));
        });
    };
    REQUIRE(run("key_operator").has_value());
    CHECK(in_store() == 1);
    sweep.catch_up.reset();
    REQUIRE(vault.release_hold(hold.thing.id, "legal").code.empty());
    REQUIRE(run("privacy_officer").has_value());
    CHECK(in_store() == 0);
}

TEST_CASE("a retention day waits for a backup that has the held values at their new place",
          "[holds]") {
    ExceptionVault vault;
    for (const char* subject : {"c-1", "c-2"}) {
        REQUIRE(vault.consent(subject, "preferences").empty());
        REQUIRE(vault
                    .tokenize(subject, "cookie_prefs", "{}", {}, "web", "preferences",
                              policy::ValueKind::json)
                    .starts_with("obl1."));
    }
    HoldRequest request = tax_hold();
    request.categories = {"cookies"};
    REQUIRE(vault.place_hold(request).code.empty());
    vault.clock.advance(400 * kDay);
    RetentionRequest sweep;
    sweep.catch_up = static_cast<std::uint16_t>(vault.clock.now().day() - 2);
    const auto run = [&](const std::string& by) {
        auto report = wait_for<RetentionReport>([&](Done<RetentionReport> done) {
            vault->run_retention(vault.caller(by), sweep, std::move(done));
        });
        REQUIRE(report.has_value());
        return std::move(*report);
    };
    const RetentionReport before = run("key_operator");
    REQUIRE(before.days.size() == 1);
    CHECK(before.days.front().block == RetentionBlock::moved);
    CHECK(before.days.front().values == 1);
    sweep.catch_up.reset();
    const auto backup = vault.home() / "backup";
    std::filesystem::create_directory(backup);
    const auto moved = vault->backup_to(backup);
    CHECK(moved.size() == 1);
    CHECK(run("privacy_officer").days.front().block == RetentionBlock::moved);
    vault->confirm_backup(moved);
    CHECK(run("privacy_officer").days.front().block == RetentionBlock::none);
    CHECK(run("privacy_officer").days.empty());
    CHECK(vault.delete_field("c-1", "cookie_prefs", "web", "preferences") == "HELD");
    CHECK(vault.delete_field("c-2", "cookie_prefs", "web", "preferences") == "NOT_FOUND");
}

TEST_CASE("two holds: what only the first kept goes with it, the rest waits for the second",
          "[holds]") {
    ExceptionVault vault;
    customer(vault);
    const auto tax = vault.place_hold(tax_hold());
    HoldRequest request = tax_hold();
    request.categories = {"contact"};
    const auto contact = vault.place_hold(request);
    ErasureRow row;
    REQUIRE(vault.erase_around("c-1", &row).empty());
    CHECK(row.kept.size() == 2);
    CHECK(vault.read_for("incident", "", "c-1", "email") == "c-1@example.org");
    REQUIRE(vault.release_hold(contact.thing.id, "legal").code.empty());
    CHECK(vault.read_for("incident", "", "c-1", "email") == "ERASED");
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == kOrder);
    CHECK_FALSE(vault->find_rest(row).has_value());
    REQUIRE(vault.release_hold(tax.thing.id, "legal").code.empty());
    (void)vault.wait_for_rest(row);
}

TEST_CASE("a released hold does not come back with an older copy of the data", "[holds]") {
    ExceptionVault vault;
    customer(vault);
    const auto hold = vault.place_hold(tax_hold());
    ErasureRow row;
    REQUIRE(vault.erase_around("c-1", &row).empty());
    vault.close();
    vault.save_data("held");
    vault.open();
    REQUIRE(vault.release_hold(hold.thing.id, "legal").code.empty());
    (void)vault.wait_for_rest(row);
    vault.close();
    vault.restore_data("held");
    vault.open();
    CHECK(vault.read("c-1", "order_info", "finance", "accounting") == "NOT_FOUND");
    CHECK(vault->holds().find(hold.thing.id)->row.state == HoldState::released);
}

}  // namespace oubliette::testing
