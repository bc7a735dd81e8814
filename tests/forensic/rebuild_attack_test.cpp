#include <catch2/catch.hpp>

#include "tests/forensic/watched_place.hpp"
#include "vault/keys/durable_file.hpp"

// The same as crash_attack_test.cpp while a keeper comes back.

namespace oubliette::keys::test {

TEST_CASE("a catch-up and a rebuild killed at any point give an attacker nothing") {
    WatchedPlace place;
    const bool is_rebuild = GENERATE(false, true);
    const Child child{place.vault};
    place.keep_planes("planes before");
    const std::filesystem::path old_cell = place.vault.home.path() / "kept.cell";
    std::filesystem::copy_file(place.vault.keeper(0) / "anchor.cell", old_cell);
    const Revocation missed = request_number(kVictimCount - 1);
    std::filesystem::rename(place.vault.keeper(1), place.vault.home.path() / "away");
    {
        const auto plane = place.vault.open();
        Outcome outcome;
        plane->submit(missed, outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
    }
    std::filesystem::rename(place.vault.home.path() / "away", place.vault.keeper(1));
    if (is_rebuild) {
        Bytes noise(131'072);
        crypto::random_bytes(noise);
        replace_file(place.vault.keeper(1) / "anchor.cell", noise);
    }
    place.keep_planes("planes apart");
    const Template before{place.vault};
    long points = 0;
    for (long k = 1;; ++k) {
        INFO((is_rebuild ? "rebuild" : "catch-up") << " killed in front of call " << k);
        before.restore();
        place.start_history();
        const Revocation request = request_number(static_cast<std::uint64_t>(k));
        if (child.run(request, {k, false, place.history()}) == 0) break;
        ++points;
        place.check_after_crash();
        REQUIRE(child.run(request, {0, false, place.history()}) == 0);
        place.check_final(2, old_cell);
    }
    WARN("attacked after " << points << " crashes");
    CHECK(points >= 16);
}

}  // namespace oubliette::keys::test
