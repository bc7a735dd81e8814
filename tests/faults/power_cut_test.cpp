#include "tests/faults/power_cut.hpp"

#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/faults/build_kind.hpp"
#include "vault/keys/cell.hpp"
#include "vault/keys/keeper_files.hpp"

// KEYS 8.3, TRAPS 4 goal 2: what is acknowledged survives a power cut, what is erased does not.

namespace oubliette::faults {
namespace {

constexpr std::uint64_t kImages = kIsSanitized ? 600 : 4'600;
constexpr std::uint64_t kControlImages = kIsSanitized ? 60 : 200;
constexpr std::uint64_t kComeBackImages = kIsSanitized ? 100 : 500;
constexpr unsigned kThreads = 2;
constexpr unsigned kPeople = 12;  // of each thread

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string person_of(unsigned thread, unsigned n) {
    return "p-" + std::to_string(thread) + "-" + std::to_string(n);
}

// One client of several: stores people, and takes back what was stored before.
void live_as(unsigned thread, SmallVault& vault, Story& story, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    std::vector<std::uint32_t> stored;
    for (unsigned n = 0; n < kPeople; ++n) {
        Item item;
        item.person = person_of(thread, n);
        item.value = "value " + std::to_string(n);
        item.value_after = "later " + std::to_string(n);
        const std::uint32_t number = story.add(item);
        vault.tell_store(story, number);
        stored.push_back(number);
        if (random() % 3 == 0) continue;
        const std::size_t chosen = random() % stored.size();
        const std::uint32_t taken = stored[chosen];
        stored.erase(stored.begin() + static_cast<std::ptrdiff_t>(chosen));
        switch (random() % 6) {
        case 0: vault.tell_delete(story, taken); break;
        case 1: vault.tell_withdraw(story, taken); break;
        case 2: vault.tell_replace(story, taken); break;
        default: vault.tell_erase(story, taken); break;
        }
    }
}

// Two sessions of one vault with a start between them.
void live(const std::filesystem::path& home, const Credentials& credentials, Story& story,
          std::uint64_t seed) {
    const testing::ManualClock clock;
    const std::uint32_t client = story.add({});
    for (unsigned session = 0; session < 2; ++session) {
        SmallVault vault{home, credentials, clock};
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < kThreads; ++i) {
            threads.emplace_back([&, i] {
                const unsigned number = session * kThreads + i;
                live_as(number, vault, story, seed + number);
            });
        }
        if (session == 1) vault.tell_revoke(story, client);
        for (std::thread& thread : threads) thread.join();
    }
}

// A cell whose blocks are random: no anchor is in it.
void write_noise(const std::filesystem::path& cell) {
    Bytes noise(keys::kCellSize);
    crypto::random_bytes(noise);
    std::ofstream out{cell, std::ios::binary | std::ios::trunc};
    out.write(oubliette::text_of(noise).data(), static_cast<std::streamsize>(noise.size()));
}

class Scene {
public:
    Scene() {
        const testing::ManualClock clock;
        credentials = SmallVault::init(home.path(), clock);
    }
    RecordedStory record(std::uint64_t seed) {
        return record_story(home.path(), credentials,
                            [&](Story& story) { live(home.path(), credentials, story, seed); });
    }
    store::TemporaryDirectory home;
    Credentials credentials;
};

}  // namespace

TEST_CASE("a power cut loses nothing acknowledged and brings back nothing erased", "[power]") {
    const std::uint64_t seed = number_from("OUBLIETTE_FAULTS_SEED", std::random_device{}());
    const std::uint64_t images = number_from("OUBLIETTE_FAULTS_IMAGES", kImages);
    INFO("seed " << seed);
    Scene scene;
    const RecordedStory story = scene.record(seed);
    const PoolResult result = cut_power(story, {seed, images, {}});
    INFO(story.recording.events.size() << " events, " << story.recording.marks.size() << " marks");
    CHECK(result.run == images);
    INFO(text_of(result));
    CHECK(result.failed == 0);
}

// While a keeper was away an erasure was recorded. It comes back with its files as they were, or
// with a cell that opens nothing: the power is cut while it catches up, or is built anew.
TEST_CASE("a power cut while a keeper comes back loses and brings back nothing", "[power]") {
    namespace fs = std::filesystem;
    const bool is_rebuild = GENERATE(false, true);
    const std::uint64_t seed = number_from("OUBLIETTE_FAULTS_SEED", std::random_device{}());
    INFO("seed " << seed << (is_rebuild ? ", rebuild" : ", catch-up"));
    Scene scene;
    const fs::path keeper = scene.home.path() / kKeeperDirectories[1];
    const testing::ManualClock clock;
    Story before{{}};
    for (const char* person : {"erased", "living", "later"}) {
        before.add({.person = person, .value = std::string{"value of "} + person});
    }
    {
        SmallVault vault{scene.home.path(), scene.credentials, clock};
        for (std::uint32_t item = 0; item < 3; ++item) vault.tell_store(before, item);
    }
    fs::rename(keeper, scene.home.path() / "away");
    {
        SmallVault vault{scene.home.path(), scene.credentials, clock};
        vault.tell_erase(before, 0);
    }
    fs::rename(scene.home.path() / "away", keeper);
    if (is_rebuild) write_noise(keeper / keys::kCellFile);
    const auto come_back = [&](Story& story) {
        const std::vector<Item> items = before.items();
        for (std::uint32_t item = 0; item < items.size(); ++item) {
            story.add(items[item]);
            story.tell(before.fates()[item], item);
        }
        SmallVault vault{scene.home.path(), scene.credentials, clock};
        REQUIRE(vault.becomes_final(items[0].request));
        vault.tell_erase(story, 2);
        REQUIRE(vault.becomes_final(story.items()[2].request));
    };
    const RecordedStory story = record_story(scene.home.path(), scene.credentials, come_back);
    const PoolResult result = cut_power(story, {seed, kComeBackImages, {}});
    INFO(text_of(result));
    CHECK(result.failed == 0);
}

TEST_CASE("control: without flushes, power cuts lose what was acknowledged", "[power]") {
    Scene scene;
    const RecordedStory story = scene.record(1);
    Disobedience no_sync;
    no_sync.ignores_sync = true;
    const PoolResult result = cut_power(story, {1, kControlImages, no_sync});
    INFO(text_of(result));
    CHECK(result.failed > kControlImages / 10);
}

TEST_CASE("control: a cell written without O_DSYNC brings back what was erased", "[power]") {
    Scene scene;
    const RecordedStory story = scene.record(1);
    Disobedience no_dsync;
    no_dsync.ignores_cell_dsync = true;
    const PoolResult result = cut_power(story, {1, kControlImages, no_dsync});
    INFO(text_of(result));
    CHECK(result.failed > kControlImages / 10);
}

}  // namespace oubliette::faults
