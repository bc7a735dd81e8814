#include <set>

#include "tests/crypto/child_process.hpp"
#include "tests/vault/vault_fixture.hpp"

// An older copy of the data, opened with the present keepers: what was revoked stays revoked, and
// nothing that was given out since ever means somebody else.

namespace oubliette::testing {

TEST_CASE("a restart keeps everything", "[rollback]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const auto before = vault->status();
    vault.reopen();
    const auto after = vault->status();
    CHECK_FALSE(after.rolled_back);
    CHECK(after.generation == before.generation);
    CHECK(after.plane.term == before.plane.term + 1);
    CHECK(after.index_entries == before.index_entries);
    CHECK(vault.detokenize(token) == "ann");
    CHECK(vault.read("c-1", "username") == "ann");
}

TEST_CASE("an old copy brings back no erased person", "[rollback]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const std::string other = vault.person("c-2", "bob");
    vault.close();
    vault.save_data("old");
    vault.open();
    REQUIRE(vault.erase("c-1").empty());
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK(vault->status().rolled_back);
    CHECK(vault->status().generation == 1);
    CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault.read("c-1", "username") == "NOT_FOUND");
    CHECK(vault.search("email", "x@example.org").empty());
    CHECK(vault.detokenize(other) == "bob");
    CHECK(vault.read("c-2", "username") == "bob");
    // Everything still works, and the next start is no rollback.
    const std::string again = vault.person("c-1", "ann again");
    vault.reopen();
    CHECK_FALSE(vault->status().rolled_back);
    CHECK(vault->status().generation == 1);
    CHECK(vault.detokenize(again) == "ann again");
    CHECK(vault.detokenize(token) == "ERASED");
}

TEST_CASE("an old copy brings back no consent and no client", "[rollback]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const std::string other = vault.person("c-2", "bob");
    vault.close();
    vault.save_data("old");
    vault.open();
    REQUIRE(vault.consent("c-1", "policy", false).empty());
    REQUIRE(vault.revoke("marketing").empty());
    CHECK_FALSE(vault.authenticate("marketing"));
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK(vault->status().rolled_back);
    CHECK(vault.detokenize(token) == "CONSENT_MISSING");
    CHECK(vault.detokenize(other) == "bob");
    CHECK_FALSE(vault.authenticate("marketing"));
    CHECK(vault.authenticate("finance"));
    REQUIRE(vault.consent("c-1", "policy").empty());
    CHECK(vault.detokenize(token) == "ann");
    vault.reopen();
    CHECK_FALSE(vault->status().rolled_back);
    CHECK(vault.detokenize(token) == "ann");
    CHECK_FALSE(vault.authenticate("marketing"));
}

TEST_CASE("a deleted field stays deleted in an old copy", "[rollback]") {
    TestVault vault;
    std::vector<std::string> tokens;
    (void)vault.person("c-1", "ann");
    REQUIRE(vault.put("c-1", {{"mobile", "+8613900001234"}}, &tokens).empty());
    vault.close();
    vault.save_data("old");
    vault.open();
    REQUIRE(vault.delete_field("c-1", "mobile").empty());
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK(vault.detokenize(tokens.front()) == "ERASED");
    CHECK(vault.read("c-1", "mobile") == "ERASED");
    CHECK(vault.read("c-1", "username") == "ann");
    REQUIRE(vault.put("c-1", {{"mobile", "+8613900009999"}}).empty());
    CHECK(vault.read("c-1", "mobile") == "+8613900009999");
    CHECK(vault.search("mobile", "+8613900001234").empty());
}

TEST_CASE("a field's deletion takes the values that it replaced", "[rollback]") {
    TestVault vault;
    std::vector<std::string> tokens;
    (void)vault.person("c-1", "ann");
    REQUIRE(vault.put("c-1", {{"mobile", "+8613900001234"}}, &tokens).empty());
    vault.close();
    vault.save_data("old");
    vault.open();
    REQUIRE(vault.put("c-1", {{"mobile", "+8613900005678"}}).empty());
    REQUIRE(vault.delete_field("c-1", "mobile").empty());
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK(vault.detokenize(tokens.front()) == "ERASED");
    CHECK(vault.read("c-1", "mobile") == "ERASED");
}

TEST_CASE("replaced values lose their keys within the hour", "[rollback]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "first");
    vault.close();
    vault.save_data("old");
    vault.open();
    REQUIRE(vault.put("c-1", {{"username", "second"}}).empty());
    vault.clock.advance(kHour);
    vault.reopen();  // a start runs what is due
    for (int i = 0; i < 100 && vault->status().plane.waiting != 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    CHECK(vault.detokenize(token) == "second");
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK(vault.detokenize(token) == "ERASED");
}

TEST_CASE("numbers given since the copy are never given again", "[rollback]") {
    TestVault vault;
    const std::string ann = vault.person("c-1", "ann");
    const auto order = [&](const std::string& number) {
        return vault.tokenize("c-1", "order_info", R"({"order":)" + number + "}", {}, "web",
                              "provide", policy::ValueKind::json);
    };
    const std::string before = order("1");
    vault.close();
    vault.save_data("old");
    vault.open();
    std::vector<std::string> lost_people;
    std::vector<std::string> lost_orders;
    for (int i = 0; i < 20; ++i) {
        lost_people.push_back(vault.person("lost-" + std::to_string(i), "lost"));
        lost_orders.push_back(order(std::to_string(100 + i)));
    }
    for (int round = 1; round <= 3; ++round) {
        vault.close();
        vault.restore_data("old");
        vault.open();
        CHECK(vault->status().rolled_back);
        CHECK(vault->status().generation == static_cast<std::uint32_t>(round));
        std::set<std::string> fresh;
        for (int i = 0; i < 30; ++i) {
            const std::string name = std::to_string(round) + "-" + std::to_string(i);
            const std::string token = vault.person("new-" + name, name);
            CHECK(vault.detokenize(token) == name);
            lost_people.push_back(token);
            const std::string value = std::to_string(1'000 * round + i);
            const std::string token_of_order = order(value);
            CHECK(vault.detokenize(token_of_order, "web", "provide") ==
                  R"({"order":)" + value + "}");
            fresh.insert(token_of_order);
            fresh.insert(token);
        }
        CHECK(vault.detokenize(ann) == "ann");
        CHECK(vault.detokenize(before, "web", "provide") == R"({"order":1})");
        for (const std::string& token : lost_orders) {
            CHECK(vault.detokenize(token, "web", "provide") == "NOT_FOUND");
        }
        for (const std::string& token : lost_people) {
            if (!fresh.contains(token)) CHECK(vault.detokenize(token) == "NOT_FOUND");
        }
        lost_orders.insert(lost_orders.end(), {order("7")});
        for (const std::string& token : fresh) {
            if (std::ranges::find(lost_people, token) == lost_people.end()) {
                lost_orders.push_back(token);
            }
        }
    }
}

TEST_CASE("numbers given while a keeper was away are not given again by that keeper alone",
          "[rollback]") {
    // The keeper that knew of the lease is lost: only the data plane remembers it.
    TestVault vault;
    vault.close();
    const std::filesystem::path away = vault.home() / "away";
    std::filesystem::rename(vault.home() / "keeper2", away);
    vault.open();
    const std::string late = vault.person("late", "late");
    REQUIRE(vault.detokenize(late) == "late");
    vault.close();
    std::filesystem::remove_all(vault.home() / "keeper1");
    std::filesystem::rename(away, vault.home() / "keeper2");
    vault.open();
    CHECK(vault.read("late", "username") == "late");
    const std::string later = vault.person("later", "later");
    CHECK(vault.detokenize(later) == "later");
    CHECK(vault.detokenize(late) == "late");
    CHECK(vault.read("late", "username") == "late");
    CHECK(vault.read("later", "username") == "later");
}

TEST_CASE("an old copy with an old policy discloses nothing until it is published again",
          "[rollback]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    vault.close();
    vault.save_data("old");
    vault.open();
    const std::string next =
        edited_policy({{R"("version": 3, "supersedes": 2)", R"("version": 4, "supersedes": 3)"}});
    REQUIRE(vault.publish(next) == "4");
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK_FALSE(vault->ready());
    CHECK_THROWS_AS(vault.detokenize(token), Fault);
    CHECK(vault.publish(next) == "4");
    CHECK(vault->ready());
    CHECK(vault.detokenize(token) == "ann");
}

TEST_CASE("a lost policy version comes back with its own text or not at all", "[rollback]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    vault.close();
    vault.save_data("old");
    vault.open();
    const auto version = [](const std::string& number, const std::string& supersedes,
                            const std::string& clause) {
        return edited_policy(
            {{R"("version": 3, "supersedes": 2)",
              R"("version": )" + number + R"(, "supersedes": )" + supersedes},
             {R"("effective": "2022-08-24T00:00:00Z")", R"("effective": )" + clause}});
    };
    const std::string first = R"("2022-08-24T00:00:00Z")";
    const std::string other = R"("2022-08-25T00:00:00Z")";
    REQUIRE(vault.publish(version("4", "3", first)) == "4");
    REQUIRE(vault.publish(version("5", "4", first)) == "5");
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK_FALSE(vault->ready());
    // Version 4 is not the newest one, and nobody can say whether its text is the same.
    CHECK(vault.publish(version("4", "3", first)) == "VERSION_NOT_CURRENT");
    CHECK(vault.publish(version("5", "4", other)) == "VERSION_NOT_CURRENT");
    CHECK(vault.publish(version("7", "6", first)) == "VERSION_NOT_CURRENT");
    CHECK_FALSE(vault->ready());
    SECTION("the same text") {
        CHECK(vault.publish(version("5", "4", first)) == "5");
        CHECK(vault->policy_version(5) == version("5", "4", first));
    }
    SECTION("the version after it") {
        CHECK(vault.publish(version("6", "5", other)) == "6");
        CHECK_FALSE(vault->policy_version(5));
    }
    CHECK(vault->ready());
    CHECK(vault.detokenize(token) == "ann");
    vault.reopen();
    CHECK(vault->ready());
    CHECK(vault.detokenize(token) == "ann");
}

TEST_CASE("a copy that has the newest version with another text is not served", "[rollback]") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    const auto next = [](const std::string& day) {
        return edited_policy(
            {{R"("version": 3, "supersedes": 2)", R"("version": 4, "supersedes": 3)"},
             {R"("effective": "2022-08-24T00:00:00Z")",
              R"("effective": "2022-08-)" + day + R"(T00:00:00Z")"}});
    };
    vault.close();
    vault.save_data("old");
    const auto keep_keepers = [&](const std::string& suffix) {
        for (const auto& keeper : vault.options().plane.keepers) {
            std::filesystem::copy(keeper, keeper.string() + suffix,
                                  std::filesystem::copy_options::recursive);
        }
    };
    const auto put_back_keepers = [&](const std::string& suffix) {
        for (const auto& keeper : vault.options().plane.keepers) {
            std::filesystem::remove_all(keeper);
            std::filesystem::rename(keeper.string() + suffix, keeper);
        }
    };
    keep_keepers(".before");
    vault.open();
    REQUIRE(vault.publish(next("26")) == "4");
    vault.close();
    vault.save_data("forged");
    // The history in which another text was published: the keepers never saw the first one.
    put_back_keepers(".before");
    vault.restore_data("old");
    vault.open();
    REQUIRE(vault.publish(next("27")) == "4");
    vault.close();
    vault.restore_data("forged");
    vault.open();
    CHECK_FALSE(vault->ready());
    CHECK(vault.publish(next("26")) == "VERSION_NOT_CURRENT");
    CHECK(vault.publish(next("27")) == "4");
    CHECK(vault->ready());
    CHECK(vault->policy_version(4) == next("27"));
    vault.reopen();
    CHECK(vault->policy_version(4) == next("27"));
}

// What a process leaves that is killed right after it was answered.
TEST_CASE("a withdrawal that was answered survives a crash and an old copy", "[rollback]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const std::string mail = vault.person("c-2", "bob@example.org", "email");
    vault.close();
    vault.save_data("old");
    REQUIRE(crypto::testing::child_succeeds([&] {
        vault.open();
        const bool is_done = vault.consent("c-1", "policy", false).empty();
        ::_exit(is_done ? 0 : 1);  // no destructor runs
        return 1;
    }));
    vault.restore_data("old");
    vault.open();
    CHECK(vault->status().rolled_back);
    CHECK(vault.detokenize(token) == "CONSENT_MISSING");
    CHECK(vault.detokenize(mail) == "bob@example.org");
}

}  // namespace oubliette::testing
