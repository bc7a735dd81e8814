#include <chrono>
#include <csignal>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/keys/plane_fixture.hpp"
#include "vault/keys/records.hpp"

// What a running plane does when its disk does not take a write.

namespace oubliette::keys::test {
namespace {

// While it lives no file of this process grows beyond `bytes` (EFBIG).
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
        const rlimit limit{bytes, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    ~FileSizeLimit() { lift(); }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    void lift() { (void)::setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("an erasure that no keeper can write stays dead and queued, and ends once they can") {
    const Vault vault;
    vault.init();
    const auto plane = vault.open();
    std::vector<std::string> living;
    for (std::uint64_t n = 100; n < 120; ++n) living.push_back(key_text(*plane, person(n)));
    Outcome outcome;
    const Revocation request = revocation_of({person(1)});
    {
        // Neither a block of a cell nor a page of a store fits: not even a pending row.
        FileSizeLimit limit{16};
        plane->submit(request, outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
        CHECK(outcome.had_fault());
        CHECK(key_text(*plane, person(1)) == "dead");
        CHECK_FALSE(outcome.is_final_within(std::chrono::milliseconds{300}));
        CHECK(key_text(*plane, person(1)) == "dead");
        CHECK_THROWS_AS(plane->lease({RegisterKind::person_lease, kTenant, 0, 0}, 5), Fault);
        CHECK_THROWS_AS(plane->advance(), Fault);
    }
    REQUIRE(outcome.is_final_within(std::chrono::seconds{30}));
    CHECK(verify_finality(vault.id, request, outcome.finality()));
    CHECK(key_text(*plane, person(1)) == "dead");
    for (std::uint64_t n = 100; n < 120; ++n) {
        CHECK(key_text(*plane, person(n)) == living[n - 100]);
    }
    CHECK(plane->lease({RegisterKind::person_lease, kTenant, 0, 0}, 5) == 0);
    const PlaneStatus status = plane->status();
    CHECK(status.waiting == 0);
    CHECK(status.keepers[0].epoch == status.keepers[1].epoch);
}

TEST_CASE("a running plane that falls back to an older keeper forgets no erasure") {
    // One keeper takes the erasure of person 1 and fails; the one that was away meanwhile comes
    // back without it. Found by tests/model.
    const Vault vault;
    vault.init();
    const std::filesystem::path newer = vault.home.path() / "newer";
    const std::filesystem::path older = vault.home.path() / "older";
    std::filesystem::rename(vault.keeper(1), older);
    const auto plane = vault.open();
    const Revocation first = revocation_of({person(1)});
    const Revocation second = revocation_of({person(2)});
    Outcome of_first;
    Outcome of_second;
    plane->submit(first, of_first.on_recorded(), of_first.on_final());
    REQUIRE(of_first.wait_recorded());
    REQUIRE_FALSE(of_first.had_fault());
    {
        FileSizeLimit limit{16};
        std::filesystem::rename(vault.keeper(0), newer);
        plane->submit(second, of_second.on_recorded(), of_second.on_final());
        REQUIRE(of_second.wait_recorded());
        REQUIRE(of_second.had_fault());
    }
    std::filesystem::rename(older, vault.keeper(1));
    for (int i = 0; i < 1'000 && !plane->status().keepers[1].online; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    REQUIRE(plane->status().keepers[1].online);
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK_FALSE(of_first.is_final_within(std::chrono::seconds{1}));
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK(key_text(*plane, person(2)) == "dead");

    std::filesystem::rename(newer, vault.keeper(0));
    REQUIRE(of_first.is_final_within(std::chrono::seconds{30}));
    REQUIRE(of_second.is_final_within(std::chrono::seconds{30}));
    CHECK(verify_finality(vault.id, first, of_first.finality()));
    CHECK(verify_finality(vault.id, second, of_second.finality()));
    CHECK(plane->status().keepers[0].epoch == plane->status().keepers[1].epoch);
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK(key_text(*plane, person(3)).size() == 64);
}

TEST_CASE("when only the cells cannot be written, an erasure is recorded as pending") {
    const Vault vault;
    vault.init();
    const Revocation request = revocation_of({person(1)});
    {
        const auto plane = vault.open();
        // Blocks of the cell that begin at 65,536 are refused, so one of two anchors cannot be
        // written; the stores are smaller than that or have free pages below it.
        (void)revoke(*plane, revocation_of({person(2)}));
        FileSizeLimit limit{65'536};
        Outcome outcome;
        plane->submit(request, outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
        CHECK(key_text(*plane, person(1)) == "dead");
    }
    // Whatever became of it, the next start ends it, without anybody submitting it again.
    const auto plane = vault.open();
    CHECK(key_text(*plane, person(1)) == "dead");
    for (int i = 0; i < 1'000 && plane->status().waiting > 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    CHECK(plane->status().waiting == 0);
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK(key_text(*plane, person(3)).size() == 64);
    CHECK(verify_finality(vault.id, request, revoke(*plane, request)));
}

}  // namespace oubliette::keys::test
