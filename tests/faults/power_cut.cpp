#include "tests/faults/power_cut.hpp"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <unistd.h>

#include "vault/keys/cell.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/keeper_rows.hpp"
#include "vault/tables.hpp"

namespace oubliette::faults {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStoreFile = "data.mdb";
constexpr std::size_t kKeeperCount = std::size(kKeeperDirectories);

std::unique_ptr<store::Store> open_read_only(const fs::path& directory,
                                             const std::vector<std::string>& tables) {
    store::StoreOptions options;
    options.read_only = true;
    return store::open_lmdb_store(directory, tables, options);
}

std::map<std::uint64_t, crypto::Hash> read_log_roots(const fs::path& home) {
    std::map<std::uint64_t, crypto::Hash> roots;
    const auto store = open_read_only(home / kDataDirectory / "store", Tables::names());
    const auto view = store->read();
    const std::uint64_t size = audit::AuditLog{*view}.size();
    for (std::uint64_t at = 1; at <= size; ++at) {
        if (const auto root = audit::AuditLog::root_at(*view, at)) roots.emplace(at, *root);
    }
    return roots;
}

// "keeper2/plane.1" of a file that is the store of a keeper's plane.
std::optional<unsigned> keeper_of(const fs::path& path) {
    for (unsigned i = 0; i < kKeeperCount; ++i) {
        if (path.filename() == kStoreFile && *path.begin() == kKeeperDirectories[i]) return i;
    }
    return std::nullopt;
}

// Roots of all planes in a disk that kept everything, unless they are known.
void collect_roots(const Image& image, std::size_t at, const fs::path& room,
                   std::vector<PastRoot>& roots) {
    for (const auto& [path, content] : image) {
        const auto keeper = content ? keeper_of(path) : std::nullopt;
        if (!keeper || content->empty()) continue;
        write_image({{kStoreFile, *content}}, room);
        std::optional<Bytes> record;
        try {
            const auto store = open_read_only(room, keys::keeper_tables());
            const auto view = store->read();
            if (const auto row = keys::KeeperRows::root_record(*view)) {
                record.emplace(row->begin(), row->end());
            }
        } catch (const Fault&) {
            // A store that is being made has no tables yet.
        }
        fs::remove(room / kStoreFile);
        if (!record) continue;
        const auto is_same = [&](const PastRoot& root) {
            return root.keeper == *keeper && root.record == *record;
        };
        if (std::ranges::any_of(roots, is_same)) continue;
        roots.push_back({at, *keeper, keys::decode_head(*record)->epoch, std::move(*record)});
    }
}

std::vector<PastRoot> read_roots(const Recording& recording) {
    std::vector<PastRoot> roots;
    const store::TemporaryDirectory room;
    DiskModel disk{recording, {}};
    std::mt19937_64 random{0};
    collect_roots(disk.image(Unsynced::kept, random), 0, room.path(), roots);
    // LMDB's commit is a write of its meta page through an O_DSYNC descriptor, and so is an
    // anchor: after each of them there may be a new root.
    for (std::size_t at = 0; at < recording.events.size(); ++at) {
        const Event& event = recording.events[at];
        if (event.kind != Event::Kind::write || !event.is_durable) continue;
        disk.advance(at + 1);
        collect_roots(disk.image(Unsynced::kept, random), at + 1, room.path(), roots);
    }
    return roots;
}

std::string joined(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : "; ") + text;
    return out;
}

}  // namespace

RecordedStory record_story(const fs::path& home, const Credentials& credentials, const Life& live) {
    RecordedStory recorded;
    recorded.credentials = credentials;
    recorded.keys_home = home;
    Recorder recorder{home};
    Story story{[&](Deed deed, std::uint32_t item, std::uint64_t number) {
        recorder.mark(static_cast<std::uint8_t>(deed), item, number);
    }};
    live(story);
    recorded.recording = recorder.take();
    recorded.items = story.items();
    recorded.log_roots = read_log_roots(home);
    recorded.roots = read_roots(recorded.recording);
    return recorded;
}

// ---- The attacker ----

// Has every root that ever was on a keeper's disk, and the seal secret; tries the anchors that
// stand in the cells of an image.
struct ImageCheck::Attacker {
    explicit Attacker(const RecordedStory& story_in) : story(story_in) {
        const keys::SealSecret seal = small_vault_seal();
        for (const char* directory : kKeeperDirectories) {
            const fs::path keeper = story.keys_home / directory;
            const auto file = keys::read_small_file(keeper / keys::kSigningFile, 1'024);
            names.push_back(keys::decode_signing_file(*file)->name);
            auto opened =
                keys::open_seal_slots(keeper, names.back().vault, names.back().keeper, seal);
            keks.push_back(std::move(opened.front()));
        }
    }

    [[nodiscard]] std::vector<crypto::Anchor> anchors_in(const fs::path& home,
                                                         unsigned keeper) const {
        std::vector<crypto::Anchor> anchors;
        const fs::path file = home / kKeeperDirectories[keeper] / keys::kCellFile;
        if (!fs::exists(file)) return anchors;
        try {
            const keys::Cell cell{file, true};
            for (unsigned slot = 0; slot < keys::kCellSlotCount; ++slot) {
                auto content = cell.read(slot, keks[keeper]);
                if (content) anchors.push_back(std::move(content->anchor));
            }
        } catch (const Fault&) {
            // A cell that is cut short holds nothing.
        }
        return anchors;
    }

    // Items that must be gone and can be read from what the disk holds.
    [[nodiscard]] std::vector<std::string> resurrect(
        const fs::path& home, std::size_t cut, const std::vector<Deed>& fates,
        const std::function<bool(Deed)>& must_be_gone) const {
        std::vector<std::string> alive;
        for (unsigned keeper = 0; keeper < kKeeperCount; ++keeper) {
            const auto anchors = anchors_in(home, keeper);
            for (const PastRoot& root : story.roots) {
                if (root.keeper != keeper || root.at > cut || !opens(anchors, root)) continue;
                for (std::size_t i = 0; i < fates.size(); ++i) {
                    const Item& item = story.items[i];
                    if (!must_be_gone(fates[i]) || root.epoch >= item.epoch) continue;
                    alive.push_back("RESURRECTED " + item.person + " by keeper " +
                                    std::to_string(keeper + 1));
                }
            }
        }
        return alive;
    }

    [[nodiscard]] bool opens(const std::vector<crypto::Anchor>& anchors,
                             const PastRoot& root) const {
        return std::ranges::any_of(anchors, [&](const crypto::Anchor& anchor) {
            return keys::open_root(anchor, names[root.keeper], root.record).has_value();
        });
    }

    const RecordedStory& story;
    std::vector<keys::KeeperName> names;
    std::vector<crypto::Kek> keks;
};

// ---- Images ----

ImageCheck::ImageCheck(const RecordedStory& story, const CutPlan& plan)
    : story_(story), plan_(plan), attacker_(std::make_unique<Attacker>(story)) {}

ImageCheck::~ImageCheck() = default;

// Ascending with the number, so that the disk only goes forward; every event is cut at if there are
// as many images.
std::size_t ImageCheck::cut_of(std::uint64_t number) const {
    return number * (story_.recording.events.size() + 1) / plan_.images;
}

Image ImageCheck::image_of(std::uint64_t number) {
    const std::size_t cut = cut_of(number);
    if (!disk_ || cut < disk_cut_) {
        disk_ = std::make_unique<DiskModel>(story_.recording, plan_.disobedience);
    }
    disk_->advance(cut);
    disk_cut_ = cut;
    std::mt19937_64 random{plan_.seed ^ (number * 0x9E37'79B9'7F4A'7C15ULL)};
    // Both extremes as well: a process that was killed is the one, a disk that did not write
    // anything by itself is the other.
    const std::uint64_t draw = random() % 8;
    const Unsynced unsynced = draw == 0   ? Unsynced::dropped
                              : draw == 1 ? Unsynced::kept
                                          : Unsynced::random;
    return disk_->image(unsynced, random);
}

void ImageCheck::write(std::uint64_t number, const fs::path& home) {
    write_image(image_of(number), home);
}

ImageCheck::Told ImageCheck::told_until(std::size_t cut) const {
    Told told;
    told.fates.resize(story_.items.size(), Deed::none);
    for (const Mark& mark : story_.recording.marks) {
        if (mark.at > cut) break;
        const auto deed = static_cast<Deed>(mark.what);
        if (deed == Deed::logged) {
            told.log_size = std::max(told.log_size, mark.number);
        } else {
            told.fates[mark.subject] = std::max(told.fates[mark.subject], deed);
        }
    }
    return told;
}

std::string ImageCheck::operator()(std::uint64_t number) {
    const fs::path home = room_.path() / "image";
    const HookedCalls hooked{unsynced_};
    fs::create_directory(home);
    write(number, home);
    std::string wrong = check(home, number);
    fs::remove_all(home);
    if (wrong.empty()) return wrong;
    return "cut before event " + std::to_string(cut_of(number)) + ": " + wrong;
}

void ImageCheck::check_vault(SmallVault& vault, const Told& told, std::uint64_t number,
                             std::vector<std::string>& broken) const {
    if (vault.vault().status().rolled_back) broken.emplace_back("LOST: takes itself for a copy");
    for (const std::string& text : broken_promises(vault, story_.items, told.fates)) {
        broken.push_back("LOST " + text);
    }
    if (number % 4 != 0) return;  // does it go on?
    const Answer stored = vault.store("later", "later value");
    if (!stored.is_done()) broken.push_back("stores no more: " + stored.text);
    const auto erased = vault.erase("later", {});
    if (!erased.answer.is_done() || !vault.becomes_final(erased.request)) {
        broken.push_back("erases no more: " + erased.answer.text);
    }
}

std::string ImageCheck::check(const fs::path& home, std::uint64_t number) {
    const std::size_t cut = cut_of(number);
    const Told told = told_until(cut);
    std::vector<std::string> broken = attacker_->resurrect(home, cut, told.fates, is_final);
    try {
        SmallVault vault{home, story_.credentials, clock_};
        check_vault(vault, told, number, broken);
    } catch (const Fault& fault) {
        broken.push_back(std::string{"UNREADABLE: "} + fault.what());
        return joined(broken);
    }
    for (std::string& text : attacker_->resurrect(home, cut, told.fates, must_become_final)) {
        broken.push_back(std::move(text) + " after the start");
    }
    if (const std::string log = check_log(home, told.log_size); !log.empty()) {
        broken.push_back(log);
    }
    return joined(broken);
}

std::string ImageCheck::check_log(const fs::path& home, std::uint64_t log_size) const {
    const auto store = open_read_only(home / kDataDirectory / "store", Tables::names());
    const auto view = store->read();
    if (!audit::AuditLog::verify(*view)) return "the LOG does not verify";
    if (log_size == 0) return {};
    // Where the story was told a size between two commits, the next segment has it.
    const auto segment = story_.log_roots.lower_bound(log_size);
    if (segment == story_.log_roots.end() || segment->first != log_size) return {};
    const auto root = audit::AuditLog::root_at(*view, log_size);
    return root == segment->second ? "" : "the LOG lost entries";
}

PoolResult cut_power(const RecordedStory& story, const CutPlan& plan) {
    return run_cases(0, plan.images, process_count(), [&](unsigned) {
        const auto check = std::make_shared<ImageCheck>(story, plan);
        return Case{[check](std::uint64_t number) { return (*check)(number); }};
    });
}

}  // namespace oubliette::faults
