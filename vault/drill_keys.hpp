#pragma once

#include <map>
#include <memory>
#include <vector>

#include "vault/keys/key_plane.hpp"

// The keys of a drill: several keepers asked for the same paths, their answers compared. Not
// thread-safe.

namespace oubliette {

class DrillKeys {
public:
    // Opens those of `keepers` that open; the others are told in `unusable`.
    // Throws as run_drill() does.
    DrillKeys(const std::vector<std::filesystem::path>& keepers, const keys::SealSecret& seal,
              const keys::VaultId& vault, std::vector<std::string>& unusable);

    // The answer that a server with all these keepers would give, in order. A path that is dead for
    // one keeper and not for another counts in disagreements(); so does none whose keepers agree
    // when asked again, because a group of a running server reaches them one after the other.
    // Throws Fault{corrupt}: two living keys differ.
    [[nodiscard]] std::vector<keys::Derived> ask(const std::vector<keys::Path>& paths);

    // Leaves that many rows share: asked once.
    [[nodiscard]] const keys::Derived& shared(const keys::Path& path);
    void ask_shared(const std::vector<keys::Path>& paths);

    [[nodiscard]] std::uint64_t disagreements() const noexcept { return disagreements_; }
    [[nodiscard]] const std::vector<std::filesystem::path>& opened() const noexcept {
        return opened_;
    }

private:
    struct Compared {
        keys::Derived derived;
        bool agree = true;
    };
    [[nodiscard]] std::vector<Compared> compare(const std::vector<keys::Path>& paths);

    std::vector<std::unique_ptr<keys::KeeperReader>> readers_;
    std::vector<std::filesystem::path> opened_;
    std::map<keys::Path, keys::Derived> shared_;
    std::uint64_t disagreements_ = 0;
};

}  // namespace oubliette
