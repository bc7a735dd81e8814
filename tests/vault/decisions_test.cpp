#include "vault/decisions.hpp"

#include "tests/vault/vault_fixture.hpp"
#include "vault/policies.hpp"
#include "vault/replay.hpp"
#include "vault/standing.hpp"

// Decisions explained to officers, and entries of the log decided again.

namespace oubliette::testing {
namespace {

using Steps = std::vector<std::pair<unsigned, Refusal>>;

struct Question {
    std::string subject = "ann";
    std::string field = "mobile";
    std::string purpose = "promote";
    std::string recipient = "marketing";
    std::optional<std::uint16_t> version = std::nullopt;
    std::optional<Timestamp> at = std::nullopt;
};

Result<Explanation> ask(TestVault& vault, const Question& question) {
    ExplainRequest request;
    request.subject = question.subject;
    request.field = question.field;
    request.purpose = question.purpose;
    request.recipient = question.recipient;
    request.version = question.version;
    request.at = question.at;
    return wait_for<Explanation>([&](Done<Explanation> done) {
        vault->decisions().explain(vault.caller("policy_admin"), request, std::move(done));
    });
}

Steps steps_of(TestVault& vault, const Question& question) {
    const auto explanation = ask(vault, question);
    REQUIRE(explanation.has_value());
    Steps steps;
    for (const policy::FailedStep& failed : explanation->steps) {
        CHECK_FALSE(failed.reason.empty());
        CHECK_FALSE(failed.remedy.empty());
        steps.emplace_back(failed.step, failed.code);
    }
    return steps;
}

Result<Replay> replay(TestVault& vault, std::uint64_t index) {
    return wait_for<Replay>([&](Done<Replay> done) {
        vault->decisions().replay(vault.caller("policy_admin"), index, std::move(done));
    });
}

std::string next_version(const std::vector<std::pair<std::string, std::string>>& edits) {
    auto all = edits;
    all.emplace_back(R"("version": 3, "supersedes": 2)", R"("version": 4, "supersedes": 3)");
    return edited_policy(all);
}

}  // namespace

TEST_CASE("officers see every step that refuses, with clause and remedy", "[explain]") {
    TestVault vault;
    (void)vault.person("ann", "+8613800000001", "mobile");
    CHECK(steps_of(vault, {}) == Steps{{9, Refusal::consent_missing}});
    const auto explanation = ask(vault, {});
    REQUIRE(explanation.has_value());
    CHECK(explanation->policy_version == 3);
    CHECK(explanation->steps.front().clause == "1.3(4)");
    CHECK(explanation->steps.front().reason == "never granted or withdrawn: \"promote\"");

    Question everything;
    everything.recipient = "affiliate_de";
    everything.purpose = "support";
    everything.at = policy::parse_time("2031-01-01T00:00:00Z");
    CHECK(steps_of(vault, everything) == Steps{{4, Refusal::agreement_expired},
                                               {5, Refusal::field_not_necessary},
                                               {8, Refusal::cross_border_no_consent},
                                               {12, Refusal::retention_ended}});
    REQUIRE(vault.consent("ann", "promote").empty());
    CHECK(steps_of(vault, {}).empty());
    CHECK(ask(vault, {})->transform == "plain");
}

TEST_CASE("an explanation says what there is to say without a person or a rule", "[explain]") {
    TestVault vault;
    (void)vault.person("ann", "+8613800000001", "mobile");
    CHECK(steps_of(vault, {"nobody"}) == Steps{{1, Refusal::not_found}});
    CHECK(steps_of(vault, {"ann", "email", "own_account", "web"}) ==
          Steps{{1, Refusal::not_found}});  // no value
    CHECK(steps_of(vault, {"ann", "fax", "own_account", "web"}) ==
          Steps{{0, Refusal::field_unknown}});
    CHECK(steps_of(vault, {"ann", "mobile", "credit_score"}) ==
          Steps{{2, Refusal::purpose_unknown}});
    CHECK(ask(vault, {"ann", "mobile", "promote", "nobody"}).error() == Refusal::recipient_unknown);
    REQUIRE(vault.erase("ann").empty());
    CHECK(steps_of(vault, {"ann", "mobile", "own_account", "web"}) ==
          Steps{{1, Refusal::not_found}});
}

TEST_CASE("an explanation under an older version answers as that version", "[explain]") {
    TestVault vault;
    (void)vault.person("ann", "+8613800000001", "mobile");
    const Timestamp before = vault.clock.now();
    vault.clock.advance(kDay);
    REQUIRE(vault.publish(next_version({{R"("email": "plain", "mobile": "plain", "real_name")",
                                         R"("email": "plain", "real_name")"}})) == "4");
    CHECK(steps_of(vault, {}) ==
          Steps{{5, Refusal::field_not_necessary}, {9, Refusal::consent_missing}});
    CHECK(steps_of(vault, {"ann", "mobile", "promote", "marketing", std::uint16_t{3}}) ==
          Steps{{9, Refusal::consent_missing}});
    CHECK(steps_of(vault, {"ann", "mobile", "promote", "marketing", {}, before}) ==
          Steps{{9, Refusal::consent_missing}});
    CHECK(ask(vault, {"ann", "mobile", "promote", "marketing", std::uint16_t{9}}).error() ==
          Refusal::not_found);
}

TEST_CASE("policy 7.1: every decision in the log has the same answer when it is replayed",
          "[promise][explain]") {
    TestVault vault;
    const std::string token = vault.person("ann", "Ann");
    REQUIRE(vault.put("ann", {{"mobile", "+8613800000001"}}).empty());
    (void)vault.detokenize(token);
    (void)vault.detokenize(token, "web", "credit_score");
    (void)vault.detokenize(token, "web", "promote");
    (void)vault.detokenize(token, "web", "improve");
    (void)vault.detokenize(token, "marketing", "promote");
    (void)vault.read("ann", "order_info", "affiliate_motor", "group_service");
    (void)vault.read("ann", "username", "affiliate_motor", "group_service");
    (void)vault.read("ann", "username", "affiliate_de", "support");
    (void)vault.read("ann", "mobile", "support_desk", "support");
    (void)vault.read("ann", "fax");
    (void)vault.read("nobody", "username");
    (void)vault.put("ann", {{"account_no", "6222020000000000001"}}, nullptr, "web", "campaign");
    REQUIRE(vault.consent("ann", "policy", false).empty());
    (void)vault.detokenize(token);
    const auto suspended = wait_for<bool>([&](Done<bool> done) {
        vault->standing().suspend(vault.caller("policy_admin"), "web", std::move(done));
    });
    REQUIRE(suspended.has_value());
    (void)vault.detokenize(token);
    (void)ask(vault, {});
    // A version that decides most of these otherwise, and long after.
    REQUIRE(vault.publish(next_version(
                {{R"("improve", "campaign"], "erase")", R"("improve"], "erase")"}})) == "4");
    vault.clock.advance(400 * kDay);

    const auto entries = vault->log_entries(0, 1'000);
    unsigned decisions = 0;
    unsigned refused = 0;
    for (std::uint64_t index = 0; index < entries.size(); ++index) {
        const auto again = replay(vault, index);
        if (!is_decision(entries[index].action)) {
            CHECK(again.error() == Refusal::wrong_state);
            continue;
        }
        CAPTURE(index, static_cast<int>(entries[index].action), entries[index].failed_steps,
                again->difference);
        REQUIRE(again.has_value());
        CHECK(again->is_same);
        CHECK(again->replayed == entries[index].refusal);
        ++decisions;
        if (entries[index].refusal) ++refused;
    }
    CHECK(decisions >= 15);
    CHECK(refused >= 9);
    CHECK(replay(vault, entries.size() + 1'000).error() == Refusal::not_found);
}

TEST_CASE("a replay notices an entry that the policy of its time could not make",
          "[promise][explain]") {
    TestVault vault;
    const std::string token = vault.person("ann", "Ann");
    (void)vault.detokenize(token);
    (void)vault.detokenize(token, "web", "promote");
    const auto entries = vault->log_entries(0, 1'000);
    const auto allowed = std::ranges::find_if(entries, [](const audit::Entry& entry) {
        return entry.action == audit::Action::detokenize && !entry.refusal;
    });
    const auto denied = std::ranges::find_if(entries, [](const audit::Entry& entry) {
        return entry.action == audit::Action::detokenize && entry.refusal;
    });
    REQUIRE(allowed != entries.end());
    REQUIRE(denied != entries.end());
    const auto is_same = [&](const audit::Entry& entry) {
        return replay_entry(*vault->gate(), 0, entry).is_same;
    };
    CHECK(is_same(*allowed));
    CHECK(is_same(*denied));
    audit::Entry forged = *allowed;
    SECTION("more than plain was never allowed to this recipient") {
        forged.recipient = 3;
    }
    SECTION("a purpose it does not have") {
        forged.purpose = denied->purpose;
    }
    SECTION("a field that is not shown") {
        forged.field = 999;
    }
    SECTION("refused without a step") {
        forged.refusal = Refusal::consent_missing;
    }
    SECTION("an order for a purpose that needs none") {
        forged.refusal = Refusal::order_required;
        forged.failed_steps = 1U << 10;
    }
    SECTION("allowed although a step refused") {
        forged.failed_steps = 1U << 8;
    }
    SECTION("a denial turned into a disclosure") {
        forged = *denied;
        forged.refusal.reset();
        forged.failed_steps = 0;
    }
    CHECK_FALSE(is_same(forged));
}

TEST_CASE("policy 7.2: versions are a chain that nobody can edit", "[promise]") {
    TestVault vault;
    CHECK(vault.publish(edited_policy({{"Send me offers.", "Send me many offers."}})) ==
          "VERSION_FROZEN");
    CHECK(vault->policy_history().size() == 1);
    REQUIRE(vault.publish(next_version({})) == "4");
    const auto history = vault->policy_history();
    REQUIRE(history.size() == 2);
    CHECK(history[0].previous == crypto::Hash{});
    CHECK(history[1].previous == history[0].link);
    CHECK(history[1].link != history[0].link);
    vault.reopen();
    const auto again = vault->policy_history();
    REQUIRE(again.size() == 2);
    CHECK(again[1].link == history[1].link);
    CHECK(again[1].published == history[1].published);
}

}  // namespace oubliette::testing
