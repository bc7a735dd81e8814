#include <cstdlib>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/faults/power_cut.hpp"

// KEYS 8.3, TRAPS 4 goal 2: what is acknowledged survives a power cut, what is erased does not.

namespace oubliette::faults {
namespace {

constexpr std::uint64_t kImages = 5'000;
constexpr std::uint64_t kControlImages = 400;
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
    const auto t0 = std::chrono::steady_clock::now();
    const RecordedStory story = scene.record(seed);
    const auto t1 = std::chrono::steady_clock::now();
    const PoolResult result = cut_power(story, {seed, images, {}});
    const auto t2 = std::chrono::steady_clock::now();
    WARN(story.recording.events.size() << " events, " << story.recording.marks.size() << " marks, "
         << story.roots.size() << " roots; record ms " << std::chrono::duration_cast<std::chrono::milliseconds>(t1-t0).count()
         << " images ms " << std::chrono::duration_cast<std::chrono::milliseconds>(t2-t1).count());
    CHECK(result.run == images);
    INFO(text_of(result));
    CHECK(result.failed == 0);
}

TEST_CASE("control: without flushes, power cuts lose what was acknowledged", "[power]") {
    Scene scene;
    const RecordedStory story = scene.record(1);
    Disobedience no_sync;
    no_sync.ignores_sync = true;
    const PoolResult result = cut_power(story, {1, kControlImages, no_sync});
    WARN(text_of(result));
    CHECK(result.failed > kControlImages / 10);
}

TEST_CASE("control: a cell written without O_DSYNC brings back what was erased", "[power]") {
    Scene scene;
    const RecordedStory story = scene.record(1);
    Disobedience no_dsync;
    no_dsync.ignores_cell_dsync = true;
    const PoolResult result = cut_power(story, {1, kControlImages, no_dsync});
    WARN(text_of(result));
    CHECK(result.failed > kControlImages / 10);
}

}  // namespace oubliette::faults
