#include <cstdlib>

#include "tests/forensic/crowd.hpp"

// The figure of merit of KEYS 8: an attacker with every file that ever was and every secret opens
// nothing that was erased and everything that lives; with one old cell that somebody kept, the same
// attacker opens what was erased since, so that the attack is known to be able to.

namespace oubliette::testing {
namespace {

using forensic::Kind;
using forensic::Report;
using forensic::Tally;
using forensic::Verdict;

// People; a longer run sets OUBLIETTE_FORENSIC_PEOPLE (125,000 make a million values).
std::size_t people_count() {
    const char* const text = std::getenv("OUBLIETTE_FORENSIC_PEOPLE");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 2'500;
}

// One in ten stays.
bool is_gone(std::size_t person) {
    return person % 10 != 0;
}

void grant_to_some(Crowd& crowd, std::size_t count) {
    for (std::size_t person = 0; person < count; person += 30) {
        REQUIRE(
            crowd.vault.consent(Crowd::id_of(person), "improve", true, policy::ConsentKind::express)
                .empty());
    }
}

// Of those who stay: one in two loses a field, one in two replaces one, one in three takes a
// consent back.
void change_the_living(Crowd& crowd, std::size_t count) {
    TestVault& vault = crowd.vault;
    for (std::size_t person = 0; person < count; person += 10) {
        const std::string id = Crowd::id_of(person);
        if (person % 20 == 0) {
            REQUIRE(vault.delete_field(id, "website").empty());
        } else {
            REQUIRE(vault.put(id, {{"username", "other name"}}).empty());
        }
        if (person % 30 == 0) REQUIRE(vault.consent(id, "improve", false).empty());
    }
}

std::size_t every(std::size_t step, std::size_t count) {
    return (count + step - 1) / step;
}

const Tally& of(const std::array<Tally, forensic::kKindCount>& tallies, Kind kind) {
    return tallies[static_cast<std::size_t>(kind)];
}

}  // namespace

TEST_CASE("with all files and all secrets nothing erased opens and everything living does") {
    const std::size_t count = people_count();
    const std::size_t changed = std::min<std::size_t>(count, 3'000);
    const std::size_t living = every(10, count);
    const std::size_t gone = count - living;
    Crowd crowd;
    crowd.add(0, count);
    grant_to_some(crowd, changed);
    crowd.back_up("backup before");
    crowd.keep_files("files before");
    const auto kept_cell = crowd.keep_cell("kept.cell");
    change_the_living(crowd, changed);
    crowd.erase(0, count / 2, is_gone);
    crowd.keep_files("files between");
    crowd.erase(count / 2, count, is_gone);
    crowd.settle();
    crowd.back_up("backup after");
    crowd.vault.close();

    forensic::AttackOptions options = crowd.attack();
    options.kept_cells = {kept_cell};
    const Report report = forensic::Attack{std::move(options)}.run();
    WARN(report_text(report));
    CHECK(report.verdict() == Verdict::passed);
    CHECK(report.all_erased().open == 0);
    CHECK(report.all_live().all_open());
    CHECK(report.waiting == 0);
    // Nobody was forgotten by the attack itself: it found what the vault was given.
    const std::size_t fields_gone = every(10, changed);
    CHECK(of(report.live, Kind::value).total == living * Crowd::kValuesEach - every(20, changed));
    CHECK(of(report.live, Kind::external_id).total == living);
    CHECK(of(report.live, Kind::consent).total == living);
    CHECK(of(report.erased, Kind::value).total == gone * Crowd::kValuesEach + fields_gone);
    CHECK(of(report.erased, Kind::external_id).total == gone);
    CHECK(of(report.erased, Kind::consent).total == gone + every(30, changed));
    CHECK(report.erased_leaves ==
          gone * (Crowd::kValuesEach + 3) + fields_gone + every(30, changed));
    CHECK(report.erased_leaves >= 8 * count);
    // The same attack is able to, where one anchor was not destroyed.
    REQUIRE(report.controls.size() == 1);
    CHECK(report.controls.front().holds());
    CHECK(report.controls.front().erased_since.total >= report.all_erased().total);
}

}  // namespace oubliette::testing
