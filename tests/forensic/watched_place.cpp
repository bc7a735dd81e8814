#include "tests/forensic/watched_place.hpp"

#include <catch2/catch.hpp>

#include "vault/keys/registry.hpp"
#include "vault/people/boxes.hpp"
#include "vault/tables.hpp"

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;
using forensic::Attack;
using forensic::Report;
using forensic::Tally;

constexpr std::uint64_t kLiving = 12;      // people 0 to 11 are never erased
constexpr std::uint64_t kGoneFirst = 500;  // these are, before any crash
constexpr std::uint64_t kGoneCount = 12;
constexpr std::uint64_t kVictimFirst = 1'000;  // of request_number()
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

}  // namespace

WatchedPlace::WatchedPlace() {
    vault.init();
    write_values(vault, data());
    keep_planes("planes of the beginning");
    const auto plane = vault.open();
    for (std::uint64_t n = 0; n < kGoneCount; ++n) {
        const Revocation request = revocation_of({person(kGoneFirst + n)});
        revoke(*plane, request);
        plane->forget({request.id});
    }
}

void WatchedPlace::start_history() const {
    fs::remove_all(history());
    fs::create_directory(history());
}

void WatchedPlace::keep_planes(const std::string& name) {
    const fs::path to = vault.home.path() / name;
    fs::create_directory(to);
    for (std::size_t i = 0; i < 2; ++i) {
        const fs::path copy = to / vault.keeper(i).filename();
        fs::copy(vault.keeper(i), copy, fs::copy_options::recursive);
        fs::remove(copy / "anchor.cell");
    }
    kept_.push_back(to);
}

forensic::AttackOptions WatchedPlace::attack() const {
    forensic::AttackOptions options;
    options.places = kept_;
    options.places.insert(options.places.end(),
                          {data(), history(), vault.keeper(0), vault.keeper(1)});
    options.secrets.push_back(keyfile_seal());
    return options;
}

void WatchedPlace::check_after_crash() const {
    Attack attacker{attack()};
    const Report report = attacker.run();
    INFO(report_text(report));
    REQUIRE(open_of(attacker, kGoneFirst, kGoneCount) == 0);
    REQUIRE(open_of(attacker, 0, kLiving) == kLiving);
    REQUIRE(report.all_live().all_open());
    REQUIRE(report.all_erased().total >= kGoneCount);
}

void WatchedPlace::check_final(std::uint64_t victims, const fs::path& old_cell) const {
    forensic::AttackOptions options = attack();
    options.kept_cells = {old_cell};
    const Report report = Attack{std::move(options)}.run();
    INFO(report_text(report));
    const std::uint64_t living = kLiving + kVictimCount - victims;
    REQUIRE(report.verdict() == forensic::Verdict::passed);
    REQUIRE(report.all_erased() == Tally{kGoneCount + victims, 0});
    REQUIRE(report.all_live() == Tally{living, living});
    REQUIRE(report.controls.size() == 1);
    REQUIRE(report.controls.front().erased_since == Tally{victims, victims});
}

}  // namespace oubliette::keys::test
