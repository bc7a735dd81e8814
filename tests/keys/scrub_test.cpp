#include "vault/keys/scrub.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/keys/plane_fixture.hpp"
#include "tests/keys/tree_support.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/keeper_rows.hpp"

// Every page of every keeper is read, and what is damaged in one is written again from another.

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::uint32_t kDay = 86'400;

class TurnedClock final : public Clock {
public:
    [[nodiscard]] Timestamp now() const noexcept override { return {seconds_.load()}; }
    void turn(std::uint32_t seconds) noexcept { seconds_ += seconds; }

private:
    std::atomic<std::uint32_t> seconds_{200'000'000};
};

std::unique_ptr<store::Store> store_of(const Vault& vault, std::size_t keeper) {
    const fs::path& directory = vault.keeper(keeper);
    return store::open_lmdb_store(plane_path(directory, plane_numbers(directory).front()),
                                  keeper_tables(), {});
}

std::optional<Bytes> record_of(const Vault& vault, std::size_t keeper, const PageId& id) {
    const auto store = store_of(vault, keeper);
    return KeeperRows::page(*store->read(), id);
}

enum class Damage { flipped, removed, shortened };

void damage(const Vault& vault, std::size_t keeper, const PageId& id, Damage how) {
    const auto store = store_of(vault, keeper);
    store->write([&](store::WriteView& view) {
        Bytes record = KeeperRows::page(view, id).value();
        if (how == Damage::removed) {
            (void)view.remove(table::kPages, id);
            return;
        }
        if (how == Damage::flipped) record.back() ^= 1;
        if (how == Damage::shortened) record.resize(record.size() / 2);
        view.put(table::kPages, id, record);
    });
}

const Path kVictim = person(1);
const PageId kLeafPage = page_id(kVictim.prefix(48));   // of 64 people
const PageId kUpperPage = page_id(kVictim.prefix(36));  // of 2^18

void make_vault(const Vault& vault) {
    vault.init();
    const auto plane = vault.open();
    (void)revoke(*plane, revocation_of({kVictim, item(2, 3), person(1'000'000)}));
}

}  // namespace

TEST_CASE("a page that is damaged in one keeper is found and written again from its peer") {
    const Vault vault;
    make_vault(vault);
    const std::size_t keeper = GENERATE(0U, 1U);
    const Damage how = GENERATE(Damage::flipped, Damage::removed, Damage::shortened);
    const std::optional<Bytes> whole = record_of(vault, 1 - keeper, kLeafPage);
    damage(vault, keeper, kLeafPage, how);
    const bool is_two = GENERATE(false, true);
    if (is_two) damage(vault, keeper, kUpperPage, Damage::flipped);
    {
        const auto plane = vault.open();
        const std::uint64_t epoch = plane->epoch();
        const ScrubStatus status = plane->scrub();
        CHECK(status.repaired == (is_two ? 2 : 1));
        CHECK(status.unrepairable == 0);
        CHECK(status.pages > 20);
        CHECK_FALSE(status.is_running);
        CHECK(plane->scrub().repaired == status.repaired);
        CHECK(plane->scrub().unrepairable == 0);
        CHECK(plane->epoch() == epoch);
        CHECK(plane->status().keepers[keeper].online);
    }
    CHECK(record_of(vault, keeper, kLeafPage) == whole);
    fs::remove_all(vault.keeper(1 - keeper));
    const auto plane = vault.open();
    CHECK(key_text(*plane, kVictim) == "dead");
    CHECK(item_text(*plane, 2, 4).size() == 64);
    CHECK(key_text(*plane, person(1'000'000)) == "dead");
}

TEST_CASE("a page that no keeper has is corrupt, counted, and never taken for erased") {
    const Vault vault;
    make_vault(vault);
    damage(vault, 0, kLeafPage, GENERATE(Damage::flipped, Damage::removed));
    damage(vault, 1, kLeafPage, Damage::flipped);
    const auto plane = vault.open();
    for (int i = 0; i < 2; ++i) {
        const ScrubStatus status = plane->scrub();
        CHECK(status.repaired == 0);
        CHECK(status.unrepairable == 2);  // of each keeper
    }
    CHECK(key_text(*plane, kVictim) == "corrupt");
    CHECK(key_text(*plane, person(3)) == "corrupt");
    CHECK(key_text(*plane, person(1'000'000)) == "dead");
    CHECK(key_text(*plane, person(1'000'001)).size() == 64);
    (void)revoke(*plane, revocation_of({person(1'000'002)}));
    CHECK(key_text(*plane, kVictim) == "corrupt");
}

TEST_CASE("a reader that meets a damaged page gets it from the peer, and it is repaired") {
    const Vault vault;
    make_vault(vault);
    damage(vault, 0, kLeafPage, Damage::flipped);
    {
        const auto plane = vault.open();
        CHECK(key_text(*plane, kVictim) == "dead");
        for (int i = 0; i < 1'000 && plane->status().scrub.repaired == 0; ++i) {
            std::this_thread::sleep_for(10ms);
        }
        CHECK(plane->status().scrub.repaired == 1);
    }
    CHECK(record_of(vault, 0, kLeafPage) == record_of(vault, 1, kLeafPage));
}

TEST_CASE("damaged rows beside the tree are found, and the keeper is rebuilt from its peer") {
    const Vault vault;
    make_vault(vault);
    const std::size_t keeper = GENERATE(0U, 1U);
    CHECK(vault.open()->lease({RegisterKind::person_lease, kTenant, 0, 0}, 4'096) == 0);
    const unsigned number = plane_numbers(vault.keeper(keeper)).front();
    store_of(vault, keeper)->write([&](store::WriteView& view) {
        const Bytes key = encode_register_key({RegisterKind::person_lease, kTenant, 0, 0});
        Bytes box{view.get(table::kRegisters, key)->begin(),
                  view.get(table::kRegisters, key)->end()};
        box.back() ^= 1;
        view.put(table::kRegisters, key, box);
    });
    const auto plane = vault.open();
    for (const KeeperStatus& status : plane->status().keepers) CHECK(status.online);
    CHECK(plane_numbers(vault.keeper(keeper)).front() != number);
    CHECK(plane->lease({RegisterKind::person_lease, kTenant, 0, 0}, 4'096) == 4'096);
}

TEST_CASE("a pass begins by itself when the last one is six days old, also after a restart") {
    Vault vault;
    vault.init();
    TurnedClock clock;
    const auto open = [&] { return KeyPlane::open(vault.options, keyfile_seal(), clock); };
    const auto pages_of_a_day = [&](KeyPlane& plane) {
        const std::uint64_t before = plane.status().scrub.pages;
        for (int i = 0; i < 10; ++i) plane.scrub_a_little();
        return plane.status().scrub.pages - before;
    };
    {
        const auto plane = open();
        CHECK(plane->status().scrub.finished == Timestamp{});
        CHECK(pages_of_a_day(*plane) > 0);
        CHECK(plane->status().scrub.finished == clock.now());
        CHECK(pages_of_a_day(*plane) == 0);
        clock.turn(5 * kDay);
        CHECK(pages_of_a_day(*plane) == 0);
    }
    const auto plane = open();
    CHECK(plane->status().scrub.finished == Timestamp{clock.now().seconds - 5 * kDay});
    CHECK(pages_of_a_day(*plane) == 0);
    clock.turn(kDay);
    CHECK(pages_of_a_day(*plane) > 0);
    CHECK(plane->status().scrub.finished == clock.now());
}

TEST_CASE("a scrub beside erasures finds nothing") {
    const Vault vault;
    make_vault(vault);
    const auto plane = vault.open();
    std::atomic<bool> is_over{false};
    std::thread eraser{[&] {
        for (std::uint64_t n = 10; !is_over; n += 977) {
            Outcome outcome;
            plane->submit(revocation_of({person(n)}), outcome.on_recorded(), outcome.on_final());
            std::this_thread::sleep_for(1ms);
        }
    }};
    for (int i = 0; i < 20; ++i) {
        const ScrubStatus status = plane->scrub();
        CHECK(status.repaired == 0);
        CHECK(status.unrepairable == 0);
    }
    is_over = true;
    eraser.join();
}

TEST_CASE("slices of any size read every page of a tree once, in the order of addresses") {
    std::mt19937_64 random{GENERATE(1U, 2U)};
    MapTree tree = MapTree::untouched();
    std::vector<Path> paths;
    for (int i = 0; i < 300; ++i) paths.push_back(person(random() % (1U << 20)));
    for (int i = 0; i < 40; ++i)
        paths.push_back(item(2'000'000 + random() % 9, static_cast<std::uint32_t>(random() % 900)));
    REQUIRE(tree.puncture(paths));
    const std::size_t count = GENERATE(1U, 2U, 7U, 64U, 100'000U);
    std::size_t pages = 0;
    Path cursor;
    for (;;) {
        const ScrubSlice slice = scrub_slice(tree.root, tree.source(), cursor, {}, count);
        CHECK_FALSE(slice.broken);
        CHECK(slice.pages <= count);
        pages += slice.pages;
        if (!slice.next) break;
        CHECK(cursor < *slice.next);
        cursor = *slice.next;
    }
    CHECK(pages == shape_of(tree).size());
    CHECK(pages == tree.pages.size());
}

TEST_CASE("a slice ends before a broken page, and goes on behind one that was given up") {
    MapTree tree = MapTree::untouched();
    REQUIRE(tree.puncture({kVictim, item(2, 3), person(1'000'000)}));
    const std::size_t whole = tree.pages.size();
    tree.pages[kUpperPage].back() ^= 1;
    const ScrubSlice slice = scrub_slice(tree.root, tree.source(), Path{}, {}, 1'000);
    REQUIRE(slice.broken == kVictim.prefix(36));
    const ScrubSlice rest =
        scrub_slice(tree.root, tree.source(), *slice.broken, {*slice.broken}, 1'000);
    CHECK_FALSE(rest.broken);
    CHECK_FALSE(rest.next);
    // The page itself, and those of the first 2^18 people below it.
    CHECK(slice.pages + rest.pages < whole);
    CHECK(rest.pages > 0);
}

}  // namespace oubliette::keys::test
