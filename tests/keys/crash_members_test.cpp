#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "tests/keys/crash_rig.hpp"
#include "vault/keys/records.hpp"

// Enrolling and expelling, killed in front of every call that changes a file. After each crash the
// next start goes on or undoes: no keeper is left half way, all living keys are there, and an
// erasure becomes final on exactly the keepers that are registered.

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::uint64_t kLiving = 40;  // people 0 to 39 are never erased

using Keys = std::map<std::uint64_t, std::string>;

Keys living_keys(KeyPlane& plane) {
    Keys keys;
    for (std::uint64_t n = 0; n < kLiving; ++n) keys[n] = key_text(plane, person(n));
    return keys;
}

// What one keeper says by itself, without recovery.
void check_keeper(const fs::path& directory, const Keys& living) {
    const auto reader = KeeperReader::open(directory, keyfile_seal());
    std::vector<Path> paths;
    for (const auto& [n, text] : living) paths.push_back(person(n));
    const std::vector<Derived> derived = reader->derive_batch(paths);
    for (std::size_t i = 0; i < paths.size(); ++i) {
        REQUIRE(crypto::hex_encode(derived[i].seed.expose()) == living.at(i));
    }
}

bool opens(const fs::path& directory) {
    try {
        (void)KeeperReader::open(directory, keyfile_seal())->derive_batch({person(0)});
        return true;
    } catch (const Fault& fault) {
        REQUIRE(fault.kind() == FaultKind::corrupt);
        return false;
    }
}

struct Counts {
    std::size_t active = 0;
    std::size_t joining = 0;
};

Counts count(const PlaneStatus& status) {
    Counts counts;
    for (const KeeperStatus& keeper : status.keepers) {
        if (keeper.state == KeeperState::active) ++counts.active;
        if (keeper.state == KeeperState::joining) ++counts.joining;
    }
    return counts;
}

// How many are registered once nobody is joining any more.
std::size_t settle(KeyPlane& plane) {
    for (int i = 0; i < 2'000 && count(plane.status()).joining > 0; ++i) {
        std::this_thread::sleep_for(5ms);
    }
    const Counts counts = count(plane.status());
    REQUIRE(counts.joining == 0);
    return counts.active;
}

std::unique_ptr<KeyPlane> open_configured(const Vault& vault, const Child& child) {
    PlaneOptions options = vault.options;
    options.keepers = child.configured();
    options.keepers_changed = [&child](const std::vector<fs::path>& keepers) {
        child.configure(keepers);
    };
    return KeyPlane::open(options, keyfile_seal(), vault.clock);
}

// An erasure ends, with as many acknowledgements as there are keepers.
void check_erasure(const Vault& vault, KeyPlane& plane, std::size_t keepers) {
    const Revocation request = revocation_of({person(5'000)});
    const Finality finality = revoke(plane, request);
    REQUIRE(finality.acknowledgements.size() == keepers);
    REQUIRE(verify_finality(vault.id, request, finality));
    for (const KeeperStatus& keeper : plane.status().keepers) {
        if (keeper.state != KeeperState::active) continue;
        REQUIRE(keeper.online);
        REQUIRE(keeper.epoch == plane.epoch());
    }
    plane.forget({request.id});
}

KeeperId id_of(const Vault& vault, std::size_t i) {
    return vault.open()->status().keepers[i].id;
}

// Every point takes minutes: by default every seventh, from a random one on.
struct Sweep {
    Sweep() {
        if (std::getenv("OUBLIETTE_ALL_POINTS") != nullptr) return;
        step = 7;
        first = 1 + static_cast<long>(std::random_device{}() % 7);
        WARN("every 7th point from " << first);
    }
    long first = 1;
    long step = 1;
};

}  // namespace

TEST_CASE("an enrolment killed at any point goes on or is undone at the next start") {
    const Vault vault;
    vault.init();
    const Child child{vault};
    const Keys living = living_keys(*vault.open());
    const KeeperId second = id_of(vault, 1);
    const bool is_replacing = GENERATE(false, true);
    if (is_replacing) fs::remove_all(vault.keeper(1));
    const fs::path fresh = vault.home.path() / "keeper3";
    const Template before{vault, {fresh}};
    std::vector<std::string> arguments{"enrol", fresh.string()};
    if (is_replacing) arguments.push_back(crypto::hex_encode(second));
    std::size_t undone = 0;
    std::size_t finished = 0;
    long points = 0;
    const Sweep sweep;
    for (long k = sweep.first;; k += sweep.step) {
        INFO("killed in front of call " << k << (is_replacing ? ", replacing" : ""));
        before.restore();
        child.configure(vault.options.keepers);
        const int status = child.run(arguments, {k, false, {}});
        REQUIRE((status == 0 || status == kCrashStatus));
        check_keeper(vault.keeper(0), living);
        const auto plane = open_configured(vault, child);
        REQUIRE(living_keys(*plane) == living);
        std::size_t keepers = settle(*plane);
        const bool is_enrolled = child.configured().back() == fresh;
        ++(is_enrolled ? finished : undone);
        REQUIRE((status == kCrashStatus || is_enrolled));
        if (!is_enrolled) {
            REQUIRE(keepers == 2);
            std::optional<KeeperId> replaces;
            if (is_replacing) replaces = second;
            const EnrolAnswer again = plane->enrol(fresh, replaces, 10s);
            REQUIRE(again.is_active);
            keepers = settle(*plane);
        }
        REQUIRE(keepers == (is_replacing ? 2 : 3));
        REQUIRE(child.configured().size() == keepers);
        check_erasure(vault, *plane, keepers);
        check_keeper(fresh, living);
        if (status == 0) break;
        ++points;
    }
    WARN("killed at " << points << " points, undone " << undone << ", finished " << finished);
    CHECK(undone >= 1);
    CHECK(finished >= 1);
}

TEST_CASE("an expulsion killed at any point is done or not, and never leaves anchors that open") {
    const Vault vault;
    vault.init();
    const Child child{vault};
    const Keys living = living_keys(*vault.open());
    const KeeperId second = id_of(vault, 1);
    const bool is_lost = GENERATE(false, true);
    const fs::path away = vault.home.path() / "away";
    if (is_lost) fs::rename(vault.keeper(1), away);
    const Template before{vault};
    const Expulsion how = is_lost ? Expulsion::lost : Expulsion::reachable;
    std::size_t undone = 0;
    long points = 0;
    const Sweep sweep;
    for (long k = sweep.first;; k += sweep.step) {
        INFO("killed in front of call " << k << (is_lost ? ", lost" : ""));
        before.restore();
        child.configure(vault.options.keepers);
        const int status = child.run(
            {"expel", crypto::hex_encode(second), is_lost ? "lost" : "reachable"}, {k, false, {}});
        REQUIRE((status == 0 || status == kCrashStatus));
        check_keeper(vault.keeper(0), living);
        const auto plane = open_configured(vault, child);
        REQUIRE(living_keys(*plane) == living);
        if (settle(*plane) == 2) {
            ++undone;
            REQUIRE(status == kCrashStatus);
            REQUIRE_FALSE(plane->expel(second, how).refusal);
        }
        REQUIRE(settle(*plane) == 1);
        REQUIRE(child.configured().size() == 1);
        check_erasure(vault, *plane, 1);
        if (!is_lost) REQUIRE_FALSE(opens(vault.keeper(1)));
        if (status == 0) break;
        ++points;
    }
    WARN("killed at " << points << " points, undone " << undone);
    CHECK(undone >= 1);
    CHECK(static_cast<std::size_t>(points) > undone);
}

}  // namespace oubliette::keys::test
