#pragma once

#include "tools/forensic/keepers.hpp"
#include "tools/forensic/report.hpp"

// Keys in a core dump. Every aligned window of 32 bytes that looks random is tried on a bounded
// number of boxes that are still closed: as an anchor on the newest root records, as a page key on
// the newest tree pages, and on rows spread over all people as the box's own key, as the key of its
// leaf and as the person's seed. What opens is told to `pages`, whose close() finds what follows.
// One window costs about 60 us, so their number is bounded too. Not thread-safe.

namespace oubliette::forensic {

inline constexpr std::uint64_t kCoreWindowsMax = 4'000'000;

struct CoreTargets {
    const std::vector<Row>& roots;      // that no anchor opens
    const std::vector<FoundKek>& keks;  // whose keepers the records may be of
    KeyPages& pages;
    SealedRows& rows;
};

// Adds to `result`; returns how many keys were found this time.
std::uint64_t search_core(ByteView core, const CoreTargets& targets, CoreSearch& result);

}  // namespace oubliette::forensic
