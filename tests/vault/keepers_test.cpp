#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/vault/vault_fixture.hpp"

// Keepers, banks and fresh anchors as the vault's verbs.

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

bool has_warning(const TestVault& vault, const std::string& words) {
    const std::vector<std::string> warnings = warnings_of(vault->status());
    return std::ranges::any_of(
        warnings, [&](const std::string& text) { return text.find(words) != std::string::npos; });
}

std::vector<audit::Entry> entries_of(const TestVault& vault, audit::Action action) {
    std::vector<audit::Entry> found;
    for (const audit::Entry& entry : vault.audit_log()) {
        if (entry.action == action) found.push_back(entry);
    }
    return found;
}

bool wait_for_epoch(const TestVault& vault, std::uint64_t epoch, std::chrono::seconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (vault->status().plane.epoch < epoch) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

}  // namespace

TEST_CASE("people are put into a new bank from its rotation on, also after a restart") {
    TestVault vault;
    const std::string old = vault.person("c-1", "ann");
    CHECK(vault->rotate_bank(vault.caller("key_operator")) == 1);
    CHECK(vault->key_status().people_banks == 2);
    CHECK(vault->key_status().people_bank == 1);
    const std::string fresh = vault.person("c-2", "bob");
    vault.reopen();
    const std::string later = vault.person("c-3", "cid");
    CHECK(vault.read("c-1", "username") == "ann");
    CHECK(vault.read("c-2", "username") == "bob");

    // Who is where shows when the old bank dies as a whole.
    CutOff what;
    what.scope = keys::RevocationScope::bank;
    what.bank = 0;
    const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
        vault->cut_off(vault.caller("key_operator"), what, std::move(done), {});
    });
    REQUIRE(answer.has_value());
    CHECK(vault.detokenize(old) == "ERASED");
    CHECK(vault.detokenize(fresh) == "bob");
    CHECK(vault.detokenize(later) == "cid");
    vault.close();
    const auto opened = entries_of(vault, audit::Action::bank_open);
    REQUIRE(opened.size() == 1);
    CHECK(opened[0].object[0] == 1);
    CHECK(opened[0].actor == vault.client_number("key_operator"));
}

TEST_CASE("a lost keeper is expelled: what waited is final, and the log says who did it") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const std::string living = vault.person("c-2", "bob");
    const keys::KeeperId lost = vault->key_status().plane.keepers[1].id;
    vault.close();
    fs::remove_all(vault.options().plane.keepers[1]);
    vault.open();
    CHECK(has_warning(vault, "a keeper is offline"));
    std::atomic<bool> is_final{false};
    const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
        vault->erase(vault.caller("privacy_officer"), "c-1", "other", std::move(done),
                     [&](const ErasureRow&) { is_final = true; });
    });
    REQUIRE(answer.has_value());
    CHECK(vault.detokenize(token) == "ERASED");
    CHECK_FALSE(is_final);
    const Caller& caller = vault.caller("key_operator");
    using keys::Expulsion;
    using keys::MembershipRefusal;
    CHECK_THROWS_AS(vault->rotate_bank(caller), Fault);
    CHECK(vault->expel_keeper(caller, lost, Expulsion::reachable).refusal ==
          MembershipRefusal::keeper_away);
    const keys::ExpelAnswer expelled = vault->expel_keeper(caller, lost, Expulsion::lost);
    CHECK_FALSE(expelled.refusal);
    CHECK(expelled.has_new_banks);
    for (int i = 0; i < 1'000 && !is_final; ++i) std::this_thread::sleep_for(10ms);
    CHECK(is_final);
    CHECK(vault->key_status().people_bank == 1);
    CHECK(has_warning(vault, "there is one keeper only"));
    CHECK(vault.person("c-3", "cid").size() == tokens::kTokenSize);
    CHECK(vault.detokenize(living) == "bob");

    const keys::EnrolAnswer enrolled =
        vault->enrol_keeper(caller, vault.home() / "keeper3", std::nullopt, 10s);
    REQUIRE(enrolled.is_active);
    CHECK_FALSE(has_warning(vault, "there is one keeper only"));
    CHECK(vault.erase("c-2") == "");
    vault.close();
    const auto expulsions = entries_of(vault, audit::Action::keeper_expel);
    REQUIRE(expulsions.size() == 2);
    CHECK(expulsions[0].refusal == Refusal::wrong_state);
    CHECK_FALSE(expulsions[1].refusal);
    CHECK(expulsions[1].object == lost);
    CHECK(expulsions[1].actor == vault.client_number("key_operator"));
    const auto enrolments = entries_of(vault, audit::Action::keeper_enrol);
    REQUIRE(enrolments.size() == 1);
    CHECK(enrolments[0].object == enrolled.id);
}

TEST_CASE("a keeper is enrolled neither in the data directory nor around it") {
    TestVault vault;
    const auto refusal_of_place = [&](const fs::path& directory) {
        return vault->enrol_keeper(vault.caller("key_operator"), directory, std::nullopt, 1s)
            .refusal;
    };
    CHECK(refusal_of_place(vault.options().data / "keeper") ==
          keys::MembershipRefusal::directory_nested);
    CHECK(refusal_of_place(vault.options().data) == keys::MembershipRefusal::directory_nested);
    CHECK(refusal_of_place(vault.home()) == keys::MembershipRefusal::directory_nested);
}

TEST_CASE("anchors become fresh once a day when nothing else made an epoch") {
    TestVault vault;
    REQUIRE(wait_for_epoch(vault, 3, 10s));
    std::this_thread::sleep_for(1500ms);  // one round of the housekeeping
    const std::uint64_t before = vault->status().plane.epoch;
    vault.clock.advance(kHour + 1);
    REQUIRE(wait_for_epoch(vault, before + 1, 20s));
    std::this_thread::sleep_for(500ms);  // until it is noted
    vault.clock.advance(kDay - kHour);
    CHECK_FALSE(wait_for_epoch(vault, before + 2, 3s));
    vault.clock.advance(kHour + 1);
    CHECK(wait_for_epoch(vault, before + 2, 20s));
    vault->rotate_anchor();
    CHECK(vault->status().plane.epoch == before + 3);
}

TEST_CASE("a scrub that was asked for is in the log") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    const keys::ScrubStatus status = vault->scrub(vault.caller("key_operator"));
    CHECK(status.pages > 0);
    CHECK(status.unrepairable == 0);
    vault.close();
    const auto scrubs = entries_of(vault, audit::Action::scrub);
    REQUIRE(scrubs.size() == 1);
    CHECK(scrubs[0].actor == vault.client_number("key_operator"));
}

}  // namespace oubliette::testing
