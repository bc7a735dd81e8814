#pragma once

#include <filesystem>
#include <vector>

#include "tests/keys/crash_rig.hpp"
#include "tools/forensic/attack.hpp"

// A vault whose program is killed, and an attacker who kept every file before each of its changes
// and gets all secrets and the cells that are left.

namespace oubliette::keys::test {

inline constexpr std::uint64_t kVictimCount = 120;  // of request_number(): 0 to 119

// A vault with one value for each of some people, some of them erased for good, and what the
// attacker kept of its files.
class WatchedPlace {
public:
    WatchedPlace();

    [[nodiscard]] std::filesystem::path history() const { return vault.home.path() / "history"; }
    void start_history() const;
    // Keeps the keepers' files without the cells, which nobody may keep.
    void keep_planes(const std::string& name);

    // Whatever a crash left: nothing that was final is there, nothing that lives is lost.
    void check_after_crash() const;
    // After the requests of `victims` people became final: they are gone as well, and `old_cell`,
    // of before them, would have opened them.
    void check_final(std::uint64_t victims, const std::filesystem::path& old_cell) const;

    Vault vault;

private:
    [[nodiscard]] std::filesystem::path data() const { return vault.home.path() / "data"; }
    [[nodiscard]] forensic::AttackOptions attack() const;

    std::vector<std::filesystem::path> kept_;
};

}  // namespace oubliette::keys::test
