#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/vault/vault_fixture.hpp"
#include "tools/forensic/attack.hpp"

// Many people in a real vault, and everything an attacker could have kept of its files.

namespace oubliette::testing {

class Crowd {
public:
    static constexpr std::size_t kValuesEach = 8;

    // Stores eight values, one id and one consent for each of the people [from, to).
    void add(std::size_t from, std::size_t to);
    // Erases those of [from, to) that `is_gone` names, and waits until all of them are final.
    void erase(std::size_t from, std::size_t to, const std::function<bool(std::size_t)>& is_gone);
    // Waits until no revocation of any kind is under way, replaced values too.
    void settle();

    // A backup, as the vault makes it.
    void back_up(const std::string& name);
    // Copies of data and keepers as they lie there, without the cells. REQUIRES: nothing is being
    // written.
    void keep_files(const std::string& name);
    // A copy of a keeper's cell: what nobody may keep.
    [[nodiscard]] std::filesystem::path keep_cell(const std::string& name) const;

    [[nodiscard]] std::filesystem::path place(const std::string& name) const {
        return vault.home() / name;
    }
    // The present data and keepers, all copies and backups, and the seal secret. The vault must be
    // closed.
    [[nodiscard]] forensic::AttackOptions attack() const;

    [[nodiscard]] static std::string id_of(std::size_t person);

    TestVault vault;

private:
    std::vector<std::filesystem::path> kept_;
};

}  // namespace oubliette::testing
