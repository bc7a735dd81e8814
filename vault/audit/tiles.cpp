#include "vault/audit/tiles.hpp"

#include <algorithm>

#include "crypto/assert.hpp"
#include "crypto/byte_io.hpp"
#include "vault/audit/audit_log.hpp"
#include "vault/tables.hpp"

namespace oubliette::audit {
namespace {

using crypto::Hash;

constexpr std::size_t kHashSize = sizeof(Hash);
constexpr std::size_t kRowSize = (1 + kTileWidth) * kHashSize;  // bytes
// More digits than any tile of a log of 2^64 entries has.
constexpr std::size_t kIndexGroupsMax = 6;

Bytes tile_key(unsigned level, std::uint64_t n) {
    Bytes key;
    ByteWriter{key}.u8(static_cast<std::uint8_t>(level)).be64(n);
    return key;
}

[[noreturn]] void corrupt() {
    throw Fault{FaultKind::corrupt, "audit log: a tile is damaged"};
}

std::optional<ByteView> find_row(const store::ReadView& view, unsigned level, std::uint64_t n) {
    const auto row = view.get(Tables::kTiles, tile_key(level, n));
    if (row && row->size() != kRowSize) corrupt();
    return row;
}

bool is_digits(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char letter) { return letter >= '0' && letter <= '9'; });
}

// "001" -> 1; nullopt unless it is three digits.
std::optional<unsigned> parse_group(std::string_view text) noexcept {
    if (text.size() != 3 || !is_digits(text)) return std::nullopt;
    unsigned value = 0;
    for (const char digit : text) value = value * 10 + static_cast<unsigned>(digit - '0');
    return value;
}

// A width of a partial tile, 1 to 255 without leading zeros.
std::optional<unsigned> parse_width(std::string_view text) noexcept {
    if (text.empty() || text.size() > 3 || text.front() == '0' || !is_digits(text)) {
        return std::nullopt;
    }
    unsigned value = 0;
    for (const char digit : text) value = value * 10 + static_cast<unsigned>(digit - '0');
    if (value >= kTileWidth) return std::nullopt;
    return value;
}

// Number of stored tiles of a level; they are stored in order.
std::uint64_t stored_count(const store::ReadView& view, unsigned level) {
    const ByteArray<1> prefix{static_cast<Byte>(level)};
    const auto last = view.last(Tables::kTiles, prefix);
    if (!last) return 0;
    ByteReader in{last->key};
    (void)in.u8();
    const std::uint64_t n = in.be64();
    if (!in.finished()) corrupt();
    return n + 1;
}

Bytes row_of(const std::vector<Hash>& hashes) {
    Bytes row;
    row.reserve(kRowSize);
    ByteWriter writer{row};
    writer.bytes(crypto::merkle_root(hashes));
    for (const Hash& hash : hashes) writer.bytes(hash);
    return row;
}

}  // namespace

std::string tile_index_path(const TileName& name) {
    std::string path;
    for (std::uint64_t rest = name.n;; rest /= 1'000) {
        const std::string digits = std::to_string(1'000 + rest % 1'000).substr(1);
        path = path.empty() ? digits : "x" + digits + "/" + path;
        if (rest < 1'000) break;
    }
    if (name.width != kTileWidth) path += ".p/" + std::to_string(name.width);
    return path;
}

std::optional<TileName> parse_tile_index(unsigned level, std::string_view path) {
    TileName name{level, 0, kTileWidth};
    if (const std::size_t at = path.find(".p/"); at != std::string_view::npos) {
        const auto width = parse_width(path.substr(at + 3));
        if (!width) return std::nullopt;
        name.width = *width;
        path = path.substr(0, at);
    }
    for (std::size_t groups = 0; path.starts_with('x'); ++groups) {
        const auto group = parse_group(path.substr(1, 3));
        const bool is_leading_zero = groups == 0 && group == 0U;
        if (!group || is_leading_zero || groups == kIndexGroupsMax - 1 || path.size() < 5 ||
            path[4] != '/') {
            return std::nullopt;
        }
        name.n = name.n * 1'000 + *group;
        path.remove_prefix(5);
    }
    const auto last = parse_group(path);
    if (!last) return std::nullopt;
    name.n = name.n * 1'000 + *last;
    return name;
}

unsigned tile_width(unsigned level, std::uint64_t n, std::uint64_t size) noexcept {
    if (level > kTileLevelMax) return 0;
    const std::uint64_t hashes = size >> (kTileBits * level);
    if (n > hashes / kTileWidth) return 0;
    return static_cast<unsigned>(std::min<std::uint64_t>(hashes - n * kTileWidth, kTileWidth));
}

std::optional<Hash> NodeCache::find(unsigned height, std::uint64_t k) const {
    const std::scoped_lock lock{mutex_};
    const auto found = nodes_.find({height, k});
    return found == nodes_.end() ? std::nullopt : std::optional{found->second};
}

void NodeCache::add(unsigned height, std::uint64_t k, const Hash& hash) {
    constexpr std::size_t kNodesMax = 16'384;  // 112 B each
    const std::scoped_lock lock{mutex_};
    if (nodes_.size() >= kNodesMax) nodes_.clear();
    nodes_.emplace(std::pair{height, k}, hash);
}

const std::vector<Hash>& TreeReader::tile(unsigned level, std::uint64_t n) {
    const auto [at, is_new] = tiles_.try_emplace({level, n});
    if (!is_new) return at->second;
    at->second = read_tile(level, n, tile_width(level, n, size_));
    if (cache_ == nullptr) return at->second;
    for (std::size_t i = 0; i < at->second.size(); ++i) {
        cache_->add(level * kTileBits, n * kTileWidth + i, at->second[i]);
    }
    return at->second;
}

std::vector<Hash> TreeReader::read_tile(unsigned level, std::uint64_t n, unsigned width) {
    OBL_ASSERT(width > 0);
    std::vector<Hash> hashes;
    hashes.reserve(width);
    if (const auto row = find_row(view_, level, n)) {
        ByteReader in{*row};
        (void)in.array<kHashSize>();
        while (hashes.size() < width) hashes.push_back(in.array<kHashSize>());
        return hashes;
    }
    if (level == 0) {
        AuditLog::read_encoded(view_, n * kTileWidth, [&](std::uint64_t, ByteView entry) {
            hashes.push_back(crypto::merkle_leaf(entry));
            return hashes.size() < width;
        });
        if (hashes.size() < width) corrupt();
        return hashes;
    }
    while (hashes.size() < width) {
        hashes.push_back(tile_root(level - 1, n * kTileWidth + hashes.size()));
    }
    return hashes;
}

// The root of a full tile.
Hash TreeReader::tile_root(unsigned level, std::uint64_t n) {
    if (const auto row = find_row(view_, level, n)) return ByteReader{*row}.array<kHashSize>();
    return crypto::merkle_root(read_tile(level, n, kTileWidth));
}

Hash TreeReader::node(unsigned height, std::uint64_t k) {
    OBL_ASSERT(height < 64 && k < size_ >> height);
    if (cache_ != nullptr) return cached_node(height, k);
    const unsigned level = height / kTileBits;
    const std::uint64_t count = std::uint64_t{1} << (height % kTileBits);  // hashes of the tile
    const std::uint64_t first = k * count;
    const std::span<const Hash> hashes = tile(level, first / kTileWidth);
    return crypto::merkle_root(hashes.subspan(first % kTileWidth, count));
}

// The same from two nodes below, down to what a tile holds, so that each is computed once.
Hash TreeReader::cached_node(unsigned height, std::uint64_t k) {
    if (const auto known = cache_->find(height, k)) return *known;
    if (height % kTileBits == 0) {
        return tile(height / kTileBits, k / kTileWidth)[k % kTileWidth];
    }
    const Hash hash =
        crypto::merkle_node(cached_node(height - 1, 2 * k), cached_node(height - 1, 2 * k + 1));
    cache_->add(height, k, hash);
    return hash;
}

Bytes entry_bundle(const store::ReadView& view, std::uint64_t n, unsigned width) {
    Bytes bundle;
    bundle.reserve(width * (2 + kEntrySize));
    unsigned count = 0;
    AuditLog::read_encoded(view, n * kTileWidth, [&](std::uint64_t, ByteView entry) {
        ByteWriter{bundle}.be16(static_cast<std::uint16_t>(entry.size())).bytes(entry);
        return ++count < width;
    });
    if (count < width) corrupt();
    return bundle;
}

std::vector<TileRow> missing_tiles(const store::ReadView& view, std::uint64_t size,
                                   std::size_t count_max) {
    std::vector<TileRow> rows;
    // Level by level: a tile of an upper level is only made of tiles that are stored.
    std::uint64_t below = size;  // hashes there are for this level
    for (unsigned level = 0; level <= kTileLevelMax; ++level) {
        const std::uint64_t stored = stored_count(view, level);
        TreeReader tree{view, size};
        for (std::uint64_t n = stored; n < below / kTileWidth; ++n) {
            if (rows.size() == count_max) return rows;
            rows.push_back({tile_key(level, n), row_of(tree.tile(level, n))});
        }
        if (stored == 0) return rows;
        below = stored;
    }
    return rows;
}

bool verify_tiles(const store::ReadView& view, std::uint64_t size) {
    bool fits = true;
    std::vector<std::uint64_t> stored(kTileLevelMax + 1, 0);
    view.scan(Tables::kTiles, {}, {}, [&](ByteView key, ByteView value) {
        ByteReader in{key};
        const unsigned level = in.u8();
        const std::uint64_t n = in.be64();
        fits = in.finished() && value.size() == kRowSize && level <= kTileLevelMax &&
               n == stored[level]++ && tile_width(level, n, size) == kTileWidth;
        if (!fits) return false;
        // From the entries or the tiles below, never from the row itself.
        std::vector<Hash> hashes;
        if (level == 0) {
            AuditLog::read_encoded(view, n * kTileWidth, [&](std::uint64_t, ByteView entry) {
                hashes.push_back(crypto::merkle_leaf(entry));
                return hashes.size() < kTileWidth;
            });
        } else {
            for (unsigned i = 0; i < kTileWidth; ++i) {
                const auto row = find_row(view, level - 1, n * kTileWidth + i);
                hashes.push_back(row ? ByteReader{*row}.array<kHashSize>() : Hash{});
            }
        }
        fits = std::ranges::equal(row_of(hashes), value);
        return fits;
    });
    return fits;
}

}  // namespace oubliette::audit
