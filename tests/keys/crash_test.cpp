#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "tests/keys/crash_rig.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/records.hpp"

// The real program, killed in front of every call that changes a file. After each crash every
// keeper by itself must still open with all living keys, the requested key must be alive or dead
// and never damaged, and repeating the request must end with both keepers at one hash and with no
// anchor of before that opens anything.

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLiving = 40;  // people 0 to 39 are never erased

using Keys = std::map<std::uint64_t, std::string>;

std::string text_of_derived(const Derived& derived) {
    if (derived.state == NodeState::whole) return crypto::hex_encode(derived.seed.expose());
    return derived.state == NodeState::dead ? "dead" : "broken";
}

Keys living_keys(KeyPlane& plane) {
    Keys keys;
    for (std::uint64_t n = 0; n < kLiving; ++n) keys[n] = key_text(plane, person(n));
    return keys;
}

// What one keeper says by itself, without recovery.
void check_keeper(const fs::path& directory, const Keys& living, const Path& victim) {
    const auto reader = KeeperReader::open(directory, keyfile_seal());
    std::vector<Path> paths;
    for (const auto& [n, text] : living) paths.push_back(person(n));
    paths.push_back(victim);
    const std::vector<Derived> derived = reader->derive_batch(paths);
    std::size_t i = 0;
    for (const auto& [n, text] : living) REQUIRE(text_of_derived(derived[i++]) == text);
    REQUIRE(text_of_derived(derived[i]) != "broken");
}

// True if the cell `cell` opens the plane in `keeper`.
bool opens_with(const Vault& vault, const fs::path& keeper, const fs::path& cell) {
    const fs::path copy = vault.home.path() / "attacker";
    fs::remove_all(copy);
    fs::copy(keeper, copy, fs::copy_options::recursive);
    fs::copy_file(cell, copy / "anchor.cell", fs::copy_options::overwrite_existing);
    bool opened = true;
    try {
        (void)KeeperReader::open(copy, keyfile_seal())->derive_batch({person(0)});
    } catch (const Fault& fault) {
        REQUIRE(fault.kind() == FaultKind::corrupt);
        opened = false;
    }
    fs::remove_all(copy);
    return opened;
}

// Once the request is final, a backup of the plane opens with its own old cell (the control) and
// with nothing that there is now; the plane of now opens with the cell of now alone.
void check_erased(const Vault& vault, const std::vector<fs::path>& before) {
    for (std::size_t i = 0; i < 2; ++i) {
        const fs::path cell = vault.keeper(i) / "anchor.cell";
        REQUIRE(opens_with(vault, before[i], before[i] / "anchor.cell"));
        REQUIRE_FALSE(opens_with(vault, before[i], cell));
        REQUIRE_FALSE(opens_with(vault, vault.keeper(i), before[i] / "anchor.cell"));
        REQUIRE(opens_with(vault, vault.keeper(i), cell));
    }
}

// Repeats the request in this process and checks how it ends.
void check_retry(const Vault& vault, const Keys& living, const Revocation& request) {
    const auto plane = vault.open();
    REQUIRE(living_keys(*plane) == living);
    const std::string before = key_text(*plane, request.addresses.front());
    REQUIRE((before == "dead" || before.size() == 64));
    const Finality finality = revoke(*plane, request);
    REQUIRE(verify_finality(vault.id, request, finality));
    REQUIRE(finality.acknowledgements.size() == 2);
    REQUIRE(finality.acknowledgements[0].hash == finality.acknowledgements[1].hash);
    REQUIRE(key_text(*plane, request.addresses.front()) == "dead");
    REQUIRE(living_keys(*plane) == living);
    const PlaneStatus status = plane->status();
    REQUIRE(status.keepers[0].epoch == status.keepers[1].epoch);
    plane->forget({request.id});
}

}  // namespace

TEST_CASE("an erasure killed at any point loses no key and leaves no old anchor that opens") {
    const Vault vault;
    vault.init();
    const bool is_torn = GENERATE(false, true);
    const Child child{vault};
    const Keys living = living_keys(*vault.open());
    const Template before{vault};
    long points = 0;
    for (long k = 1;; ++k) {
        INFO("killed in front of call " << k << (is_torn ? ", torn" : ""));
        before.restore();
        const Revocation request = request_number(static_cast<std::uint64_t>(k));
        const int status = child.run(request, {k, is_torn, {}});
        for (std::size_t i = 0; i < 2; ++i) {
            check_keeper(vault.keeper(i), living, request.addresses.front());
        }
        check_retry(vault, living, request);
        check_erased(vault, before.copies());
        if (status == 0) break;
        ++points;
    }
    WARN("killed at " << points << " points");
    CHECK(points >= 16);
}

TEST_CASE("a catch-up and a rebuild killed at any point lose no key") {
    const Vault vault;
    vault.init();
    const bool is_rebuild = GENERATE(false, true);
    const Child child{vault};
    const Keys living = living_keys(*vault.open());
    const Revocation missed = request_number(10'000);
    const Revocation request = request_number(1);
    fs::rename(vault.keeper(1), vault.home.path() / "away");
    {
        const auto plane = vault.open();
        Outcome outcome;
        plane->submit(missed, outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
    }
    fs::rename(vault.home.path() / "away", vault.keeper(1));
    if (is_rebuild) {
        Bytes noise(131'072);
        crypto::random_bytes(noise);
        replace_file(vault.keeper(1) / "anchor.cell", noise);
    }
    const Template before{vault};
    for (long k = 1;; ++k) {
        INFO((is_rebuild ? "rebuild" : "catch-up") << " killed in front of call " << k);
        before.restore();
        const int status = child.run(request, {k, false, {}});
        check_keeper(vault.keeper(0), living, request.addresses.front());
        if (!is_rebuild) check_keeper(vault.keeper(1), living, request.addresses.front());
        check_retry(vault, living, request);
        check_retry(vault, living, missed);
        check_keeper(vault.keeper(1), living, missed.addresses.front());
        // What the laggard had before opens with nothing that there is now.
        const fs::path cell = vault.keeper(1) / "anchor.cell";
        REQUIRE(opens_with(vault, before.copies()[1], before.copies()[1] / "anchor.cell") !=
                is_rebuild);
        REQUIRE_FALSE(opens_with(vault, before.copies()[1], cell));
        if (status == 0) break;
    }
}

}  // namespace oubliette::keys::test
