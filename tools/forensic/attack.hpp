#pragma once

#include <filesystem>

#include "tools/forensic/image.hpp"
#include "tools/forensic/keepers.hpp"
#include "tools/forensic/report.hpp"

// The attacker of KEYS 2 and 8: given every file that ever was and every secret but the anchors
// that were destroyed, what can still be read? Unseal secret -> KEKs -> cell blocks -> anchors ->
// root records -> tree pages -> seeds and page keys, to a fixpoint, and then every version of every
// row with every key. It uses the product's primitives and formats, and none of its readers: those
// stop at "dead". Opens nothing for writing. Not thread-safe.
//
// Ground truth: the newest whole tree that the present cells open. What is dead in it, or named by
// a request that waits in a keeper, is erased; the rest lives.

namespace oubliette::forensic {

struct AttackOptions {
    std::vector<std::filesystem::path> places;  // files and directories: everything below counts
    std::vector<keys::SealSecret> secrets;      // none: a thief of the disks alone
    std::vector<std::filesystem::path> kept_cells;  // for the control; left out of the attack
    std::vector<std::filesystem::path> cores;       // core dumps, searched for keys
};

class Attack {
public:
    // Throws Fault{configuration} (a place is missing or unreadable), Fault{conflict} (a server
    // runs).
    explicit Attack(AttackOptions options);

    [[nodiscard]] Report run();

    // After run(): what was found, and what became of each (same order).
    [[nodiscard]] const std::vector<Sealed>& sealed() const { return rows_->all(); }
    [[nodiscard]] const std::vector<Fate>& fates() const noexcept { return fates_; }

private:
    void read_files();
    [[nodiscard]] std::vector<Image> map_all(const std::vector<std::filesystem::path>& files,
                                             Carver& carver);
    void open_keepers();
    void find_newest();
    void search_cores();
    void judge();
    void count();
    void count_controls();
    [[nodiscard]] Control control_of(const FoundRoot& root) const;
    [[nodiscard]] Fate fate_of(const keys::RootSlot& root, const Sealed& sealed) const;
    [[nodiscard]] bool is_waiting(const Sealed& sealed) const;

    AttackOptions options_;
    std::unique_ptr<ServerStopped> stopped_;
    std::vector<Image> images_;
    std::vector<ByteView> small_files_;
    Finds finds_;
    std::vector<FoundKek> keks_;
    std::vector<FoundRoot> roots_;
    const FoundRoot* newest_ = nullptr;
    std::unique_ptr<KeyPages> pages_;
    std::unique_ptr<SealedRows> rows_;
    std::vector<keys::Path> pending_;  // normalised
    std::vector<Fate> fates_;
    Report report_;
};

}  // namespace oubliette::forensic
