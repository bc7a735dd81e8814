#include <fcntl.h>
#include <filesystem>
#include <map>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/keys/plane_fixture.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/keeper_rows.hpp"
#include "vault/keys/records.hpp"

// Keepers that were apart, put back from a copy, or damaged.

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;

void copy_keeper(const fs::path& from, const fs::path& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
}

// Revokes while only one keeper is there.
void revoke_alone(const Vault& vault, std::size_t there, const Revocation& request) {
    const fs::path away = vault.home.path() / "away";
    fs::rename(vault.keeper(1 - there), away);
    {
        const auto plane = vault.open();
        Outcome outcome;
        plane->submit(request, outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
        REQUIRE_FALSE(outcome.had_fault());
    }
    fs::rename(away, vault.keeper(1 - there));
}

void check_agreement(KeyPlane& plane) {
    const PlaneStatus status = plane.status();
    REQUIRE(status.keepers.size() == 2);
    for (const KeeperStatus& keeper : status.keepers) {
        CHECK(keeper.online);
        CHECK(keeper.epoch == status.epoch);
    }
}

void overwrite(const fs::path& file, std::uint64_t offset, std::size_t size) {
    const FileDescriptor descriptor{::open(file.c_str(), O_WRONLY | O_CLOEXEC)};
    REQUIRE(descriptor.is_open());
    Bytes noise(size);
    crypto::random_bytes(noise);
    write_all(descriptor.get(), noise, offset, "test");
}

}  // namespace

TEST_CASE("a keeper put back from a copy is found out and overwritten from its peer") {
    const Vault vault;
    vault.init();
    const fs::path backup = vault.home.path() / "backup";
    const std::size_t stale = GENERATE(0U, 1U);
    std::string living;
    {
        const auto plane = vault.open();
        living = key_text(*plane, person(50));
        (void)revoke(*plane, revocation_of({person(1)}));
    }
    copy_keeper(vault.keeper(stale), backup);
    std::vector<RequestId> ids;
    {
        const auto plane = vault.open();
        for (std::uint64_t n = 2; n < 6; ++n) {
            const Revocation request = revocation_of({person(n)});
            (void)revoke(*plane, request);
            ids.push_back(request.id);
        }
        const bool is_forgotten = GENERATE(false, true);
        if (is_forgotten) plane->forget(ids);
        plane->advance();
        plane->advance();
    }
    copy_keeper(backup, vault.keeper(stale));
    {
        const auto plane = vault.open();
        check_agreement(*plane);
        for (std::uint64_t n = 1; n < 6; ++n) CHECK(key_text(*plane, person(n)) == "dead");
        CHECK(key_text(*plane, person(50)) == living);
        CHECK(plane_numbers(vault.keeper(stale)).size() == 1);  // the old directory is gone
        (void)revoke(*plane, revocation_of({person(7)}));
    }
    fs::remove_all(vault.keeper(1 - stale));
    const auto plane = vault.open();
    for (std::uint64_t n = 1; n < 6; ++n) CHECK(key_text(*plane, person(n)) == "dead");
    CHECK(key_text(*plane, person(7)) == "dead");
    CHECK(key_text(*plane, person(50)) == living);
}

TEST_CASE("two keepers that went different ways agree on everything that is dead in either") {
    const Vault vault;
    vault.init();
    std::map<std::uint64_t, std::string> living;
    {
        const auto plane = vault.open();
        for (std::uint64_t n = 50; n < 60; ++n) living[n] = item_text(*plane, n, 9);
    }
    const Revocation first = revocation_of({person(1), item(2, 5)});
    const Revocation second = revocation_of({person(3), item(2, 6)});
    revoke_alone(vault, 0, first);
    revoke_alone(vault, 1, second);
    const bool is_longer = GENERATE(false, true);
    if (is_longer) {
        for (std::uint64_t n = 10; n < 15; ++n) revoke_alone(vault, 0, revocation_of({person(n)}));
    }
    {
        const auto plane = vault.open();
        check_agreement(*plane);
        for (const Revocation& request : {first, second}) {
            const Finality finality = revoke(*plane, request);
            CHECK(finality.acknowledgements.size() == 2);
            CHECK(verify_finality(vault.id, request, finality));
        }
    }
    for (std::size_t i = 0; i < 2; ++i) {
        const fs::path away = vault.home.path() / "away";
        fs::rename(vault.keeper(i), away);
        {
            const auto plane = vault.open();
            CHECK(key_text(*plane, person(1)) == "dead");
            CHECK(key_text(*plane, person(3)) == "dead");
            CHECK(item_text(*plane, 2, 5) == "dead");
            CHECK(item_text(*plane, 2, 6) == "dead");
            CHECK(item_text(*plane, 2, 7).size() == 64);
            for (const auto& [n, text] : living) CHECK(item_text(*plane, n, 9) == text);
            if (is_longer) CHECK(key_text(*plane, person(12)) == "dead");
        }
        fs::rename(away, vault.keeper(i));
    }
}

TEST_CASE("a running plane goes on above the term of a keeper that another one led meanwhile") {
    // Found by tests/model: k0 refuses a change of a term that is over.
    const Vault vault;
    vault.init();
    Vault other;
    other.options.keepers = {other.home.path() / "none", other.home.path() / "led"};
    fs::rename(vault.keeper(1), other.keeper(1));
    const auto plane = vault.open();
    for (std::uint64_t n = 0; n < 3; ++n) {
        const auto led = other.open();
        Outcome outcome;
        led->submit(revocation_of({person(n)}), outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
    }
    fs::rename(other.keeper(1), vault.keeper(1));
    const Revocation request = revocation_of({person(9)});
    Outcome outcome;
    plane->submit(request, outcome.on_recorded(), outcome.on_final());
    REQUIRE(outcome.is_final_within(std::chrono::seconds{10}));
    CHECK(verify_finality(vault.id, request, outcome.finality()));
    Outcome next;
    plane->submit(revocation_of({person(10)}), next.on_recorded(), next.on_final());
    REQUIRE(next.is_final_within(std::chrono::seconds{10}));
    check_agreement(*plane);
    for (const std::uint64_t n : {0U, 1U, 2U, 9U, 10U}) {
        CHECK(key_text(*plane, person(n)) == "dead");
    }
}

TEST_CASE("a keeper without cell, or with a damaged one, is rebuilt from its peer") {
    const Vault vault;
    vault.init();
    std::string living;
    {
        const auto plane = vault.open();
        living = key_text(*plane, person(50));
        (void)revoke(*plane, revocation_of({person(1)}));
    }
    const fs::path damaged = vault.keeper(1);
    SECTION("cell removed") {
        fs::remove(damaged / "anchor.cell");
    }
    SECTION("cell truncated") {
        fs::resize_file(damaged / "anchor.cell", 4'096);
    }
    SECTION("cell overwritten") {
        overwrite(damaged / "anchor.cell", 0, 131'072);
    }
    SECTION("plane removed") {
        for (const auto& entry : fs::directory_iterator{damaged}) {
            if (entry.is_directory()) fs::remove_all(entry.path());
        }
    }
    {
        const auto plane = vault.open();
        check_agreement(*plane);
        CHECK_FALSE(plane->status().keepers[1].trouble.empty());
        CHECK(key_text(*plane, person(1)) == "dead");
        (void)revoke(*plane, revocation_of({person(2)}));
    }
    fs::remove_all(vault.keeper(0));
    const auto plane = vault.open();
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK(key_text(*plane, person(2)) == "dead");
    CHECK(key_text(*plane, person(50)) == living);
}

TEST_CASE("a keeper whose keys cannot be opened stays out, and the other serves") {
    const Vault vault;
    vault.init();
    SECTION("seal.slots damaged") {
        overwrite(vault.keeper(1) / "seal.slots", 60, 40);
    }
    SECTION("signing.key damaged") {
        overwrite(vault.keeper(1) / "signing.key", 90, 20);
    }
    SECTION("signing.key gone") {
        fs::remove(vault.keeper(1) / "signing.key");
    }
    const auto plane = vault.open();
    const PlaneStatus status = plane->status();
    CHECK(status.keepers[0].online);
    CHECK_FALSE(status.keepers[1].online);
    CHECK_FALSE(status.keepers[1].trouble.empty());
    Outcome outcome;
    plane->submit(revocation_of({person(1)}), outcome.on_recorded(), outcome.on_final());
    REQUIRE(outcome.wait_recorded());
    CHECK_FALSE(outcome.had_fault());
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK_FALSE(outcome.is_final_within(std::chrono::milliseconds{50}));
}

TEST_CASE("without any keeper that opens the vault does not start") {
    const Vault vault;
    vault.init();
    for (std::size_t i = 0; i < 2; ++i) overwrite(vault.keeper(i) / "anchor.cell", 0, 131'072);
    try {
        (void)vault.open();
        FAIL("it started");
    } catch (const Fault& fault) {
        CHECK(fault.kind() == FaultKind::corrupt);
    }
}

TEST_CASE("three keepers agree, and two of them wait for the third") {
    const Vault vault{3};
    vault.init();
    const Revocation request = revocation_of({person(1)});
    {
        const auto plane = vault.open();
        const Finality finality = revoke(*plane, request);
        CHECK(finality.acknowledgements.size() == 3);
        CHECK(verify_finality(vault.id, request, finality));
    }
    const fs::path away = vault.home.path() / "away";
    fs::rename(vault.keeper(0), away);
    const Revocation later = revocation_of({person(2)});
    const auto plane = vault.open();
    Outcome outcome;
    plane->submit(later, outcome.on_recorded(), outcome.on_final());
    REQUIRE(outcome.wait_recorded());
    CHECK_FALSE(outcome.is_final_within(std::chrono::milliseconds{50}));
    fs::rename(away, vault.keeper(0));
    REQUIRE(outcome.wait_final());
    CHECK(verify_finality(vault.id, later, outcome.finality()));
}

TEST_CASE("an acknowledgement proves nothing once anything in it is changed") {
    const Vault vault;
    vault.init();
    const Revocation request = revocation_of({person(1)});
    const auto plane = vault.open();
    const Finality good = revoke(*plane, request);
    REQUIRE(verify_finality(vault.id, request, good));
    Finality bad = good;
    Revocation other = request;
    SECTION("the request") {
        other.addresses = {person(2)};
    }
    SECTION("r2") {
        other.blind[0] ^= 1;
    }
    SECTION("the epoch") {
        ++bad.acknowledgements[0].epoch;
    }
    SECTION("the term") {
        ++bad.acknowledgements[1].term;
    }
    SECTION("the class") {
        bad.acknowledgements[0].cell_class = CellClass{'H'};
    }
    SECTION("the keeper") {
        bad.acknowledgements[0].keeper[3] ^= 1;
    }
    SECTION("the hash after") {
        bad.hash_after[0] ^= 1;
    }
    SECTION("the hash before") {
        bad.hash_before[0] ^= 1;
    }
    SECTION("the chain") {
        bad.chain[0].root_hash[5] ^= 1;
    }
    SECTION("the request root") {
        bad.chain[0].request_root[5] ^= 1;
    }
    SECTION("the signature") {
        bad.acknowledgements[0].signature[9] ^= 1;
    }
    SECTION("no acknowledgement") {
        bad.acknowledgements.clear();
    }
    CHECK_FALSE(verify_finality(vault.id, other, bad));
    VaultId elsewhere = vault.id;
    elsewhere[0] ^= 1;
    CHECK_FALSE(verify_finality(elsewhere, request, good));
}

TEST_CASE("the drill reads what the vault says, changes nothing, and knows what is pending") {
    const Vault vault;
    vault.init();
    std::vector<Path> paths;
    std::vector<std::string> said;
    {
        const auto plane = vault.open();
        (void)revoke(*plane, revocation_of({person(1), item(2, 3)}));
        for (std::uint64_t n = 0; n < 5; ++n) paths.push_back(person(n));
        for (const std::uint32_t i : {0U, 3U, 100U, 700U, 20'000U}) paths.push_back(item(2, i));
        for (const Path& path : paths) said.push_back(key_text(*plane, path));
    }
    for (std::size_t k = 0; k < 2; ++k) {
        const auto before = fs::last_write_time(vault.keeper(k) / "anchor.cell");
        const auto reader = KeeperReader::open(vault.keeper(k), keyfile_seal());
        CHECK(reader->vault_id() == vault.id);
        const std::vector<Derived> derived = reader->derive_batch(paths);
        REQUIRE(derived.size() == paths.size());
        for (std::size_t i = 0; i < paths.size(); ++i) {
            CHECK((derived[i].state == NodeState::dead) == (said[i] == "dead"));
            CHECK((derived[i].state == NodeState::whole) == (said[i].size() == 64));
        }
        CHECK(fs::last_write_time(vault.keeper(k) / "anchor.cell") == before);
        CHECK(reader->derive_batch({}).empty());
    }
    CHECK_THROWS_AS(KeeperReader::open(vault.keeper(0), keyfile_seal(0x33)), Fault);
    CHECK_THROWS_AS(KeeperReader::open(vault.home.path() / "nowhere", keyfile_seal()), Fault);
}

}  // namespace oubliette::keys::test
