#include "vault/keys/key_plane.hpp"

#include <algorithm>
#include <map>
#include <thread>

#include <catch2/catch.hpp>

#include "plane_fixture.hpp"
#include "vault/keys/records.hpp"

namespace oubliette::keys::test {
namespace {

bool is_fault(FaultKind kind, const std::function<void()>& call) {
    try {
        call();
    } catch (const Fault& fault) {
        return fault.kind() == kind;
    }
    return false;
}

}  // namespace

TEST_CASE("an erased person is dead at once, on both keepers, and nobody else is") {
    const Vault vault;
    vault.init();
    std::map<std::uint64_t, std::string> before;
    const Revocation erase = revocation_of({person(3)});
    {
        const auto plane = vault.open();
        for (std::uint64_t n = 0; n < 100; ++n) before[n] = key_text(*plane, person(n));
        for (const auto& [n, text] : before) REQUIRE(text.size() == 64);
        const Finality finality = revoke(*plane, erase);
        CHECK(key_text(*plane, person(3)) == "dead");
        CHECK(item_text(*plane, 3, 5) == "dead");
        CHECK(finality.acknowledgements.size() == 2);
        CHECK(finality.chain.size() == 1);
        CHECK(verify_finality(vault.id, erase, finality));
        const PlaneStatus status = plane->status();
        REQUIRE(status.keepers.size() == 2);
        CHECK(status.keepers[0].epoch == status.keepers[1].epoch);
        for (const KeeperStatus& keeper : status.keepers) CHECK(keeper.online);
    }
    // Each keeper alone.
    for (std::size_t i = 0; i < 2; ++i) {
        std::filesystem::rename(vault.keeper(i), vault.home.path() / "away");
        const auto plane = vault.open();
        for (const auto& [n, text] : before) {
            CHECK(key_text(*plane, person(n)) == (n == 3 ? "dead" : text));
        }
        plane.get();
        std::filesystem::rename(vault.home.path() / "away", vault.keeper(i));
    }
}

}  // namespace oubliette::keys::test
