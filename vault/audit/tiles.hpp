#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/merkle.hpp"
#include "vault/store/store.hpp"

// The log's Merkle tree cut into tiles of C2SP tlog-tiles: tile n of level l is the 256 (or, at the
// right edge, fewer) tree hashes that each span 256^l entries, from n * 256^(l+1) on. Full tiles
// are stored, off the path of any request; partial ones are computed from what is stored.
//
//   table tiles: level:u8 | n:u64be -> root of the tile:32 | 256 x hash:32       (8,224 B)
//
// The root stands first, because the tile above is made of such roots.

namespace oubliette::audit {

inline constexpr unsigned kTileWidth = 256;  // hashes
inline constexpr unsigned kTileBits = 8;     // levels of the tree in one tile
inline constexpr unsigned kTileLevelMax = 7;

// A tile, or the bundle of the entries below a tile of level 0.
struct TileName {
    unsigned level = 0;
    std::uint64_t n = 0;
    unsigned width = kTileWidth;  // 1..256; below 256: partial
    friend bool operator==(const TileName&, const TileName&) = default;
};

// "x001/x234/067" or "x001/x234/067.p/112". nullopt for every other spelling.
[[nodiscard]] std::string tile_index_path(const TileName& name);
[[nodiscard]] std::optional<TileName> parse_tile_index(unsigned level, std::string_view path);

// Hashes in tile n of `level` when the log has `size` entries: 0 if there is no such tile.
[[nodiscard]] unsigned tile_width(unsigned level, std::uint64_t n, std::uint64_t size) noexcept;

// Hashes of complete subtrees, which stay what they are while the log grows: proofs about the
// newest entries, where no tile is stored yet, would compute the same ones each time. Of one log of
// one process. Thread-safe; bounded (2 MiB).
class NodeCache {
public:
    [[nodiscard]] std::optional<crypto::Hash> find(unsigned height, std::uint64_t k) const;
    void add(unsigned height, std::uint64_t k, const crypto::Hash& hash);

private:
    mutable std::mutex mutex_;
    std::map<std::pair<unsigned, std::uint64_t>, crypto::Hash> nodes_;
};

// The tree of the first `size` entries. Belongs to one thread and one snapshot; keeps the tiles it
// read. Throws Fault{corrupt} when entries or tiles are damaged or missing.
class TreeReader {
public:
    // REQUIRES: the log in `view` has at least `size` entries.
    TreeReader(const store::ReadView& view, std::uint64_t size, NodeCache* cache = nullptr)
        : view_(view), size_(size), cache_(cache) {}

    // As many hashes as tile_width() says. REQUIRES: at least one.
    [[nodiscard]] const std::vector<crypto::Hash>& tile(unsigned level, std::uint64_t n);
    // Hash of the complete subtree over entries [k * 2^height, (k + 1) * 2^height).
    // REQUIRES: it ends within `size`.
    [[nodiscard]] crypto::Hash node(unsigned height, std::uint64_t k);

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    [[nodiscard]] std::vector<crypto::Hash> read_tile(unsigned level, std::uint64_t n,
                                                      unsigned width);
    [[nodiscard]] crypto::Hash tile_root(unsigned level, std::uint64_t n);
    [[nodiscard]] crypto::Hash cached_node(unsigned height, std::uint64_t k);

    const store::ReadView& view_;
    std::uint64_t size_;
    NodeCache* cache_;  // nullptr: none
    std::map<std::pair<unsigned, std::uint64_t>, std::vector<crypto::Hash>> tiles_;
};

// Entries [256 n, 256 n + width) as an entry bundle: `size:u16be | entry` each.
// REQUIRES: the log in `view` has them. Throws Fault{corrupt}.
[[nodiscard]] Bytes entry_bundle(const store::ReadView& view, std::uint64_t n, unsigned width);

// Rows of the table that are due and not there: at most `count_max` of the lowest missing ones, in
// the order in which they must be stored. Empty: the tiles are up to date.
// `size`: of the log in `view`.
struct TileRow {
    Bytes key;
    Bytes value;
};
[[nodiscard]] std::vector<TileRow> missing_tiles(const store::ReadView& view, std::uint64_t size,
                                                 std::size_t count_max);
// True if every stored tile is what the entries say and none is stored too early or out of order.
[[nodiscard]] bool verify_tiles(const store::ReadView& view, std::uint64_t size);

}  // namespace oubliette::audit
