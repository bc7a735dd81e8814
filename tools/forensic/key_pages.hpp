#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "tools/forensic/shapes.hpp"
#include "vault/function_ref.hpp"
#include "vault/keys/tree.hpp"

// Every version of every tree page that opens with what is known, to a fixpoint: a root slot gives
// the key of one version of the first page, an opened page gives seeds and the keys of pages below.
// No version is preferred and nothing ends the search: what is dead in one version may live in
// another, and that is what the attacker looks for. Not thread-safe.

namespace oubliette::forensic {

// What one tree says of an address, by its authenticated tags alone.
enum class Fate : std::uint8_t {
    alive,
    dead,
    unknown,  // a page on the way did not open
};

class KeyPages {
public:
    // `records` are rows of shape page; what they view must live as long as this.
    explicit KeyPages(const std::vector<Row>& records);

    // New knowledge; call close() afterwards.
    void add_root(const keys::RootSlot& slot);
    void add_page_key(const keys::PageId& id, crypto::PageKey key);
    void add_seed(const keys::Path& path, const crypto::Seed& seed);
    // Opens all that follows from what was added.
    void close();

    // Every key that the node at `path` has or had, as far as a known seed covers it.
    void find_keys(const keys::Path& path, FunctionRef<void(const crypto::Seed& key)> visit) const;

    [[nodiscard]] Fate fate_of(const keys::RootSlot& root, const keys::Path& path) const;
    // True if every page below `root` is there and open. A root record whose transaction was cut
    // off may stand in a file without its pages.
    [[nodiscard]] bool is_whole(const keys::RootSlot& root) const;

    [[nodiscard]] std::uint64_t version_count() const noexcept { return version_count_; }
    [[nodiscard]] std::uint64_t open_count() const noexcept { return open_count_; }
    // Page records that no known key opens, newest epoch first, at most `count_max`.
    struct ClosedPage {
        keys::PageId id{};
        ByteView record;
    };
    [[nodiscard]] std::vector<ClosedPage> closed_pages(std::size_t count_max) const;

private:
    struct IdHash {
        [[nodiscard]] std::size_t operator()(const keys::PageId& id) const noexcept;
    };
    struct OpenPage {
        crypto::PageKey key;
        ByteArray<128> tags{};     // as keys::Page numbers its nodes; kNoTag below a SEED or DEAD
        ByteArray<128> places{};   // of a node's key in `keys`
        crypto::SecretBytes keys;  // 32 B each
        [[nodiscard]] crypto::KeyView key_of(unsigned node) const;
    };
    struct Versions {
        std::vector<ByteView> closed;
        std::vector<OpenPage> open;
        std::set<ByteArray<32>> keys_tried;
    };
    struct Stop {  // where the way through one page ends
        unsigned node = 1;
        unsigned bits = 0;
        std::uint8_t tag = 0;
    };
    struct Work {
        keys::PageId id{};
        crypto::PageKey key;
    };

    [[nodiscard]] static OpenPage compact(const crypto::PageKey& key, const keys::Page& page);
    [[nodiscard]] static Stop walk(const OpenPage& page, unsigned bits, const keys::Path& path);
    void open_with(const Work& work);
    [[nodiscard]] static std::vector<Work> children_of(const keys::PageId& id,
                                                       const OpenPage& page);
    [[nodiscard]] const OpenPage* find_open(const keys::PageId& id, crypto::KeyView key) const;

    std::unordered_map<keys::PageId, Versions, IdHash> pages_;
    std::map<keys::Path, std::vector<crypto::Seed>> seeds_;  // that stand outside of pages
    std::set<unsigned> seed_bits_;                           // lengths of the paths in seeds_
    std::deque<Work> work_;
    std::uint64_t version_count_ = 0;
    std::uint64_t open_count_ = 0;
};

}  // namespace oubliette::forensic
