#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/keys/plane_fixture.hpp"

// The real program, killed in front of a call that changes a file (tests/support/crash_at.c).

namespace oubliette::keys::test {

inline constexpr int kCrashStatus = 77;
inline constexpr int kTornStatus = 78;  // the same, and half a block of a cell was written

// crash_child (crash_child.cpp) on the keepers of one vault. Without configure() these are keeper1
// and keeper2.
class Child {
public:
    explicit Child(const Vault& vault) : vault_(vault) {}

    struct Crash {
        long at = 0;  // the call in front of which the child ends; 0: it does not
        bool is_torn = false;
        std::filesystem::path history;  // a copy of every file before each change; "": none
    };
    // The exit status: 0, kCrashStatus or kTornStatus; others fail the test.
    [[nodiscard]] int run(const Revocation& request, const Crash& crash) const;
    [[nodiscard]] int run(std::vector<std::string> verb, const Crash& crash) const;

    // The list of keepers that the child reads and rewrites.
    void configure(const std::vector<std::filesystem::path>& keepers) const;
    [[nodiscard]] std::vector<std::filesystem::path> configured() const;

private:
    const Vault& vault_;
};

// The keepers as they were. Every sweep starts each run from the same files: LMDB's calls depend on
// the free pages it finds, and a run that makes one call more or less would let a point be missed.
class Template {
public:
    // restore() removes `others`, and a keeper that is not there now.
    explicit Template(const Vault& vault, std::vector<std::filesystem::path> others = {});
    void restore() const;
    [[nodiscard]] const std::vector<std::filesystem::path>& copies() const noexcept {
        return copies_;
    }

private:
    const Vault& vault_;
    const std::vector<std::filesystem::path> others_;
    std::vector<std::filesystem::path> copies_;  // "": the keeper was not there
};

[[nodiscard]] Revocation request_number(std::uint64_t number);

}  // namespace oubliette::keys::test
