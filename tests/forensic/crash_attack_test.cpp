#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/keys/crash_rig.hpp"
#include "tools/forensic/attack.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/registry.hpp"
#include "vault/people/boxes.hpp"
#include "vault/tables.hpp"

// The real program, killed in front of every call that changes a file, under the eyes of an
// attacker who kept every file before each of its changes and gets all secrets and the cells that
// are left. After the crash: what was final before is gone, all that lives opens. After the
// recovery: the request is gone too, and a cell kept from before the crash would have opened it.

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;
using forensic::Attack;
using forensic::Fate;
using forensic::Report;
using forensic::Verdict;

constexpr std::uint64_t kLiving = 12;      // people 0 to 11 are never erased
constexpr std::uint64_t kGoneFirst = 500;  // these are, before the sweep
constexpr std::uint64_t kGoneCount = 12;
constexpr std::uint64_t kVictimFirst = 1'000;  // of request_number()
constexpr std::uint64_t kVictimCount = 120;
constexpr std::uint32_t kItem = 1;

// One value for each of these people, as the data plane stores it.
void write_values(const Vault& vault, const fs::path& directory) {
    const auto plane = vault.open();
    store::StoreOptions options;
    options.bytes_max = 64ULL << 20;
    options.bytes_initial = 1ULL << 20;
    options.bytes_reserve = 256ULL << 10;
    const auto store = store::open_lmdb_store(directory, Tables::names(), options);
    const Derived day = plane->derive(retention_path(kTenant, 1, kRetentionDayOpen));
    REQUIRE(day.state == NodeState::whole);
    const auto write = [&](store::WriteView& view, std::uint64_t number) {
        crypto::ItemKey key;
        REQUIRE(plane->item_key(kTenant, {number}, kItem, key) == NodeState::whole);
        const auto value_key =
            people::derive_value_key(key.expose(), day.seed.expose(), crypto::Seed{}.expose());
        people::Header header;
        header.schema = 1;
        header.retention_class = 1;
        header.day = kRetentionDayOpen;
        people::BoxSalt salt{};
        crypto::random_bytes(salt);
        const auto plaintext = people::encode_value(policy::ValueKind::text, {1}, "a value");
        const Bytes row = people::seal_value_row(value_key, header,
                                                 {RecordType::value, kTenant, {number}, 1, kItem},
                                                 salt, plaintext.expose(), std::nullopt);
        view.put(Tables::kPeople,
                 people::row_key(kTenant, {number}, people::RowKind::value, 1, kItem), row);
    };
    store->write([&](store::WriteView& view) {
        for (std::uint64_t n = 0; n < kLiving; ++n) write(view, n);
        for (std::uint64_t n = 0; n < kGoneCount; ++n) write(view, kGoneFirst + n);
        for (std::uint64_t n = 0; n < kVictimCount; ++n) write(view, kVictimFirst + n);
    });
}

// A vault with values, some of them erased for good, and what an attacker kept of its files.
class Place {
public:
    Place() {
        vault.init();
        write_values(vault, data());
        keep_planes("planes of the beginning");
        const auto plane = vault.open();
        for (std::uint64_t n = 0; n < kGoneCount; ++n) {
            Revocation request = revocation_of({person(kGoneFirst + n)});
            revoke(*plane, request);
            plane->forget({request.id});
        }
    }

    [[nodiscard]] fs::path data() const { return vault.home.path() / "data"; }
    [[nodiscard]] fs::path history() const { return vault.home.path() / "history"; }

    void start_history() const {
        fs::remove_all(history());
        fs::create_directory(history());
    }
    // The keepers' files without the cells, which nobody may keep.
    void keep_planes(const std::string& name) {
        const fs::path to = vault.home.path() / name;
        fs::create_directory(to);
        for (std::size_t i = 0; i < 2; ++i) {
            const fs::path copy = to / vault.keeper(i).filename();
            fs::copy(vault.keeper(i), copy, fs::copy_options::recursive);
            fs::remove(copy / "anchor.cell");
        }
        kept.push_back(to);
    }
    // `kept_cells`: for the control.
    [[nodiscard]] forensic::AttackOptions attack(const std::vector<fs::path>& kept_cells) const {
        forensic::AttackOptions options;
        options.places = kept;
        options.places.insert(options.places.end(),
                              {data(), history(), vault.keeper(0), vault.keeper(1)});
        options.secrets.push_back(keyfile_seal());
        options.kept_cells = kept_cells;
        return options;
    }

    Vault vault;
    std::vector<fs::path> kept;
};

// How many values of people [from, from + count) open.
std::uint64_t open_of(const Attack& attack, std::uint64_t from, std::uint64_t count) {
    std::uint64_t open = 0;
    for (const forensic::Sealed& sealed : attack.sealed()) {
        for (std::uint64_t n = from; n < from + count; ++n) {
            if (sealed.is_open && sealed.leaf == item(n, kItem)) ++open;
        }
    }
    return open;
}

// Whatever the crash left: nothing that was final is there, nothing that lives is lost.
void check_after_crash(const Place& place) {
    Attack attack{place.attack({})};
    const Report report = attack.run();
    INFO(report_text(report));
    REQUIRE(open_of(attack, kGoneFirst, kGoneCount) == 0);
    REQUIRE(open_of(attack, 0, kLiving) == kLiving);
    REQUIRE(report.all_live().all_open());
    REQUIRE(report.all_erased().total >= kGoneCount);
}

// After the request became final. `old_cell` is of before the crash.
void check_final(const Place& place, std::uint64_t victims, const fs::path& old_cell) {
    Attack attack{place.attack({old_cell})};
    const Report report = attack.run();
    INFO(report_text(report));
    REQUIRE(report.verdict() == Verdict::passed);
    REQUIRE(report.all_erased() == forensic::Tally{kGoneCount + victims, 0});
    REQUIRE(report.all_live() ==
            forensic::Tally{kLiving + kVictimCount - victims, kLiving + kVictimCount - victims});
    REQUIRE(report.controls.size() == 1);
    REQUIRE(report.controls.front().erased_since == forensic::Tally{victims, victims});
}

}  // namespace

TEST_CASE("an erasure killed at any point gives an attacker with all files nothing") {
    Place place;
    const bool is_torn = GENERATE(false, true);
    const Child child{place.vault};
    place.keep_planes("planes before");
    const Template before{place.vault};
    long points = 0;
    for (long k = 1;; ++k) {
        INFO("killed in front of call " << k << (is_torn ? ", torn" : ""));
        before.restore();
        place.start_history();
        const Revocation request = request_number(static_cast<std::uint64_t>(k));
        const int status = child.run(request, {k, is_torn, place.history()});
        if (status == 0) break;
        if (is_torn && status != kTornStatus) continue;  // that point was had whole
        ++points;
        check_after_crash(place);
        REQUIRE(child.run(request, {0, false, place.history()}) == 0);
        check_final(place, 1, before.copies()[0] / "anchor.cell");
    }
    WARN("attacked after " << points << " crashes");
    CHECK(points >= (is_torn ? 4 : 16));
}

TEST_CASE("a catch-up and a rebuild killed at any point give an attacker nothing") {
    Place place;
    const bool is_rebuild = GENERATE(false, true);
    const Child child{place.vault};
    place.keep_planes("planes before");
    const fs::path old_cell = place.vault.home.path() / "kept.cell";
    fs::copy_file(place.vault.keeper(0) / "anchor.cell", old_cell);
    const Revocation missed = request_number(kVictimCount - 1);
    fs::rename(place.vault.keeper(1), place.vault.home.path() / "away");
    {
        const auto plane = place.vault.open();
        Outcome outcome;
        plane->submit(missed, outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
    }
    fs::rename(place.vault.home.path() / "away", place.vault.keeper(1));
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
        check_after_crash(place);
        REQUIRE(child.run(request, {0, false, place.history()}) == 0);
        check_final(place, 2, old_cell);
    }
    WARN("attacked after " << points << " crashes");
    CHECK(points >= 16);
}

}  // namespace oubliette::keys::test
