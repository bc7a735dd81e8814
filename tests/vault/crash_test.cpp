#include <map>
#include <random>
#include <thread>

#include "tests/vault/vault_fixture.hpp"

// A process killed at any moment: what it had answered is there, what it had erased is gone.

namespace oubliette::testing {
namespace {

constexpr int kCycles = 22;

// What the child writes after an answer: 'p' put, 'e' erased, then the person's number, and for a
// put the 77 characters of the token.
struct Record {
    char kind = 0;
    std::uint32_t person = 0;
    char token[tokens::kTokenSize] = {};
};

std::string id_of(std::uint32_t person) {
    return "person-" + std::to_string(person);
}
std::string value_of(std::uint32_t person) {
    return "value " + std::to_string(person);
}

[[noreturn]] void work_until_killed(TestVault& vault, int out, std::uint32_t from,
                                    std::uint64_t seed) {
    std::mt19937_64 random{seed};
    vault.open();
    std::vector<std::uint32_t> living;
    for (std::uint32_t person = from;; ++person) {
        Record record;
        record.person = person;
        record.kind = 'p';
        if (!vault.consent(id_of(person), "policy").empty()) ::_exit(3);
        std::string token;
        if (random() % 2 == 0) {
            std::vector<std::string> tokens;
            if (!vault.put(id_of(person), {{"username", value_of(person)}}, &tokens).empty()) {
                ::_exit(4);
            }
            token = tokens.front();
        } else {
            token = vault.tokenize(id_of(person), "username", value_of(person));
        }
        if (token.size() != tokens::kTokenSize) ::_exit(5);
        token.copy(record.token, token.size());
        if (::write(out, &record, sizeof record) != sizeof record) ::_exit(6);
        living.push_back(person);
        if (random() % 3 != 0) continue;
        const std::size_t at = random() % living.size();
        Record erased;
        erased.kind = 'e';
        erased.person = living[at];
        living.erase(living.begin() + static_cast<std::ptrdiff_t>(at));
        const std::string id = id_of(erased.person);  // must live until the answer
        const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
            vault->erase(vault.caller("privacy_officer"), id, "other", std::move(done), {});
        });
        if (!answer) ::_exit(7);
        if (::write(out, &erased, sizeof erased) != sizeof erased) ::_exit(8);
    }
}

}  // namespace

TEST_CASE("a killed vault keeps what it answered", "[crash]") {
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random{seed};
    TestVault vault;
    vault.close();
    std::map<std::uint32_t, std::string> tokens;
    std::map<std::uint32_t, bool> erased;
    for (int cycle = 0; cycle < kCycles; ++cycle) {
        INFO("cycle " << cycle);
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const std::uint64_t child_seed = random();
        const pid_t child = ::fork();
        if (child == 0) {
            (void)::close(ends[0]);
            work_until_killed(vault, ends[1], static_cast<std::uint32_t>(cycle) * 100'000,
                              child_seed);
        }
        REQUIRE(child > 0);
        (void)::close(ends[1]);
        // Killed after a random number of answers and a random moment more.
        const std::size_t answers = random() % 30;
        const std::chrono::microseconds moment{random() % 20'000};
        std::size_t seen = 0;
        Record record;
        const auto take = [&] {
            const bool is_whole = ::read(ends[0], &record, sizeof record) == sizeof record;
            if (!is_whole) return false;
            if (record.kind == 'p') {
                tokens[record.person] = std::string{record.token, sizeof record.token};
            } else {
                erased[record.person] = true;
            }
            return true;
        };
        while (seen < answers && take()) ++seen;
        CHECK(seen == answers);
        std::this_thread::sleep_for(moment);
        REQUIRE(::kill(child, SIGKILL) == 0);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        INFO("exit status " << (WIFEXITED(status) ? WEXITSTATUS(status) : -1));
        CHECK(WIFSIGNALED(status));
        while (take()) {
        }
        (void)::close(ends[0]);

        vault.open();
        CHECK_FALSE(vault->status().rolled_back);
        for (const auto& [person, token] : tokens) {
            if (person / 100'000 + 3 < static_cast<std::uint32_t>(cycle)) continue;
            const Shown shown = vault.detokenize(token);
            const Shown read = vault.read(id_of(person), "username");
            if (erased.contains(person)) {
                CHECK(shown == "ERASED");
                CHECK((read == "ERASED" || read == "NOT_FOUND"));
                continue;
            }
            // An erasure under way when the process died may have happened.
            const bool is_there = shown == value_of(person) && read == value_of(person);
            const bool is_gone = shown == "ERASED" && (read == "ERASED" || read == "NOT_FOUND");
            CHECK((is_there || is_gone));
            if (is_gone) erased[person] = true;
        }
        vault.close();
    }
    CHECK(tokens.size() > 50);
    CHECK(erased.size() > 5);
}

}  // namespace oubliette::testing
