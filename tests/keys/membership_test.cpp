#include "vault/keys/membership.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "tests/keys/plane_fixture.hpp"
#include "vault/keys/keeper_files.hpp"

// Keepers that are enrolled, expelled, lost and come back.

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

using Keys = std::map<std::uint64_t, std::string>;

Keys living_keys(KeyPlane& plane) {
    Keys keys;
    for (std::uint64_t n = 50; n < 70; ++n) keys[n] = key_text(plane, person(n));
    return keys;
}

// A vault whose configuration follows what the plane tells.
struct Remembering : Vault {
    explicit Remembering(std::size_t keeper_count = 2) : Vault{keeper_count} {
        options.keepers_changed = [this](const std::vector<fs::path>& keepers) {
            told.push_back(keepers);
        };
        init();
    }
    [[nodiscard]] std::unique_ptr<KeyPlane> reopen() {
        if (!told.empty()) options.keepers = told.back();
        return open();
    }
    [[nodiscard]] fs::path place(const std::string& name) const { return home.path() / name; }

    std::vector<std::vector<fs::path>> told;
};

const KeeperStatus& status_of(const PlaneStatus& status, const KeeperId& id) {
    for (const KeeperStatus& keeper : status.keepers) {
        if (keeper.id == id) return keeper;
    }
    FAIL("the keeper is not in the status");
    return status.keepers.front();
}

// All that are registered are there and at one epoch.
void check_agreement(const PlaneStatus& status, std::size_t count) {
    std::size_t registered = 0;
    for (const KeeperStatus& keeper : status.keepers) {
        const bool counts =
            keeper.state != KeeperState::expelled && keeper.state != KeeperState::unregistered;
        if (!counts) continue;
        ++registered;
        CHECK(keeper.state == KeeperState::active);
        CHECK(keeper.online);
        CHECK(keeper.epoch == status.epoch);
    }
    CHECK(registered == count);
}

// The last person says what is dead and what is not when this keeper is all that is left.
void check_alone(const Vault& vault, const fs::path& keeper, const Keys& living,
                 const std::vector<std::uint64_t>& dead) {
    const auto reader = KeeperReader::open(keeper, keyfile_seal());
    for (const auto& [n, text] : living) {
        const auto derived = reader->derive_batch({person(n)});
        CHECK(crypto::hex_encode(derived.front().seed.expose()) == text);
    }
    for (const std::uint64_t n : dead) {
        CHECK(reader->derive_batch({person(n)}).front().state == NodeState::dead);
    }
    CHECK(reader->vault_id() == vault.id);
}

bool opens(const fs::path& keeper) {
    try {
        (void)KeeperReader::open(keeper, keyfile_seal())->derive_batch({person(50)});
        return true;
    } catch (const Fault& fault) {
        CHECK(fault.kind() == FaultKind::corrupt);
        return false;
    }
}

Outcome submit(KeyPlane& plane, const Revocation& request) {
    Outcome outcome;
    plane.submit(request, outcome.on_recorded(), outcome.on_final());
    REQUIRE(outcome.wait_recorded());
    REQUIRE_FALSE(outcome.had_fault());
    return outcome;
}

KeeperId enrol(KeyPlane& plane, const fs::path& directory,
               const std::optional<KeeperId>& replaces = std::nullopt) {
    const EnrolAnswer answer = plane.enrol(directory, replaces, 10s);
    REQUIRE_FALSE(answer.refusal);
    REQUIRE(answer.is_active);
    return answer.id;
}

}  // namespace

TEST_CASE("an enrolled keeper holds everything, acknowledges, and is there at the next start") {
    Remembering vault;
    Keys living;
    {
        const auto plane = vault.open();
        living = living_keys(*plane);
        (void)revoke(*plane, revocation_of({person(1), item(2, 3)}));
        const KeeperId id = enrol(*plane, vault.place("keeper3"));
        CHECK(status_of(plane->status(), id).state == KeeperState::active);
        check_agreement(plane->status(), 3);
        const Revocation later = revocation_of({person(4)});
        const Finality finality = revoke(*plane, later);
        CHECK(finality.acknowledgements.size() == 3);
        CHECK(verify_finality(vault.id, later, finality));
        CHECK_FALSE(fs::exists(vault.place("keeper3") / kJoiningMark));
    }
    REQUIRE(vault.told.back().size() == 3);
    CHECK(vault.told.front() == vault.told.back());  // told before anything was registered
    for (const char* const name : {"keeper1", "keeper2", "keeper3"}) {
        check_alone(vault, vault.place(name), living, {1, 4});
    }
    fs::remove_all(vault.keeper(0));
    fs::remove_all(vault.keeper(1));
    const auto plane = vault.reopen();
    CHECK(living_keys(*plane) == living);
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK(item_text(*plane, 2, 3) == "dead");
    CHECK(item_text(*plane, 2, 4).size() == 64);
}

TEST_CASE("enrolling is refused with the reason, and leaves nothing behind") {
    Remembering vault;
    vault.options.data = vault.place("data");
    fs::create_directories(vault.place("data") / "store");
    const auto plane = vault.open();
    const auto refusal_of = [&](const fs::path& directory,
                                std::optional<KeeperId> replaces = std::nullopt) {
        const EnrolAnswer answer = plane->enrol(directory, replaces, 1s);
        REQUIRE(answer.refusal);
        CHECK_FALSE(remedy_of(*answer.refusal).empty());
        return *answer.refusal;
    };
    using Refusal = MembershipRefusal;
    fs::create_directories(vault.place("full"));
    std::ofstream{vault.place("full") / "letter"} << "mine";
    std::ofstream{vault.place("file")} << "mine";
    fs::create_directory_symlink(vault.keeper(0), vault.place("link"));
    CHECK(refusal_of("keeper3") == Refusal::directory_relative);
    CHECK(refusal_of(vault.keeper(0)) == Refusal::directory_nested);
    CHECK(refusal_of(vault.place("link")) == Refusal::directory_nested);
    CHECK(refusal_of(vault.keeper(1) / "inside") == Refusal::directory_nested);
    CHECK(refusal_of(vault.home.path()) == Refusal::directory_nested);
    CHECK(refusal_of(vault.place("data") / "keeper") == Refusal::directory_nested);
    CHECK(refusal_of(vault.place("full")) == Refusal::directory_not_empty);
    CHECK(refusal_of(vault.place("file")) == Refusal::directory_unusable);
    CHECK(refusal_of(vault.place("no") / "parent") == Refusal::directory_unusable);
    CHECK(refusal_of(vault.place("new"), KeeperId{7}) == Refusal::keeper_unknown);
    CHECK_FALSE(fs::exists(vault.place("new")));
    CHECK(fs::exists(vault.place("full") / "letter"));
    CHECK(vault.told.empty());
    CHECK(plane->status().keepers.size() == 2);
}

TEST_CASE("a file system without in-place writes is refused unless the vault accepts that") {
    if (!fs::exists("/dev/shm")) return;
    Remembering vault;
    vault.options.accept_besteffort = false;
    const auto plane = vault.open();
    const fs::path directory = "/dev/shm/oubliette-" + crypto::hex_encode(vault.id);
    const EnrolAnswer answer = plane->enrol(directory, std::nullopt, 1s);
    CHECK(answer.refusal == MembershipRefusal::directory_in_place);
    CHECK_FALSE(fs::exists(directory));
    CHECK(vault.told.empty());
}

TEST_CASE("an expelled keeper is destroyed, stays listed, and nothing waits for it") {
    Remembering vault{3};
    KeeperId id{};
    const Revocation later = revocation_of({person(2)});
    Keys living;
    {
        const auto plane = vault.open();
        living = living_keys(*plane);
        (void)revoke(*plane, revocation_of({person(1)}));
        id = plane->status().keepers[1].id;
        const std::uint64_t before = plane->epoch();
        const ExpelAnswer answer = plane->expel(id, Expulsion::reachable);
        REQUIRE_FALSE(answer.refusal);
        CHECK(answer.is_destroyed);
        CHECK(plane->expel(id, Expulsion::lost).refusal == MembershipRefusal::keeper_expelled);
        CHECK(status_of(plane->status(), id).state == KeeperState::expelled);
        CHECK(status_of(plane->status(), id).last_epoch == before);
        const Finality finality = revoke(*plane, later);
        CHECK(finality.acknowledgements.size() == 2);
        CHECK(verify_finality(vault.id, later, finality));
        CHECK(living_keys(*plane) == living);
    }
    CHECK_FALSE(opens(vault.keeper(1)));
    CHECK(opens(vault.keeper(0)));
    REQUIRE(vault.told.back().size() == 2);
    const auto plane = vault.reopen();
    check_agreement(plane->status(), 2);
    CHECK(status_of(plane->status(), id).state == KeeperState::expelled);
    CHECK(status_of(plane->status(), id).directory.empty());
    CHECK(key_text(*plane, person(2)) == "dead");
}

TEST_CASE("the last keeper, an unknown one and one that is away are not expelled") {
    Remembering vault;
    const fs::path away = vault.place("away");
    std::vector<KeeperId> ids;
    {
        const auto plane = vault.open();
        for (const KeeperStatus& keeper : plane->status().keepers) ids.push_back(keeper.id);
        CHECK(plane->expel(KeeperId{9}, Expulsion::lost).refusal ==
              MembershipRefusal::keeper_unknown);
    }
    fs::rename(vault.keeper(1), away);
    {
        const auto plane = vault.open();
        CHECK(plane->expel(ids[1], Expulsion::reachable).refusal == MembershipRefusal::keeper_away);
        CHECK(plane->expel(ids[0], Expulsion::reachable).refusal == MembershipRefusal::others_away);
        CHECK(plane->enrol(vault.place("new"), std::nullopt, 1s).refusal ==
              MembershipRefusal::others_away);
        REQUIRE_FALSE(plane->expel(ids[1], Expulsion::lost).refusal);
        CHECK(plane->expel(ids[0], Expulsion::lost).refusal == MembershipRefusal::last_keeper);
        const EnrolAnswer alone = plane->enrol(vault.place("new"), ids[0], 1s);
        CHECK(alone.refusal == MembershipRefusal::last_keeper);
    }
    REQUIRE(vault.told.back() == std::vector{vault.keeper(0)});
    const auto plane = vault.reopen();
    (void)revoke(*plane, revocation_of({person(1)}));
}

TEST_CASE("a lost keeper is replaced: what waited becomes final, numbers go on in a new bank") {
    Remembering vault;
    const RegisterKey lease{RegisterKind::person_lease, kTenant, 0, 0};
    const RegisterKey next_bank{RegisterKind::next_bank, kTenant, 1, 0};
    Keys living;
    {
        const auto plane = vault.open();
        living = living_keys(*plane);
        (void)plane->lease(lease, 4'096);
    }
    fs::remove_all(vault.keeper(1));
    const Revocation request = revocation_of({person(1)});
    KeeperId lost{};
    {
        const auto plane = vault.open();
        // Its directory is gone, yet its id can be named.
        lost = plane->status().keepers[1].id;
        REQUIRE(lost != KeeperId{});
        CHECK(plane->status().keepers[1].state == KeeperState::active);
        Outcome waiting = submit(*plane, request);
        CHECK_FALSE(waiting.is_final_within(50ms));
        const KeeperId fresh = enrol(*plane, vault.place("keeper3"), lost);
        REQUIRE(waiting.wait_final());
        const Finality finality = waiting.finality();
        CHECK(verify_finality(vault.id, request, finality));
        for (const Acknowledgement& ack : finality.acknowledgements) CHECK(ack.keeper != lost);
        // The chain reaches the epoch in which the keeper was expelled, and the others signed it.
        CHECK(finality.chain.front().members != finality.chain.back().members);
        CHECK(status_of(plane->status(), fresh).state == KeeperState::active);
        CHECK(plane->read_register(next_bank) == 2);
        CHECK(plane->lease(lease, 4'096) == std::uint64_t{1} << 24);
        CHECK(plane->derive(person(std::uint64_t{1} << 24)).state == NodeState::whole);
        check_agreement(plane->status(), 2);
    }
    const auto plane = vault.reopen();
    check_agreement(plane->status(), 2);
    CHECK(living_keys(*plane) == living);
    CHECK(key_text(*plane, person(1)) == "dead");
    check_alone(vault, vault.place("keeper3"), living, {1});
}

TEST_CASE("a keeper that was away for five epochs comes back, and what waited becomes final") {
    Remembering vault;
    const bool is_running = GENERATE(false, true);
    const fs::path away = vault.place("away");
    fs::rename(vault.keeper(1), away);
    std::vector<Revocation> requests;
    for (std::uint64_t n = 1; n <= 5; ++n) requests.push_back(revocation_of({person(n)}));
    std::unique_ptr<KeyPlane> plane = vault.open();
    const Keys living = living_keys(*plane);
    const std::uint64_t before = plane->epoch();
    std::vector<Outcome> outcomes;
    for (const Revocation& request : requests) outcomes.push_back(submit(*plane, request));
    CHECK(plane->epoch() >= before + 5);
    for (Outcome& outcome : outcomes) CHECK_FALSE(outcome.is_final_within(1ms));
    if (!is_running) plane.reset();
    fs::rename(away, vault.keeper(1));
    if (!is_running) {
        plane = vault.open();
        outcomes.clear();
        for (const Revocation& request : requests) outcomes.push_back(submit(*plane, request));
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
        REQUIRE(outcomes[i].wait_final());
        const Finality finality = outcomes[i].finality();
        CHECK(finality.acknowledgements.size() == 2);
        CHECK(verify_finality(vault.id, requests[i], finality));
    }
    check_agreement(plane->status(), 2);
    plane.reset();
    check_alone(vault, vault.keeper(1), living, {1, 2, 3, 4, 5});
}

TEST_CASE("an expelled keeper that comes back is refused, however new it says it is") {
    Remembering vault;
    const fs::path away = vault.place("away");
    const std::vector<fs::path> both = vault.options.keepers;
    fs::rename(vault.keeper(1), away);
    Keys living;
    KeeperId expelled{};
    const Revocation request = revocation_of({person(1)});
    {
        const auto plane = vault.open();
        living = living_keys(*plane);
        expelled = plane->status().keepers[1].id;
        Outcome waiting = submit(*plane, request);
        CHECK_FALSE(waiting.is_final_within(50ms));
        REQUIRE_FALSE(plane->expel(expelled, Expulsion::lost).refusal);
        REQUIRE(waiting.wait_final());
        CHECK(verify_finality(vault.id, request, waiting.finality()));
        CHECK(plane->status().waiting == 0);
    }
    fs::rename(away, vault.keeper(1));
    const bool went_on = GENERATE(false, true);
    if (went_on) {
        // Somebody served from it alone: it does not know that it was expelled.
        vault.options.keepers = {both[1]};
        const auto plane = vault.open();
        for (int i = 0; i < 20; ++i) plane->advance();
        CHECK(key_text(*plane, person(1)).size() == 64);
    }
    CHECK(opens(both[1]));
    vault.options.keepers = both;
    if (GENERATE(false, true)) std::swap(vault.options.keepers[0], vault.options.keepers[1]);
    const auto plane = vault.open();
    const KeeperStatus refused = status_of(plane->status(), expelled);
    CHECK(refused.state == KeeperState::expelled);
    CHECK_FALSE(refused.online);
    CHECK(refused.trouble.find("was expelled") != std::string::npos);
    CHECK(key_text(*plane, person(1)) == "dead");
    CHECK(living_keys(*plane) == living);
    // One that went on by itself may hold what is nowhere else: that is for a person to destroy.
    CHECK(opens(both[1]) == went_on);
    CHECK(vault.told.back() == std::vector{both[0]});
    (void)revoke(*plane, revocation_of({person(3)}));
}

TEST_CASE("keepers that expelled each other are not chosen from") {
    Remembering vault;
    const fs::path away = vault.place("away");
    const std::vector<fs::path> both = vault.options.keepers;
    for (std::size_t i = 0; i < 2; ++i) {
        fs::rename(both[1 - i], away);
        {
            const auto plane = vault.open();
            const KeeperId other = plane->status().keepers[1 - i].id;
            REQUIRE_FALSE(plane->expel(other, Expulsion::lost).refusal);
        }
        fs::rename(away, both[1 - i]);
    }
    try {
        (void)vault.open();
        FAIL("it started");
    } catch (const Fault& fault) {
        CHECK(fault.kind() == FaultKind::configuration);
    }
    CHECK(opens(both[0]));
    CHECK(opens(both[1]));
}

TEST_CASE("an enrolment that was cut off before it was registered is undone at the next start") {
    Remembering vault;
    const fs::path left = vault.place("left");
    fs::create_directory(left);
    std::ofstream{left / kJoiningMark} << "";
    if (GENERATE(false, true)) {
        for (const char* const file : {"seal.slots", "signing.key", "anchor.cell"}) {
            // A keeper's files with a name of its own: those of another vault would do.
            Vault other;
            other.init();
            fs::copy_file(other.keeper(0) / file, left / file);
        }
    }
    vault.options.keepers.push_back(left);
    const auto plane = vault.open();
    check_agreement(plane->status(), 2);
    CHECK(vault.told.back().size() == 2);
    CHECK(fs::is_empty(left));
    (void)revoke(*plane, revocation_of({person(1)}));
    (void)enrol(*plane, left);
    check_agreement(plane->status(), 3);
}

TEST_CASE("erasures go on while a keeper is enrolled and another expelled") {
    Remembering vault;
    const auto plane = vault.open();
    const Keys living = living_keys(*plane);
    std::atomic<bool> is_over{false};
    std::vector<std::pair<Revocation, Outcome>> submitted;
    std::thread eraser{[&] {
        for (std::uint64_t n = 1'000; !is_over && n < 3'000; ++n) {
            const Revocation request = revocation_of({person(n)});
            Outcome outcome;
            plane->submit(request, outcome.on_recorded(), outcome.on_final());
            submitted.emplace_back(request, outcome);
            std::this_thread::sleep_for(1ms);
        }
    }};
    std::thread reader{[&] {
        while (!is_over) {
            if (living_keys(*plane) != living) is_over = true;
        }
    }};
    const KeeperId first = plane->status().keepers[0].id;
    (void)enrol(*plane, vault.place("keeper3"));
    (void)enrol(*plane, vault.place("keeper4"), first);
    const KeeperId second = plane->status().keepers[1].id;
    REQUIRE_FALSE(plane->expel(second, Expulsion::reachable).refusal);
    CHECK_FALSE(is_over);
    is_over = true;
    eraser.join();
    reader.join();
    for (auto& [request, outcome] : submitted) {
        REQUIRE(outcome.wait_final());
        CHECK(verify_finality(vault.id, request, outcome.finality()));
    }
    check_agreement(plane->status(), 2);
}

// ---- The list by itself

TEST_CASE("a keeper lets a leader change the member list in lawful steps only") {
    const auto member = [](Byte id, MemberStatus status) {
        Member out;
        out.id[0] = id;
        out.public_key[0] = id;
        out.status = status;
        out.last_epoch = status == MemberStatus::expelled ? 5 : 0;
        return out;
    };
    const Members before{member(1, MemberStatus::active), member(2, MemberStatus::joining),
                         member(3, MemberStatus::expelled)};
    const auto permits = [&](const Members& after) {
        return permits_change(before, after, Steps::one);
    };
    CHECK(permits(before));
    CHECK(permits(with_joining(before, member(4, MemberStatus::joining))));
    const std::vector<KeeperId> ids{before[1].id, before[2].id};
    CHECK(with_active(before, ids)[2].status == MemberStatus::expelled);
    CHECK(permits(with_active(before, ids)));
    CHECK(permits(with_expelled(before, before[0].id, 9)));
    Members bad = before;
    SECTION("one left") {
        bad.erase(bad.begin() + 2);
    }
    SECTION("an expelled one returned") {
        bad[2] = member(3, MemberStatus::active);
    }
    SECTION("the epoch of an expulsion changed") {
        bad[2].last_epoch = 6;
    }
    SECTION("an active one joins again") {
        bad[0].status = MemberStatus::joining;
    }
    SECTION("a key changed") {
        bad[0].public_key[3] = 1;
    }
    SECTION("a class changed") {
        bad[0].cell_class = CellClass::software;
    }
    SECTION("a new one that is active at once") {
        bad.push_back(member(4, MemberStatus::active));
        CHECK(permits_change(before, bad, Steps::several));
    }
    SECTION("an epoch for one that is not expelled") {
        bad[0].last_epoch = 3;
    }
    CHECK_FALSE(permits(bad));
}

}  // namespace oubliette::keys::test
