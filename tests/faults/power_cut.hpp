#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/hash.hpp"
#include "tests/faults/case_pool.hpp"
#include "tests/faults/disk_model.hpp"
#include "tests/faults/room.hpp"
#include "tests/faults/small_vault.hpp"
#include "vault/keys/records.hpp"

// Power cuts: a story is recorded once with the real code on a real disk, then cut at any event,
// with any part of what was not flushed; the real code starts on what is left.

namespace oubliette::faults {

// What a keeper's plane had as its root at one time, and whose anchor opens it. An anchor that
// still opens one from before an erasure was final brings the erased back.
struct PastRoot {
    std::size_t at = 0;  // events before it was durable
    unsigned keeper = 0;
    std::uint64_t epoch = 0;
    Bytes record;
};

struct RecordedStory {
    Recording recording;
    std::vector<Item> items;
    Credentials credentials;
    std::filesystem::path keys_home;  // holds signing.key and seal.slots of each keeper
    std::map<std::uint64_t, crypto::Hash> log_roots;  // by size
    std::vector<PastRoot> roots;
};

// `live` opens the vault in `home`, tells its deeds to the story, and closes the vault.
using Life = std::function<void(Story& story)>;
[[nodiscard]] RecordedStory record_story(const std::filesystem::path& home,
                                         const Credentials& credentials, const Life& live);

struct CutPlan {
    std::uint64_t seed = 0;
    std::uint64_t images = 0;
    Disobedience disobedience;
};

// One image of a plan is a cut and a choice of what reached the disk, both a function of its
// number, so that it can be made again.
class ImageCheck {
public:
    ImageCheck(const RecordedStory& story, const CutPlan& plan);
    ~ImageCheck();
    // What is wrong with the image. Faster in ascending order of numbers.
    [[nodiscard]] std::string operator()(std::uint64_t number);
    // The files of an image, for looking at them.
    void write(std::uint64_t number, const std::filesystem::path& home);

private:
    struct Attacker;

    struct Told {  // by the story, until the cut
        std::vector<Deed> fates;
        std::uint64_t log_size = 0;
    };

    [[nodiscard]] std::size_t cut_of(std::uint64_t number) const;
    [[nodiscard]] Image image_of(std::uint64_t number);
    [[nodiscard]] Told told_until(std::size_t cut) const;
    [[nodiscard]] std::string check(const std::filesystem::path& home, std::uint64_t number);
    void check_vault(SmallVault& vault, const Told& told, std::uint64_t number,
                     std::vector<std::string>& broken) const;
    [[nodiscard]] std::string check_log(const std::filesystem::path& home,
                                        std::uint64_t log_size) const;

    const RecordedStory& story_;
    const CutPlan plan_;
    const Room room_;
    std::unique_ptr<DiskModel> disk_;
    std::size_t disk_cut_ = 0;
    std::unique_ptr<Attacker> attacker_;
    testing::ManualClock clock_;
    UnsyncedDisk unsynced_;
};

// Checks all images of the plan in as many processes as there are processors.
[[nodiscard]] PoolResult cut_power(const RecordedStory& story, const CutPlan& plan);

}  // namespace oubliette::faults
