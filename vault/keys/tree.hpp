#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "crypto/hash.hpp"
#include "vault/function_ref.hpp"
#include "vault/keys/page.hpp"

// Operations on the punctured key tree (KEYS 4.1): derive a node, puncture a set of nodes, open a
// bank, check somebody else's result. Pure: pages come from and go to the caller. Single-threaded
// per call.

namespace oubliette::keys {

// What the root record holds: `tag:u8 | 32 B`. seed: the whole tree is untouched. child: the key
// of the level-0 page. dead: everything is destroyed.
struct RootSlot {
    NodeTag tag = NodeTag::dead;
    crypto::PageKey key;

    [[nodiscard]] RootSlot duplicate() const noexcept { return {tag, key.duplicate()}; }
    [[nodiscard]] ByteArray<33> encode() const noexcept;  // the caller wipes it
    [[nodiscard]] static std::optional<RootSlot> decode(ByteView encoded);
};
// H(root slot) of KEYS 5.5: BLAKE2b-256("oblroot\x01" | tag | key).
[[nodiscard]] crypto::Hash root_hash(const RootSlot& root) noexcept;

// Where page records are read from: nullopt if there is none.
using PageSource = FunctionRef<std::optional<Bytes>(const PageId& id)>;

// The key at a node, if it still exists as a seed.
// whole: `seed` is that node's. dead: an authenticated DEAD covers it (410). punctured: it lives,
// but something below it is dead or has its own random seed, so it has no seed of its own any
// more; ask deeper. corrupt: a page on the way is missing or does not open (503, never "erased").
enum class NodeState : std::uint8_t { whole, dead, punctured, corrupt };
struct Derived {
    NodeState state = NodeState::corrupt;
    crypto::Seed seed;
};
[[nodiscard]] Derived derive(const RootSlot& root, const Path& path, PageSource pages);

// The clear epoch at the front of a page record: when this version was written. Not authenticated
// by the box; check_diff wants one and the same epoch in a diff. nullopt for a record that is too
// short.
[[nodiscard]] std::optional<std::uint64_t> page_epoch(ByteView record) noexcept;
// Opens one page record. nullopt if it does not authenticate or is not canonical.
[[nodiscard]] std::optional<Page> open_page(const crypto::PageKey& key, const PageId& id,
                                            ByteView record);
// `epoch:u64 | box`, fresh salt.
[[nodiscard]] Bytes seal_page(const crypto::PageKey& key, const PageId& id, std::uint64_t epoch,
                              const Page& page);

// The highest dead item of a person, so that its number is never used again; nullopt if none is
// dead (or the person is whole); the last of all items if the person is dead. Markers and S_fix
// are no items. REQUIRES: person.bits() == 54. Throws Fault{corrupt} when a page on the way cannot
// be opened.
[[nodiscard]] std::optional<std::uint32_t> highest_dead_item(const RootSlot& root,
                                                             const Path& person, PageSource pages);

// What one group changes. `punctures` sorted, without duplicates and without one being a prefix of
// another (see normalise). `opens`: bank prefixes (30 bits) to become fresh random seeds, sorted,
// without duplicates. The punctures happen first: a bank that one of them touches cannot be opened
// by the same change.
struct TreeChange {
    std::vector<Path> punctures;
    std::vector<Path> opens;
};
// Sorts, removes duplicates and everything covered by a shorter entry.
[[nodiscard]] std::vector<Path> normalise(std::vector<Path> punctures);

// The outcome: page records to store, page ids to delete (at most 2 * kDiffPagesMax: the pages that
// folded away, and up to kDiffPagesMax found below killed nodes; the rest are unreachable orphans).
struct TreeDiff {
    RootSlot root;
    std::map<PageId, Bytes> pages;
    std::set<PageId> deletes;
};
inline constexpr std::size_t kDiffPagesMax = 4'096;  // rewritten and folded pages together
inline constexpr unsigned kBankBits = 30;

// Applies `change`: splits seeds along each path, kills the nodes, gives every rewritten page a
// fresh random key, returns the diff. Puncturing what is dead already changes nothing there. The
// root page is rewritten always, so that an old root slot opens no current page; a root that is a
// lone seed stays one when nothing is punctured or opened.
// nullopt if the change needs more than kDiffPagesMax pages (the caller makes smaller groups).
// REQUIRES: `change` is as TreeChange says. Throws Fault{corrupt} when a page on the way cannot be
// opened, and when a bank to open is dead or has dead leaves: then the registers, which forbid it,
// and the tree disagree. A bank that was opened before and has no dead leaf cannot be told from
// one that was not: there the registers are the only guard.
[[nodiscard]] std::optional<TreeDiff> apply_change(const RootSlot& root, const TreeChange& change,
                                                   std::uint64_t epoch, PageSource pages);

// Check L2/k0 of KEYS 6.1, deterministic: in `diff` every node that is not DEAD equals the old
// node or its GGM derivation, keys of CHILDren off the paths are identical, the newly DEAD set is
// exactly the requested set, opened banks and nothing else have new seeds, shape is canonical,
// the root page has a new key, no page is missing or superfluous, and only pages below dead nodes
// are deleted. Verifies before a keeper erases anything; written without the code of apply_change,
// so that one mistake does not pass both. Returns false for anything else, also for a malformed
// `change` and an old page that does not open; never throws by itself.
[[nodiscard]] bool check_diff(const RootSlot& old_root, const TreeChange& change,
                              const TreeDiff& diff, PageSource old_pages);

// Every reachable page, parents first. False from `visit` stops, and then the answer is true.
// Returns false if a page is missing or does not open. (Scrub, resync, and finding orphans.)
[[nodiscard]] bool walk(
    const RootSlot& root, PageSource pages,
    FunctionRef<bool(const PageId& id, ByteView record, const Page& page)> visit);

}  // namespace oubliette::keys
