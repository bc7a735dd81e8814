#include <algorithm>
#include <array>

#include "tests/vault/vault_fixture.hpp"

// Clients, policy versions, and what the audit log says of it all.

namespace oubliette::testing {

using audit::Action;

TEST_CASE("a client is enrolled, works, and is revoked for ever", "[clients]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const auto enrol = [&](NewClient client) {
        return wait_for<ApiKey>([&](Done<ApiKey> done) {
            vault->enrol_client(vault.caller("policy_admin"), client, std::move(done));
        });
    };
    CHECK(enrol({"shop", "nobody", {Role::app}}).error() == Refusal::recipient_unknown);
    CHECK(enrol({"app-web", "web", {Role::app}}).error() == Refusal::wrong_state);
    CHECK(enrol({"No Name!", "web", {Role::app}}).error() == Refusal::value_invalid);
    CHECK(enrol({"both", "web", {Role::app, Role::policy_admin}}).error() == Refusal::role_denied);
    const auto key = enrol({"shop", "web", {Role::app}});
    REQUIRE(key.has_value());
    const auto caller = vault->authenticate(key->client, key->key, key->secret.expose());
    REQUIRE(caller);
    CHECK(caller->has(Role::app));
    CHECK_FALSE(caller->has(Role::policy_admin));

    Bytes wrong{key->secret.expose().begin(), key->secret.expose().end()};
    wrong[0] ^= 1;
    CHECK_FALSE(vault->authenticate(key->client, key->key, wrong));
    const auto other_key = static_cast<std::uint16_t>(key->key + 1);
    CHECK_FALSE(vault->authenticate(key->client, other_key, key->secret.expose()));
    CHECK_FALSE(vault->authenticate(9'999, key->key, key->secret.expose()));

    const auto is_alive = [&] {
        return vault->authenticate(key->client, key->key, key->secret.expose()).has_value();
    };
    vault.reopen();
    CHECK(is_alive());
    const auto revoke = [&] {
        return wait_for<bool>([&](Done<bool> done) {
            vault->revoke_client(vault.caller("policy_admin"), "shop", std::move(done));
        });
    };
    REQUIRE(revoke().has_value());
    CHECK_FALSE(is_alive());
    CHECK(revoke().error() == Refusal::not_found);
    CHECK(vault.detokenize(token) == "ann");
    vault.reopen();
    CHECK_FALSE(is_alive());
    const auto again = enrol({"shop", "web", {Role::app}});
    REQUIRE(again.has_value());
    CHECK(again->client != key->client);
    CHECK_FALSE(is_alive());
}

TEST_CASE("a policy is the next version or is refused", "[policy]") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    const auto version = [](const std::string& number, const std::string& supersedes) {
        return std::pair<std::string, std::string>{
            R"("version": 3, "supersedes": 2)",
            R"("version": )" + number + R"(, "supersedes": )" + supersedes};
    };
    CHECK(vault.publish(edited_policy({version("5", "4")})) == "VERSION_NOT_CURRENT");
    CHECK(vault.publish(edited_policy({version("3", "2")})) == "VERSION_FROZEN");
    CHECK(vault.publish(edited_policy(
              {version("4", "3"), {R"("tenant": "overseas")", R"("tenant": "other")"}})) ==
          "POLICY_TENANT");
    CHECK_FALSE(vault.publish("{}") == "4");
    CHECK_FALSE(vault.publish("not json") == "4");
    const auto unused = edited_policy(
        {version("4", "3"),
         {R"("fields": {)", R"("fields": { "fax": { "category": "contact", "type": "phone",)"
                            R"( "identifier": "direct", "token": "pointer", "clause": "1" },)"}});
    CHECK(vault.publish(unused).find("LINT_FIELD_WITHOUT_PURPOSE") != std::string::npos);
    const auto silent = edited_policy(
        {version("4", "3"), {R"("mobile": "last4" } },)", R"("mobile": "plain" } },)"}});
    CHECK(vault.publish(silent).find("DIFF_MATERIAL") != std::string::npos);
    CHECK(vault->gate()->version() == 3);
    CHECK(vault->status().policy_version == 3);

    const auto next = edited_policy({version("4", "3")});
    CHECK(vault.publish(next) == "4");
    CHECK(vault->gate()->version() == 4);
    CHECK(vault->policy_version(4) == next);
    CHECK(vault->policy_version(3) == std::string{policy::example_policy()});
    CHECK_FALSE(vault->policy_version(5));
    CHECK(vault.read("c-1", "username") == "ann");
    vault.reopen();
    CHECK(vault->gate()->version() == 4);
    CHECK(vault->policy_version(3) == std::string{policy::example_policy()});
}

TEST_CASE("a version in the future waits for its day", "[policy]") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    CHECK(
        vault.publish(edited_policy(
            {{R"("version": 3, "supersedes": 2)", R"("version": 4, "supersedes": 3)"},
             {R"("effective": "2022-08-24T00:00:00Z")", R"("effective": "2026-01-02T00:00:00Z")"},
             {R"("needs": ["policy"], "fields": { "username": "plain", "mobile": "plain", "email")",
              R"("needs": ["policy"], "fields": { "mobile": "plain", "email")"}})) == "4");
    CHECK(vault->gate()->version() == 3);
    CHECK(vault.read("c-1", "username") == "ann");
    vault.reopen();
    CHECK(vault->gate()->version() == 3);
    vault.clock.advance(kDay);
    for (int i = 0; i < 100 && vault->gate()->version() != 4; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    CHECK(vault->gate()->version() == 4);
    CHECK(vault.read("c-1", "username") == "FIELD_NOT_NECESSARY");
    vault.reopen();
    CHECK(vault->gate()->version() == 4);
}

TEST_CASE("of two clients with one name, enrolled at the same moment, one is refused",
          "[clients]") {
    TestVault vault;
    NewClient client;
    client.name = "shop";
    client.recipient = "web";
    client.roles = {Role::app};
    std::array<std::promise<bool>, 8> enrolled;
    for (auto& promise : enrolled) {
        vault->enrol_client(vault.caller("policy_admin"), client,
                            [&promise](Result<ApiKey> key, const Fault* fault) {
                                promise.set_value(fault == nullptr && key.has_value());
                            });
    }
    int count = 0;
    for (auto& promise : enrolled) count += promise.get_future().get() ? 1 : 0;
    CHECK(count == 1);
}

TEST_CASE("every decision leaves one entry", "[audit]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    (void)vault.put("c-1", {{"nothing", "x"}});
    (void)vault.detokenize(token);
    (void)vault.detokenize(token, "web", "improve");
    (void)vault.detokenize("obl1.none");
    (void)vault.read("c-1", "username");
    (void)vault.read("c-9", "username");
    (void)vault.search("mobile", "+8613900001234");
    (void)vault.match(token, "ann");
    (void)vault.consent("c-1", "policy", false);
    (void)vault.erase("c-1", "marketing");
    REQUIRE(vault.erase("c-1").empty());
    vault.close();

    auto entries = vault.audit_log();
    // What init did comes first.
    const auto start = std::ranges::find(entries, Action::start, &audit::Entry::action);
    REQUIRE(start != entries.end());
    entries.erase(entries.begin(), start);
    std::vector<std::pair<Action, std::optional<Refusal>>> seen;
    for (const auto& entry : entries) seen.emplace_back(entry.action, entry.refusal);
    using Seen = decltype(seen);
    CHECK(seen == Seen{{Action::start, {}},
                       {Action::consent_grant, {}},
                       {Action::put, {}},
                       {Action::put, Refusal::field_unknown},
                       {Action::detokenize, {}},
                       {Action::detokenize, Refusal::consent_missing},
                       {Action::detokenize, Refusal::not_found},
                       {Action::read, {}},
                       {Action::read, Refusal::not_found},
                       {Action::search, {}},
                       {Action::match, {}},
                       {Action::consent_withdraw, {}},
                       {Action::erase_accepted, Refusal::role_denied},
                       {Action::erase_accepted, {}},
                       {Action::erase_final, {}}});
    const auto web = vault.client_number("web");
    CHECK(entries[4].actor == web);
    CHECK(entries[4].policy_version == 3);
    CHECK(entries[4].purpose != 0);
    CHECK(entries[4].field != 0);
    CHECK(entries[5].failed_steps == 1U << 8);
    CHECK(entries[13].object == entries[14].object);
    CHECK(entries[13].object != ByteArray<16>{});
    // One person, never the same pseudonym twice.
    std::vector<ByteArray<16>> pseudonyms;
    for (const auto& entry : entries) {
        if (entry.pseudonym != ByteArray<16>{}) pseudonyms.push_back(entry.pseudonym);
    }
    CHECK(pseudonyms.size() >= 6);
    std::ranges::sort(pseudonyms);
    CHECK(std::ranges::adjacent_find(pseudonyms) == pseudonyms.end());
}

}  // namespace oubliette::testing
