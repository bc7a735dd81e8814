#include <fstream>
#include <map>

#include "crypto/encoding.hpp"
#include "tests/forensic/crowd.hpp"

// What makes an attack fail, what makes it void, and what it is able to find.

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;
using forensic::Attack;
using forensic::AttackOptions;
using forensic::Report;
using forensic::Verdict;

constexpr std::size_t kPeople = 12;

bool is_first(std::size_t person) {
    return person == 0;
}

// Twelve people, the first of whom is erased, with a backup and all files from before.
class SmallCrowd : public Crowd {
public:
    SmallCrowd() {
        add(0, kPeople);
        back_up("backup");
        keep_files("before");
        fs::copy(vault.options().plane.keepers[1], place("away"), fs::copy_options::recursive);
        erase(0, 1, is_first);
        settle();
        vault.close();
    }
};

std::string content(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

void write(const fs::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
}

std::map<std::string, std::string> contents_below(const fs::path& directory) {
    std::map<std::string, std::string> contents;
    for (const auto& entry : fs::recursive_directory_iterator{directory}) {
        if (entry.is_regular_file()) contents[entry.path().string()] = content(entry.path());
    }
    return contents;
}

Report attack(AttackOptions options) {
    return Attack{std::move(options)}.run();
}

bool has_fault(FaultKind kind, AttackOptions options) {
    try {
        (void)attack(std::move(options));
    } catch (const Fault& fault) {
        return fault.kind() == kind;
    }
    return false;
}

}  // namespace

TEST_CASE("an attack passes on a vault that erased, and changes no file") {
    const SmallCrowd crowd;
    const auto before = contents_below(crowd.vault.home());
    const Report report = attack(crowd.attack());
    INFO(report_text(report));
    CHECK(report.verdict() == Verdict::passed);
    CHECK(report.all_erased() == forensic::Tally{15, 0});  // 8 values, id, consent, 5 rows
    CHECK(report.erased_leaves == 11);
    CHECK(report.keepers.size() == 2);
    CHECK(contents_below(crowd.vault.home()) == before);
}

TEST_CASE("policy 3.1(4): who has every disk and backup but no unseal secret opens nothing",
          "[promise]") {
    const SmallCrowd crowd;
    AttackOptions options = crowd.attack();
    options.secrets.clear();
    const Report report = attack(std::move(options));
    INFO(report_text(report));
    CHECK(report.verdict() == Verdict::passed);
    CHECK(report.all_live().total > kPeople * Crowd::kValuesEach);
    CHECK(report.all_live().open + report.all_erased().open == 0);
    CHECK(report.keks == 0);
    // The control: with the secret, all that lives opens.
    CHECK(attack(crowd.attack()).all_live().all_open());
}

TEST_CASE("an attack fails on a key file that lies beside the data") {
    const SmallCrowd crowd;
    const std::string digits = crypto::hex_encode(Bytes(32, 0x5A));
    write(crowd.vault.options().data / "renamed",
          GENERATE(true, false) ? digits + "\n" : std::string(32, 0x5A));
    AttackOptions options = crowd.attack();
    options.secrets.clear();
    const Report report = attack(std::move(options));
    CHECK(report.verdict() == Verdict::failed);
    CHECK(report.keks == 2);
}

TEST_CASE("an attack fails when a cell was copied or a keeper is behind") {
    const SmallCrowd crowd;
    AttackOptions options = crowd.attack();
    SECTION("a copied cell, under any name") {
        fs::copy_file(crowd.place("away") / "anchor.cell", crowd.place("before") / "harmless");
    }
    SECTION("a keeper that was away") {
        options.places.pop_back();
        options.places.push_back(crowd.place("away"));
    }
    const Report report = attack(std::move(options));
    INFO(report_text(report));
    CHECK(report.verdict() == Verdict::failed);
    CHECK(report.all_erased().open == 15);
}

TEST_CASE("an attack is void when it cannot show that it opens what lives") {
    const SmallCrowd crowd;
    AttackOptions options = crowd.attack();
    SECTION("another secret") {
        options.secrets.clear();
        options.secrets.push_back({keys::SealType::keyfile, crypto::SecretBytes{Bytes(32, 1)}});
    }
    SECTION("no cell") {
        for (const auto& keeper : crowd.vault.options().plane.keepers) {
            fs::remove(keeper / "anchor.cell");
        }
    }
    SECTION("files of another vault as well") {
        SmallCrowd other;
        fs::copy(other.vault.options().data, crowd.place("before") / "other",
                 fs::copy_options::recursive);
    }
    SECTION("a kept cell of which nothing is left") {
        fs::copy_file(crowd.vault.options().plane.keepers[0] / "anchor.cell",
                      crowd.place("kept.cell"));
        options.kept_cells = {crowd.place("kept.cell")};
    }
    const Report report = attack(std::move(options));
    INFO(report_text(report));
    CHECK(report.verdict() == Verdict::voided);
}

TEST_CASE("one keeper is enough for an attack") {
    const SmallCrowd crowd;
    AttackOptions options = crowd.attack();
    options.places.pop_back();
    const Report report = attack(std::move(options));
    CHECK(report.verdict() == Verdict::passed);
    CHECK(report.keepers.size() == 1);
}

TEST_CASE("an attack finds rows in a disk image, wherever they lie in it") {
    const SmallCrowd crowd;
    // A file system of our own: a boot sector, the backup, and what else was on the disk.
    const std::size_t shift = GENERATE(std::size_t{512}, std::size_t{4'096});
    write(crowd.place("disk.img"), std::string(shift, 'x') +
                                       content(crowd.place("backup") / "data.mdb") +
                                       std::string(1'000, 'y'));
    AttackOptions options = crowd.attack();
    const Report whole = attack(crowd.attack());
    std::erase_if(options.places, [&](const fs::path& place) {
        return place == crowd.place("backup") || place == crowd.place("before") ||
               place == crowd.vault.options().data;
    });
    options.places.push_back(crowd.place("disk.img"));
    const Report report = attack(std::move(options));
    INFO(report_text(report));
    CHECK(report.verdict() == Verdict::passed);
    CHECK(report.all_erased() == whole.all_erased());
    CHECK(report.live == whole.live);
}

TEST_CASE("an attack refuses files that are missing or that a server uses") {
    SmallCrowd crowd;
    SECTION("a missing place") {
        AttackOptions options = crowd.attack();
        options.places.push_back(crowd.place("nowhere"));
        CHECK(has_fault(FaultKind::configuration, std::move(options)));
    }
    SECTION("a running vault") {
        crowd.vault.open();
        CHECK(has_fault(FaultKind::conflict, crowd.attack()));
    }
}

}  // namespace oubliette::testing
