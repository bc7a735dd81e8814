#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/keys/plane_fixture.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/key_plane.hpp"
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

TEST_CASE("init refuses directories that cannot be two keepers and leaves nothing behind") {
    Vault vault;
    const std::filesystem::path home = vault.home.path();
    const auto refuses = [&] { return is_fault(FaultKind::configuration, [&] { vault.init(); }); };
    SECTION("only one") {
        vault.options.keepers.resize(1);
        CHECK(refuses());
    }
    SECTION("the same twice") {
        vault.options.keepers[1] = vault.options.keepers[0];
        CHECK(refuses());
    }
    SECTION("the same by a symbolic link") {
        std::filesystem::create_directory(home / "real");
        std::filesystem::create_directory_symlink(home / "real", home / "link");
        vault.options.keepers = {home / "real", home / "link"};
        CHECK(refuses());
        CHECK(std::filesystem::is_empty(home / "real"));
        std::filesystem::remove(home / "link");
        std::filesystem::remove(home / "real");
    }
    SECTION("the same by a detour") {
        vault.options.keepers = {home / "keeper1", home / "x" / ".." / "keeper1"};
        CHECK(refuses());
    }
    SECTION("one inside the other") {
        vault.options.keepers = {home / "keeper1", home / "keeper1" / "inner"};
        CHECK(refuses());
    }
    SECTION("a parent that is missing") {
        vault.options.keepers[1] = home / "missing" / "keeper2";
        CHECK(refuses());
    }
    SECTION("not empty") {
        std::filesystem::create_directory(home / "keeper2");
        create_file(home / "keeper2" / "letter.txt", bytes_of("dear"));
        CHECK(refuses());
        CHECK(std::filesystem::file_size(home / "keeper2" / "letter.txt") == 4);
        std::filesystem::remove_all(home / "keeper2");
    }
    CHECK(std::filesystem::is_empty(home));
}

TEST_CASE("init begins again over an unconfirmed vault and never over a confirmed one") {
    Vault vault;
    KeyPlane::init(vault.options, vault.id, kTenant, keyfile_seal());
    CHECK(is_fault(FaultKind::configuration, [&] { (void)vault.open(); }));
    create_file(vault.keeper(0) / "letter.txt", bytes_of("dear"));
    CHECK(is_fault(FaultKind::configuration,
                   [&] { KeyPlane::init(vault.options, vault.id, kTenant, keyfile_seal()); }));
    std::filesystem::remove(vault.keeper(0) / "letter.txt");
    KeyPlane::init(vault.options, vault.id, kTenant, keyfile_seal());
    vault.options.finish_init = true;
    vault.open()->confirm_ready();
    vault.options.finish_init = false;
    const std::string key = key_text(*vault.open(), person(1));
    CHECK(is_fault(FaultKind::configuration,
                   [&] { KeyPlane::init(vault.options, vault.id, kTenant, keyfile_seal()); }));
    CHECK(key_text(*vault.open(), person(1)) == key);
}

TEST_CASE("open refuses a second process, a wrong secret and directories that are gone") {
    Vault vault;
    vault.init();
    CHECK(is_fault(FaultKind::sealed, [&] { (void)vault.open(keyfile_seal(0x11)); }));
    {
        const auto plane = vault.open();
        CHECK(is_fault(FaultKind::conflict, [&] { (void)vault.open(); }));
        CHECK(plane->read_register({RegisterKind::next_bank, kTenant, 1, 0}) == 1);
    }
    Vault other;
    other.init();
    vault.options.keepers[1] = other.keeper(0);
    CHECK(is_fault(FaultKind::configuration, [&] { (void)vault.open(); }));
    vault.options.keepers = {vault.home.path() / "a", vault.home.path() / "b"};
    CHECK(is_fault(FaultKind::configuration, [&] { (void)vault.open(); }));
}

TEST_CASE("what is submitted answers dead from that moment, whole ancestors give no seed") {
    const Vault vault;
    vault.init();
    const auto plane = vault.open();
    REQUIRE(item_text(*plane, 7, 3).size() == 64);  // now its seed is cached
    Outcome outcome;
    plane->submit(revocation_of({item(7, 3)}), outcome.on_recorded(), outcome.on_final());
    CHECK(item_text(*plane, 7, 3) == "dead");
    CHECK(key_text(*plane, person(7)) == "punctured");
    CHECK(item_text(*plane, 7, 4).size() == 64);
    CHECK(plane->highest_dead_item(kTenant, SubjectNumber{7}) == 3);
    REQUIRE(outcome.wait_final());
    CHECK(item_text(*plane, 7, 3) == "dead");
    CHECK(key_text(*plane, person(7)) == "punctured");
    CHECK(plane->highest_dead_item(kTenant, SubjectNumber{7}) == 3);
    CHECK(plane->highest_dead_item(kTenant, SubjectNumber{8}) == std::nullopt);
}

TEST_CASE("implicit markers die alone") {
    const Vault vault;
    vault.init();
    const auto plane = vault.open();
    const Path marker = implicit_marker_path(person(9), kMarkerNotPaused);
    REQUIRE(plane->implicit_marker(kTenant, SubjectNumber{9}, kMarkerNotPaused) ==
            NodeState::whole);
    (void)revoke(*plane, revocation_of({marker}));
    CHECK(plane->implicit_marker(kTenant, SubjectNumber{9}, kMarkerNotPaused) == NodeState::dead);
    CHECK(plane->implicit_marker(kTenant, SubjectNumber{9}, kMarkerNotRestricted) ==
          NodeState::whole);
    crypto::Seed fixed;
    CHECK(plane->fixed_key(kTenant, SubjectNumber{9}, fixed) == NodeState::whole);
}

TEST_CASE("requests of eight threads all become final and both keepers agree") {
    const Vault vault;
    vault.init();
    const auto plane = vault.open();
    constexpr unsigned kThreads = 8;
    constexpr unsigned kEach = 25;
    std::vector<std::thread> threads;
    std::vector<Outcome> outcomes(kThreads * kEach);
    std::atomic<unsigned> alive_after_submit{0};
    for (unsigned t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < kEach; ++i) {
                const std::uint64_t number = t * 1'000 + i;
                crypto::ItemKey key;
                const KeyPlane::Gate gate{*plane};
                (void)plane->item_key(kTenant, SubjectNumber{number}, 0, key);
                Outcome& outcome = outcomes[t * kEach + i];
                plane->submit(revocation_of({person(number)}), outcome.on_recorded(),
                              outcome.on_final());
                if (plane->item_key(kTenant, SubjectNumber{number}, 0, key) != NodeState::dead) {
                    ++alive_after_submit;
                }
                if (plane->item_key(kTenant, SubjectNumber{number + 500}, 0, key) !=
                    NodeState::whole) {
                    ++alive_after_submit;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (Outcome& outcome : outcomes) REQUIRE(outcome.wait_final());
    CHECK(alive_after_submit == 0);
    const PlaneStatus status = plane->status();
    CHECK(status.keepers[0].epoch == status.epoch);
    CHECK(status.keepers[1].epoch == status.epoch);
    CHECK(status.waiting == 0);
    for (unsigned t = 0; t < kThreads; ++t) {
        for (unsigned i = 0; i < kEach; ++i) {
            REQUIRE(item_text(*plane, t * 1'000 + i, 1) == "dead");
        }
    }
}

TEST_CASE("a group is not final before the requests that began before it have ended") {
    const Vault vault;
    vault.init();
    const auto plane = vault.open();
    Outcome outcome;
    {
        const KeyPlane::Gate gate{*plane};
        plane->submit(revocation_of({person(1)}), outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
        CHECK_FALSE(outcome.is_final_within(std::chrono::milliseconds{100}));
        // A request that begins now does not hold it up.
        const KeyPlane::Gate later{*plane};
        CHECK_FALSE(outcome.is_final_within(std::chrono::milliseconds{20}));
    }
    CHECK(outcome.wait_final());
}

TEST_CASE("while a keeper is away erasures are effective, and final with a chain once it is back") {
    const Vault vault;
    vault.init();
    const std::size_t gone = GENERATE(0U, 1U);
    const std::filesystem::path away = vault.home.path() / "away";
    std::vector<Revocation> requests;
    for (std::uint64_t n = 0; n < 5; ++n)
        requests.push_back(revocation_of({person(n), item(n + 100, 2)}));
    std::vector<Outcome> outcomes(requests.size());
    const auto submit = [&](KeyPlane& plane, std::size_t i) {
        plane.submit(requests[i], outcomes[i].on_recorded(), outcomes[i].on_final());
        REQUIRE(outcomes[i].wait_recorded());
    };
    {
        const auto plane = vault.open();
        (void)revoke(*plane, revocation_of({person(77)}));
    }
    std::filesystem::rename(vault.keeper(gone), away);
    SECTION("at the next open") {
        {
            const auto plane = vault.open();
            for (std::size_t i = 0; i < requests.size(); ++i) submit(*plane, i);
            CHECK(key_text(*plane, person(2)) == "dead");
            CHECK_FALSE(outcomes[0].is_final_within(std::chrono::milliseconds{50}));
            const PlaneStatus status = plane->status();
            CHECK_FALSE(status.keepers[gone].online);
            CHECK_FALSE(status.keepers[gone].trouble.empty());
            CHECK(status.waiting == requests.size());
            CHECK(is_fault(FaultKind::storage,
                           [&] { plane->open_bank(kTenant, AddressClass::people, 1); }));
        }
        std::filesystem::rename(away, vault.keeper(gone));
        const auto plane = vault.open();
        CHECK(plane->remembered().size() == requests.size() + 1);
        outcomes = std::vector<Outcome>(requests.size());  // each submission reports for itself
        for (std::size_t i = 0; i < requests.size(); ++i) submit(*plane, i);
        for (std::size_t i = 0; i < requests.size(); ++i) {
            REQUIRE(outcomes[i].wait_final());
            const Finality finality = outcomes[i].finality();
            CHECK(finality.acknowledgements.size() == 2);
            CHECK(finality.chain.size() == requests.size() - i);
            CHECK(verify_finality(vault.id, requests[i], finality));
        }
        CHECK(plane->status().keepers[0].epoch == plane->status().keepers[1].epoch);
    }
    SECTION("while the plane runs") {
        const auto plane = vault.open();
        for (std::size_t i = 0; i < requests.size(); ++i) submit(*plane, i);
        std::filesystem::rename(away, vault.keeper(gone));
        for (std::size_t i = 0; i < requests.size(); ++i) {
            REQUIRE(outcomes[i].wait_final());
            CHECK(verify_finality(vault.id, requests[i], outcomes[i].finality()));
        }
        CHECK(plane->status().keepers[gone].online);
        CHECK(key_text(*plane, person(2)) == "dead");
    }
    // The one that was away is complete by itself.
    std::filesystem::remove_all(vault.keeper(1 - gone));
    const auto plane = vault.open();
    CHECK(key_text(*plane, person(2)) == "dead");
    CHECK(item_text(*plane, 102, 2) == "dead");
    CHECK(item_text(*plane, 102, 3).size() == 64);
    CHECK(key_text(*plane, person(77)) == "dead");
    CHECK(key_text(*plane, person(5)).size() == 64);
}

TEST_CASE("a request that was applied is not punctured again, and is forgotten on demand") {
    const Vault vault;
    vault.init();
    const Revocation request = revocation_of({person(4), item(5, 0)});
    Finality first;
    {
        const auto plane = vault.open();
        first = revoke(*plane, request);
        const std::uint64_t epoch = plane->status().epoch;
        const Finality again = revoke(*plane, request);
        CHECK(plane->status().epoch == epoch);
        CHECK(again.hash_after == first.hash_after);
    }
    const auto plane = vault.open();
    const std::vector<Revocation> remembered = plane->remembered();
    REQUIRE(remembered.size() == 1);
    CHECK(remembered[0].id == request.id);
    CHECK(remembered[0].blind == request.blind);
    std::vector<Path> addresses = request.addresses;
    std::sort(addresses.begin(), addresses.end());
    CHECK(remembered[0].addresses == addresses);
    const Finality again = revoke(*plane, request);
    CHECK(again.epoch == first.epoch);
    CHECK(again.acknowledgements.size() == 2);
    CHECK(again.acknowledgements[0].signature == first.acknowledgements[0].signature);
    plane->forget({request.id});
    CHECK(plane->remembered().empty());
    CHECK(key_text(*plane, person(4)) == "dead");
}

TEST_CASE("a request with more pages than a group may have is final as one request") {
    const Vault vault;
    vault.init();
    const auto plane = vault.open();
    std::vector<Path> addresses;
    for (std::uint64_t i = 0; i < 2'100; ++i) addresses.push_back(person(i * 4'096 + 1));
    const Revocation request = revocation_of(addresses);
    Outcome outcome;
    plane->submit(request, outcome.on_recorded(), outcome.on_final());
    REQUIRE(outcome.is_final_within(std::chrono::seconds{60}));
    CHECK(verify_finality(vault.id, request, outcome.finality()));
    CHECK(key_text(*plane, person(4'097)) == "dead");
    CHECK(key_text(*plane, person(4'098)).size() == 64);
    CHECK(plane->remembered().size() == 1);
}

TEST_CASE("registers only rise, leases are never given twice, and keepers merge them") {
    const Vault vault;
    vault.init();
    const RegisterKey lease{RegisterKind::person_lease, kTenant, 0, 0};
    const RegisterKey kid{RegisterKind::kid, kTenant, 1, 77};
    const StateRecord older{1, 5, 10, {}};
    const StateRecord newer{1, 9, 12, {}};
    {
        const auto plane = vault.open();
        CHECK(plane->lease(lease, 4'096) == 0);
        CHECK(plane->lease(lease, 4'096) == 4'096);
        plane->raise_registers({{kid, 5}});
        plane->raise_registers({{kid, 3}});
        CHECK(plane->read_register(kid) == 5);
        plane->write_state_record(older);
    }
    const std::filesystem::path away = vault.home.path() / "away";
    std::filesystem::rename(vault.keeper(0), away);
    {
        const auto plane = vault.open();
        CHECK(plane->lease(lease, 10) == 8'192);
        plane->write_state_record(newer);
    }
    std::filesystem::rename(away, vault.keeper(0));
    {
        const auto plane = vault.open();
        CHECK(plane->read_register(lease) == 8'202);
        CHECK(plane->state_record() == newer);
    }
    std::filesystem::rename(vault.keeper(1), away);
    const auto plane = vault.open();
    CHECK(plane->read_register(lease) == 8'202);
    CHECK(plane->read_register(kid) == 5);
    CHECK(plane->state_record() == newer);
}

TEST_CASE("every start has a higher term") {
    const Vault vault;
    vault.init();
    std::uint64_t last = vault.open()->status().term;
    for (int i = 0; i < 3; ++i) {
        const std::uint64_t term = vault.open()->status().term;
        CHECK(term > last);
        last = term;
    }
}

TEST_CASE("a new bank gives fresh seeds on both keepers") {
    const Vault vault;
    vault.init();
    const Path newcomer = person_path(kTenant, SubjectNumber{(1ULL << 24) + 5});
    std::string fresh;
    {
        const auto plane = vault.open();
        const std::string before = key_text(*plane, newcomer);
        const std::string old_bank = key_text(*plane, person(5));
        plane->open_bank(kTenant, AddressClass::people, 1);
        fresh = key_text(*plane, newcomer);
        CHECK(fresh != before);
        CHECK(key_text(*plane, person(5)) == old_bank);
        CHECK(plane->read_register({RegisterKind::next_bank, kTenant, 1, 0}) == 2);
        plane->advance();
        CHECK(key_text(*plane, newcomer) == fresh);
    }
    std::filesystem::remove_all(vault.keeper(0));
    CHECK(key_text(*vault.open(), newcomer) == fresh);
}

}  // namespace oubliette::keys::test
