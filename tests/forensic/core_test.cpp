#include <fstream>
#include <random>

#include "tests/forensic/crowd.hpp"
#include "tools/forensic/core_search.hpp"
#include "vault/keys/cell.hpp"

// Keys in a core dump: those that were planted are found, and nothing is found where there is none.

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;
using forensic::Report;
using forensic::Verdict;

constexpr std::uint64_t kNumbers = 8;  // the first person has one of the first numbers

// Keys of the first person and of the tree before the erasure.
struct OldKeys {
    std::vector<Bytes> seeds;  // of people 0 to 7
    std::vector<Bytes> ids;    // of their item 0
    Bytes anchor;
};

Bytes bytes_of_key(crypto::KeyView key) {
    return {key.begin(), key.end()};
}

OldKeys keys_of(const fs::path& keeper) {
    OldKeys keys;
    const auto reader = keys::KeeperReader::open(keeper, test_seal());
    std::vector<keys::Path> people;
    std::vector<keys::Path> items;
    for (std::uint64_t n = 0; n < kNumbers; ++n) {
        people.push_back(keys::person_path(keys::kFirstTenant, {n}));
        items.push_back(keys::item_path(people.back(), 0));
    }
    for (const auto& derived : reader->derive_batch(people)) {
        keys.seeds.push_back(bytes_of_key(derived.seed.expose()));
    }
    for (const auto& derived : reader->derive_batch(items)) {
        keys.ids.push_back(bytes_of_key(derived.seed.expose()));
    }
    const keys::Cell cell{keeper / "anchor.cell", true};
    for (unsigned slot = 0; slot < keys::kCellSlotCount; ++slot) {
        const auto header = cell.header(slot);
        if (!header) continue;
        for (const auto& kek :
             keys::open_seal_slots(keeper, header->vault, header->keeper, test_seal())) {
            const auto content = cell.read(slot, kek);
            if (content) keys.anchor = bytes_of_key(content->anchor.expose());
        }
    }
    return keys;
}

// Memory as it is: zeros, pointers, text, and some random bytes that are no key.
Bytes memory(const std::vector<Bytes>& keys) {
    std::mt19937_64 random{7};
    Bytes core(256 << 10);
    for (std::size_t at = 0; at + 64 < core.size(); at += 4'096) {
        for (std::size_t i = 0; i < 64; ++i) core[at + i] = static_cast<Byte>(random());
    }
    std::size_t at = 1'000;
    for (const Bytes& key : keys) {
        std::ranges::copy(key, core.begin() + static_cast<std::ptrdiff_t>(at));
        at += 4'104;
    }
    return core;
}

Report attack_with(const Crowd& crowd, const std::vector<Bytes>& keys) {
    const Bytes core = memory(keys);
    const fs::path file = crowd.place("core");
    std::ofstream(file, std::ios::binary)
        .write(text_of(core).data(), static_cast<std::streamsize>(core.size()));
    auto options = crowd.attack();
    options.cores = {file};
    Report report = forensic::Attack{std::move(options)}.run();
    fs::remove(file);
    return report;
}

}  // namespace

TEST_CASE("a key of an erased person in a core dump is found") {
    Crowd crowd;
    crowd.add(0, 3);
    crowd.keep_files("before");
    const OldKeys old = keys_of(crowd.vault.options().plane.keepers.front());
    crowd.erase(0, 1, [](std::size_t person) { return person == 0; });
    crowd.settle();
    crowd.vault.close();

    const Report without = attack_with(crowd, {});
    INFO(report_text(without));
    CHECK(without.verdict() == Verdict::passed);
    REQUIRE(without.core);
    CHECK(without.core->hits == 0);
    CHECK(without.core->tried > 0);
    CHECK(without.core->tried < without.core->windows / 10);
    CHECK_FALSE(without.core->is_cut_off);

    const Report with_seeds = attack_with(crowd, old.seeds);
    CHECK(with_seeds.verdict() == Verdict::failed);
    CHECK(with_seeds.core->hits == 1);
    CHECK(with_seeds.all_erased() == forensic::Tally{15, 15});

    const Report with_ids = attack_with(crowd, old.ids);
    CHECK(with_ids.verdict() == Verdict::failed);
    CHECK(with_ids.all_erased() == forensic::Tally{15, 1});

    const Report with_anchor = attack_with(crowd, {old.anchor});
    CHECK(with_anchor.verdict() == Verdict::failed);
    CHECK(with_anchor.all_erased() == forensic::Tally{15, 15});
}

}  // namespace oubliette::testing
