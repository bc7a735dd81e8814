#include "tools/forensic/attack.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "crypto/byte_io.hpp"
#include "tools/forensic/core_search.hpp"

namespace oubliette::forensic {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSmallFileMax = 80;  // bytes; a key file has 32 to 66
constexpr int kCorePassesMax = 4;

std::vector<ByteView> views_of(const std::vector<Image>& images) {
    std::vector<ByteView> views;
    for (const Image& image : images) views.push_back(image.bytes());
    return views;
}

bool is_covered(const std::vector<keys::Path>& normalised, const keys::Path& path) {
    // Prefixes sort before what they cover, and none covers another.
    const auto after = std::ranges::upper_bound(normalised, path);
    return after != normalised.begin() && std::prev(after)->is_prefix_of(path);
}

// The epoch that opened `bank`, as far as a row says so.
std::uint64_t opened_in(const std::vector<Row>& banks, const keys::Path& bank) {
    for (const Row& row : banks) {
        const auto opened = keys::decode_address_list(row.value);
        if (opened && std::ranges::find(*opened, bank) != opened->end()) {
            return ByteReader{row.key}.be64();
        }
    }
    return 0;
}

}  // namespace

Attack::Attack(AttackOptions options) : options_(std::move(options)) {
    report_.has_secrets = !options_.secrets.empty();
    report_.wants_control = !options_.kept_cells.empty();
}

Report Attack::run() {
    const auto started = std::chrono::steady_clock::now();
    read_files();
    open_keepers();
    pages_ = std::make_unique<KeyPages>(finds_.of(Shape::page));
    rows_ = std::make_unique<SealedRows>(finds_.of(Shape::person), finds_.of(Shape::client));
    for (const FoundRoot& root : roots_) pages_->add_root(root.slot);
    pages_->close();
    find_newest();
    rows_->open_all(*pages_);
    search_cores();
    judge();
    count();
    if (report_.wants_control) count_controls();
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return report_;
}

// ---- What there is -----------------------------------------------------------------------------

std::vector<Image> Attack::map_all(const std::vector<fs::path>& files, Carver& carver) {
    std::vector<Image> kept;
    for (const fs::path& file : files) {
        Image image{file};
        ++report_.file_count;
        report_.size += image.bytes().size();
        const bool is_small = image.bytes().size() <= kSmallFileMax;
        if (is_small) small_files_.push_back(image.bytes());
        // A history of thousands of copies must not use up the mappings that a process may have.
        if (carver.add(image.bytes()) || is_small) kept.push_back(std::move(image));
    }
    return kept;
}

void Attack::read_files() {
    std::vector<fs::path> places = options_.places;
    places.insert(places.end(), options_.cores.begin(), options_.cores.end());
    const std::vector<fs::path> files = find_files(places, options_.kept_cells);
    stopped_ = std::make_unique<ServerStopped>(files);
    Carver carver;
    images_ = map_all(files, carver);
    finds_ = carver.finish();
    report_.windows = finds_.windows;
    report_.overflows_unpaired = finds_.overflows_unpaired;
}

// ---- How far the secrets lead ------------------------------------------------------------------

void Attack::open_keepers() {
    for (keys::SealSecret& found : secrets_in(small_files_)) {
        options_.secrets.push_back(std::move(found));
    }
    keks_ = open_seals(finds_.seals, options_.secrets);
    const std::vector<FoundAnchor> anchors = open_cells(finds_.cells, keks_);
    std::vector<Row> closed;
    roots_ = open_roots(finds_.of(Shape::root), anchors, closed);
    finds_.rows[static_cast<std::size_t>(Shape::root)] = std::move(closed);
    pending_ = open_pending(finds_.of(Shape::pending), keks_);

    report_.keks = keks_.size();
    report_.anchors = anchors.size();
    report_.keeper_boxes = count_keeper_boxes(finds_, keks_);
    report_.roots = {roots_.size() + finds_.of(Shape::root).size(), roots_.size()};
}

// The newest whole tree of all, and of each keeper.
void Attack::find_newest() {
    std::map<keys::KeeperId, const FoundRoot*> newest;
    for (const FoundRoot& root : roots_) {
        const FoundRoot*& own = newest[root.name.keeper];
        if (own != nullptr && !is_newer(root, *own)) continue;
        if (!pages_->is_whole(root.slot)) continue;
        own = &root;
        if (newest_ == nullptr || is_newer(root, *newest_)) newest_ = &root;
    }
    for (const auto& [keeper, root] : newest) {
        if (root != nullptr) report_.keepers.push_back({keeper, root->head.epoch});
    }
    if (newest_ != nullptr) report_.epoch = newest_->head.epoch;
}

void Attack::search_cores() {
    if (options_.cores.empty()) return;
    report_.core.emplace();
    std::vector<Image> cores;
    for (const fs::path& core : options_.cores) cores.emplace_back(core);
    for (int pass = 0; pass < kCorePassesMax; ++pass) {
        std::uint64_t hits = 0;
        for (const ByteView core : views_of(cores)) {
            hits +=
                search_core(core, {finds_.of(Shape::root), keks_, *pages_, *rows_}, *report_.core);
        }
        if (hits == 0) return;
        pages_->close();
        rows_->open_all(*pages_);
    }
}

// ---- What it came to ---------------------------------------------------------------------------

Fate Attack::fate_of(const keys::RootSlot& root, const Sealed& sealed) const {
    Fate all = Fate::alive;
    for (const keys::Path& path : {sealed.leaf, sealed.day, sealed.region}) {
        if (path.bits() == 0) continue;
        const Fate one = pages_->fate_of(root, path);
        if (one == Fate::dead) return Fate::dead;
        if (one == Fate::unknown) all = Fate::unknown;
    }
    return all;
}

bool Attack::is_waiting(const Sealed& sealed) const {
    return is_covered(pending_, sealed.leaf) || is_covered(pending_, sealed.day) ||
           is_covered(pending_, sealed.region);
}

void Attack::judge() {
    for (const Sealed& sealed : rows_->all()) {
        Fate fate = newest_ != nullptr ? fate_of(newest_->slot, sealed) : Fate::unknown;
        if (fate != Fate::dead && is_waiting(sealed)) {
            fate = Fate::dead;
            ++report_.waiting;
        }
        fates_.push_back(fate);
    }
}

void Attack::count() {
    std::set<keys::Path> erased_leaves;
    for (std::size_t i = 0; i < fates_.size(); ++i) {
        const Sealed& sealed = rows_->all()[i];
        if (!sealed.is_indexed) report_.fragments.add(sealed.is_open);
        if (!sealed.is_indexed && !sealed.is_open) continue;
        const auto kind = static_cast<std::size_t>(sealed.kind);
        // One version of the erased is one too many; of the living, all must open.
        if (fates_[i] == Fate::dead) {
            report_.erased[kind].add(sealed.is_open);
            erased_leaves.insert(sealed.leaf);
        } else {
            report_.live[kind].add(sealed.is_open && sealed.is_whole);
        }
    }
    report_.erased_leaves = erased_leaves.size();
    report_.pages = {pages_->version_count(), pages_->open_count()};
}

// ---- The control -------------------------------------------------------------------------------

void Attack::count_controls() {
    Carver carver;
    const std::vector<Image> images = map_all(options_.kept_cells, carver);
    const Finds kept = carver.finish();
    std::vector<Row> closed;
    const std::vector<FoundRoot> roots =
        open_roots(finds_.of(Shape::root), open_cells(kept.cells, keks_), closed);
    for (const FoundRoot& root : roots) pages_->add_root(root.slot);
    pages_->close();
    rows_->open_all(*pages_);
    std::set<std::uint64_t> epochs;
    for (const FoundRoot& root : roots) {
        if (epochs.insert(root.head.epoch).second) report_.controls.push_back(control_of(root));
    }
}

// Banks that were opened after the root are not under it: its seeds give other keys there.
Control Attack::control_of(const FoundRoot& root) const {
    Control control{root.head.epoch, {}, {}};
    std::map<keys::Path, bool> is_later;
    for (std::size_t i = 0; i < fates_.size(); ++i) {
        const Sealed& sealed = rows_->all()[i];
        if (!sealed.is_indexed && !sealed.is_open) continue;
        if (fate_of(root.slot, sealed) == Fate::dead) continue;
        const keys::Path bank = sealed.leaf.prefix(keys::kBankBits);
        const auto [later, is_new] = is_later.try_emplace(bank);
        if (is_new) later->second = opened_in(finds_.of(Shape::banks), bank) > root.head.epoch;
        if (later->second) continue;
        control.alive.add(sealed.is_open);
        if (fates_[i] == Fate::dead) control.erased_since.add(sealed.is_open);
    }
    return control;
}

}  // namespace oubliette::forensic
