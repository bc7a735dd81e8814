#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/forensic/sealed.hpp"
#include "vault/keys/ids.hpp"

// What an attack came to, in figures. Holds nothing of anybody.

namespace oubliette::forensic {

struct Tally {
    std::uint64_t total = 0;
    std::uint64_t open = 0;

    void add(bool is_open) noexcept {
        ++total;
        if (is_open) ++open;
    }
    [[nodiscard]] bool all_open() const noexcept { return open == total; }
    friend bool operator==(const Tally&, const Tally&) = default;
};

// The same attack with one old anchor that somebody kept, for one root that it opens.
struct Control {
    std::uint64_t epoch = 0;
    Tally alive;         // what lives under that root
    Tally erased_since;  // of that, what is erased now: what the kept anchor gives away

    // At least 99 % of both, and something was erased since.
    [[nodiscard]] bool holds() const noexcept;
};

struct KeeperFound {
    keys::KeeperId id{};
    std::uint64_t epoch = 0;  // of the newest root that its present cell opens
};

struct CoreSearch {
    std::uint64_t windows = 0;  // places where 32 B could be a key
    std::uint64_t tried = 0;    // of them, those that look random
    std::uint64_t targets = 0;  // boxes that each was tried on
    std::uint64_t hits = 0;     // keys found
    bool is_cut_off = false;    // there were more windows than are tried
};

enum class Verdict : std::uint8_t {
    passed,
    failed,  // something opens that must not
    voided,  // the attack does not show that it could have opened anything
};

struct Report {
    // What there was to attack.
    std::uint64_t file_count = 0;
    std::uint64_t size = 0;     // bytes
    std::uint64_t windows = 0;  // different pieces of 4,096 B among them
    std::uint64_t overflows_unpaired = 0;
    bool has_secrets = false;  // unseal secrets were given: else a thief without them is played

    // How far the attack came.
    std::uint64_t keks = 0;
    std::uint64_t anchors = 0;
    std::uint64_t keeper_boxes = 0;  // registers, state records, requests, signing keys
    Tally roots;                     // versions of root records
    Tally pages;                     // versions of tree pages
    std::vector<KeeperFound> keepers;
    std::uint64_t epoch = 0;  // of the newest tree; 0: none opens
    std::optional<CoreSearch> core;

    // What it opened, by Kind. Fragments, found in no whole page, count where they open.
    std::array<Tally, kKindCount> live{};
    std::array<Tally, kKindCount> erased{};  // dead in the newest tree, or named by a request there
    std::uint64_t erased_leaves = 0;         // different addresses among the erased
    std::uint64_t waiting = 0;               // of the erased, those that no tree knows yet
    Tally fragments;                         // all of them
    std::vector<Control> controls;
    bool wants_control = false;

    double seconds = 0;

    [[nodiscard]] Tally all_live() const noexcept;
    [[nodiscard]] Tally all_erased() const noexcept;
    [[nodiscard]] Verdict verdict() const noexcept;
};

// For people, several lines without a newline at the end; and one JSON object.
[[nodiscard]] std::string report_text(const Report& report);
[[nodiscard]] std::string report_json(const Report& report);

}  // namespace oubliette::forensic
