#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/policy/gate.hpp"

// The flat tables behind a Gate. Dense numbers are positions in the document's vectors; ids are the
// tenant's register numbers (gate.hpp). Built once, then only read.

namespace oubliette::policy {

inline constexpr std::uint16_t kNoIndex = std::numeric_limits<std::uint16_t>::max();
inline constexpr std::uint8_t kNoTransform = std::numeric_limits<std::uint8_t>::max();
inline constexpr std::uint16_t kRecipientIdMax = 0x3FFE;  // 14 bits, all-ones reserved

// Names of one kind: to dense numbers and back from ids.
class NameTable {
public:
    // REQUIRES: `name` outlives the table. Call once per dense number, in order.
    void add(std::string_view name, std::uint16_t id);
    void sort();  // after the last add()

    [[nodiscard]] std::uint16_t find(std::string_view name) const noexcept;  // dense or kNoIndex
    [[nodiscard]] std::uint16_t find_id(std::uint16_t id) const noexcept;    // dense or kNoIndex
    [[nodiscard]] std::uint16_t id_of(std::uint16_t dense) const noexcept { return ids_[dense]; }
    [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }

private:
    std::vector<std::pair<std::string_view, std::uint16_t>> by_name_;
    std::vector<std::uint16_t> by_id_;
    std::vector<std::uint16_t> ids_;
};

// (recipient, purpose): what is needed before a person is looked at, and of the person.
struct Cell {
    SlotMask need;
    std::uint32_t agreement_end = std::numeric_limits<std::uint32_t>::max();
    std::uint16_t recipient = 0;                 // dense
    std::uint16_t purpose = 0;                   // dense
    std::uint16_t country = 0;                   // position in `countries`
    std::uint16_t cross_border_slot = kNoIndex;  // SlotId
    std::uint16_t guardian_slot = kNoIndex;      // SlotId; needed beside the others for a minor
    bool suspended = false;
    bool when_restricted = false;
    bool needs_order = false;
};

struct Ending {
    CalendarDuration keep;
    RetentionAnchor from = RetentionAnchor::collected;
};

// A run of `endings`; empty = no rule.
struct EndingRun {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

// Grants valid as of a version: bits of slots with since <= that version.
struct KeepStep {
    std::uint16_t since = 0;
    SlotMask keep;
};

struct GateTables {
    std::shared_ptr<const Document> document;
    NameTable fields;
    NameTable purposes;
    NameTable recipients;
    NameTable slots;
    NameTable regions;
    NameTable transforms;  // ids = dense numbers

    std::vector<Cell> cells;
    std::vector<std::uint16_t> cell_of;          // [recipient][purpose]; kNoIndex = none
    std::vector<std::uint8_t> cell_transforms;   // [cell][field]; kNoTransform = not shown
    std::vector<std::uint8_t> recipient_fields;  // [recipient][field]; 1 = some cell shows it
    std::vector<std::uint8_t> transform_ranks;   // [transform]

    std::vector<std::string_view> countries;
    std::vector<std::uint8_t> region_countries;  // [region][country]; 1 = at home there
    std::uint16_t home_region = 0;               // dense

    std::vector<KeepStep> keep_steps;  // rising `since`
    SlotMask objections;               // all that start granted
    SlotId abroad_switch{};
    SlotId adult_switch{};

    // never_together: dense fields of each set; which sets hold a field; which sets a recipient
    // could complete, because its cells show every field of it.
    std::vector<std::vector<std::uint16_t>> linked_sets;
    std::vector<std::vector<std::uint16_t>> sets_with;  // [field]
    std::vector<std::uint8_t> set_reachable;            // [recipient][set]

    std::vector<std::uint16_t> category_of;   // [field], dense category
    std::vector<std::uint16_t> category_ids;  // [category]
    std::vector<Ending> endings;
    std::vector<EndingRun> pair_endings;                 // [purpose][category]
    std::vector<std::vector<EndingRun>> category_pairs;  // [category]; the pairs that end
};

// Throws Fault: configuration, if a register has run out of numbers.
[[nodiscard]] GateTables build_tables(std::shared_ptr<const Document> document, NameIds& ids);

}  // namespace oubliette::policy
