#include <latch>
#include <random>
#include <thread>

#include "tests/vault/vault_fixture.hpp"

// Many callers at once: no answer may contradict one that came before it.

namespace oubliette::testing {

TEST_CASE("nothing is disclosed after the erasure was answered", "[races]") {
    constexpr int kPeople = 24;
    constexpr int kReaders = 4;
    TestVault vault;
    std::vector<std::string> tokens;
    for (int i = 0; i < kPeople; ++i) {
        tokens.push_back(vault.person("c-" + std::to_string(i), "name " + std::to_string(i)));
    }
    const Caller web = vault.caller("web");
    const Caller officer = vault.caller("privacy_officer");
    std::vector<std::atomic<bool>> answered(kPeople);
    std::atomic<bool> is_over{false};
    std::atomic<int> wrong{0};
    std::atomic<int> shown{0};
    std::vector<std::thread> threads;
    for (int reader = 0; reader < kReaders; ++reader) {
        threads.emplace_back([&, reader] {
            std::mt19937 random{static_cast<unsigned>(reader)};
            while (!is_over) {
                const std::size_t i = random() % kPeople;
                const bool was_answered = answered[i];
                DetokenizeRequest request;
                request.purpose = "own_account";
                request.tokens.push_back(tokens[i]);
                const auto answer = wait_for<DetokenizeAnswer>([&](Done<DetokenizeAnswer> done) {
                    vault->detokenize(web, request, std::move(done));
                });
                const auto& item = answer->items.front();
                if (const auto* value = std::get_if<Disclosed>(&item)) {
                    ++shown;
                    const bool is_own =
                        text_of(value->value.value.expose()) == "name " + std::to_string(i);
                    if (!is_own || was_answered) ++wrong;
                } else if (std::get<Refusal>(item) != Refusal::erased) {
                    ++wrong;
                }
            }
        });
    }
    for (std::size_t i = 0; i < kPeople; i += 2) {
        const std::string id = "c-" + std::to_string(i);
        const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
            vault->erase(officer, id, "other", std::move(done), {});
        });
        CHECK(answer.has_value());
        answered[i] = true;
    }
    is_over = true;
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK(shown > 0);
    for (std::size_t i = 0; i < kPeople; ++i) {
        CHECK(vault.detokenize(tokens[i]) == (i % 2 == 0 ? "ERASED" : "name " + std::to_string(i)));
    }
}

TEST_CASE("writing, withdrawing and erasing one person at once leaves one truth", "[races]") {
    TestVault vault;
    const Caller web = vault.caller("web");
    const Caller officer = vault.caller("privacy_officer");
    constexpr int kWriters = 3;
    constexpr int kRounds = 25;
    for (int round = 0; round < 3; ++round) {
        std::atomic<int> faults{0};
        std::vector<std::thread> threads;
        for (int writer = 0; writer < kWriters; ++writer) {
            threads.emplace_back([&, writer] {
                const std::string id = "c-1";
                for (int i = 0; i < kRounds; ++i) {
                    const std::string mail =
                        std::to_string(writer) + "-" + std::to_string(i) + "@example.org";
                    ConsentInput consent;
                    consent.slot = "policy";
                    consent.granted = i % 5 != 4;
                    consent.policy_version = 3;
                    consent.kind = policy::ConsentKind::policy;
                    PutRequest put{id, "own_account", {}};
                    put.fields.push_back({"email", {policy::ValueKind::text, mail}});
                    try {
                        (void)wait_for<ConsentRecord>([&](Done<ConsentRecord> done) {
                            vault->put_consent(web, id, consent, std::move(done));
                        });
                        (void)wait_for<PutAnswer>(
                            [&](Done<PutAnswer> done) { vault->put(web, put, std::move(done)); });
                        if (i % 8 != writer) continue;
                        (void)wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
                            vault->erase(officer, id, "other", std::move(done), {});
                        });
                    } catch (const Fault&) {
                        ++faults;
                    }
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        CHECK(faults == 0);
        // The id of an erased person is refused until the erasure is final.
        std::string refused = "ERASED";
        for (int i = 0; i < 200 && refused == "ERASED"; ++i) {
            refused = vault.consent("c-1", "policy");
            if (refused == "ERASED") std::this_thread::sleep_for(std::chrono::milliseconds{50});
        }
        REQUIRE(refused.empty());
        std::vector<std::string> tokens;
        REQUIRE(vault.put("c-1", {{"email", "last@example.org"}}, &tokens).empty());
        vault.reopen();
        CHECK(vault.read("c-1", "email") == "last@example.org");
        CHECK(vault.detokenize(tokens.front()) == "last@example.org");
        CHECK(vault.search("email", "last@example.org") == "c-1");
        CHECK(vault.search("email", "0-1@example.org").empty());
        REQUIRE(vault.erase("c-1").empty());
        CHECK(vault.read("c-1", "email") == "NOT_FOUND");
    }
}

TEST_CASE("erasures that were answered are final after a start", "[races]") {
    TestVault vault;
    const Caller officer = vault.caller("privacy_officer");
    std::vector<keys::RequestId> ids;
    for (int i = 0; i < 40; ++i) (void)vault.person("c-" + std::to_string(i), "name");
    for (int i = 0; i < 40; ++i) {
        const std::string id = "c-" + std::to_string(i);
        const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
            vault->erase(officer, id, "other", std::move(done), {});
        });
        REQUIRE(answer.has_value());
        ids.push_back(answer->erasure.id);
    }
    vault.reopen();
    for (int i = 0; i < 200 && vault->status().erasures_waiting != 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    CHECK(vault->status().erasures_waiting == 0);
    for (const keys::RequestId& id : ids) {
        const auto row = vault->find_erasure(vault.caller("privacy_officer"), id);
        REQUIRE(row.has_value());
        CHECK(row->state == ErasureState::final);
        CHECK(row->finality->acknowledgements.size() == 2);
    }
}

}  // namespace oubliette::testing
