#pragma once

#include <optional>
#include <set>
#include <vector>

#include "vault/keys/ids.hpp"
#include "vault/keys/tree.hpp"

// Reading a whole tree in small slices, each against a snapshot of its own, while the tree goes on
// changing between them. Pure; single-threaded per call.

namespace oubliette::keys {

// A pass over all keepers. A page is named by the prefix of the paths that it covers.
struct ScrubPass {
    std::vector<KeeperId> left;  // the last one is being read
    Path cursor;                 // where its next slice begins
    std::set<Path> given_up;     // pages of it that cannot be repaired: what is below is not read
};

struct ScrubSlice {
    std::size_t pages = 0;       // that opened, from the cursor on
    std::optional<Path> broken;  // missing, or does not open: the slice ended before it
    std::optional<Path> next;    // where to go on; neither: the tree was read to its end
};

// Opens up to `count` pages in the order of their addresses, from `cursor` on, and those above it.
[[nodiscard]] ScrubSlice scrub_slice(const RootSlot& root, PageSource pages, const Path& cursor,
                                     const std::set<Path>& given_up, std::size_t count);

// The key of the page below `page` (which covers `prefix`) on the way to `target`; nullopt if that
// has no page of its own. REQUIRES: prefix is a prefix of target, and shorter.
[[nodiscard]] std::optional<crypto::PageKey> next_page_key(const Page& page, const Path& prefix,
                                                           const Path& target);

}  // namespace oubliette::keys
