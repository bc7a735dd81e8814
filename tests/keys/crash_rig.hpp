#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/keys/plane_fixture.hpp"

// Kills the real program in front of every call that changes a file, from the same files each time.

namespace oubliette::keys::test {

inline constexpr int kCrashStatus = 77;
inline constexpr std::uint64_t kLiving = 40;  // people 0 to 39 are never erased

using Keys = std::map<std::uint64_t, std::string>;
[[nodiscard]] Keys living_keys(KeyPlane& plane);

// Runs crash_child (its verbs: crash_child.cpp) on a vault.
class Child {
public:
    explicit Child(const Vault& vault) : vault_(vault) {}
    // What the child reads; it may rewrite it.
    void configure(const std::vector<std::filesystem::path>& keepers) const;
    [[nodiscard]] std::vector<std::filesystem::path> configured() const;

    // The exit status: 0, kCrashStatus, or a failure.
    [[nodiscard]] int run(std::vector<std::string> arguments, long crash_at, bool is_torn) const;
    [[nodiscard]] int revoke(const Revocation& request, long crash_at, bool is_torn) const;

private:
    const Vault& vault_;
};

// The keepers as they are now, to start every run of a sweep from: LMDB's calls depend on the free
// pages it finds, and a run that makes one call more or less would let a point be missed.
class Template {
public:
    // `others` are removed when the keepers are put back.
    explicit Template(const Vault& vault, std::vector<std::filesystem::path> others = {});
    void restore() const;
    [[nodiscard]] const std::vector<std::filesystem::path>& copies() const noexcept {
        return copies_;
    }

private:
    const Vault& vault_;
    const std::vector<std::filesystem::path> others_;
    std::vector<std::filesystem::path> copies_;  // empty path: the keeper was not there
};

// What one keeper says by itself, without recovery: all living keys, and `victim` alive or dead.
void check_keeper(const std::filesystem::path& directory, const Keys& living, const Path& victim);
// True if the cell `cell` opens the plane in `keeper`.
[[nodiscard]] bool opens_with(const Vault& vault, const std::filesystem::path& keeper,
                              const std::filesystem::path& cell);

}  // namespace oubliette::keys::test
