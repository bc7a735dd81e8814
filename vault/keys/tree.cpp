#include "vault/keys/tree.hpp"

#include <algorithm>

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/ggm.hpp"
#include "vault/keys/registry.hpp"
#include "vault/result.hpp"

namespace oubliette::keys {

namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kEpochSize = 8;
constexpr unsigned kLeafFirst = 64;  // heap number of a page's first child

// Wiped when it goes out of scope.
struct PlaintextBuffer {
    ByteArray<kPageSizeMax> bytes;
    ~PlaintextBuffer() { crypto::wipe(bytes); }
};

ByteArray<16> page_associated_data(const PageId& id) noexcept {
    ByteArray<16> data{'o', 'b', 'l', '1', static_cast<Byte>(RecordType::page), 0};
    std::copy(id.begin(), id.end(), data.begin() + 6);
    return data;
}

std::optional<Page> load(const crypto::PageKey& key, const Path& prefix, PageSource pages) {
    const PageId id = page_id(prefix);
    const std::optional<Bytes> record = pages(id);
    if (!record) return std::nullopt;
    return open_page(key, id, *record);
}

// The descendant of `seed` that the bits of `path` from `from` on lead to.
crypto::Seed descend(crypto::KeyView seed, const Path& path, unsigned from) {
    const unsigned first = std::min(path.bits() - from, 64U);
    crypto::Seed below = crypto::ggm_descend(seed, path.slice(from, first), first);
    const unsigned rest = path.bits() - from - first;
    if (rest == 0) return below;
    return crypto::ggm_descend(below.expose(), path.slice(from + first, rest), rest);
}

// Where the search for `path` ended inside one page.
struct Stop {
    unsigned node = 1;
    unsigned bits = 0;  // of the path that lead there
    NodeTag tag = NodeTag::split;
};

Stop search(const Page& page, unsigned page_bits, const Path& path) {
    Stop stop{1, page_bits, NodeTag::split};
    for (;;) {
        const auto tag = page.tag(stop.node);
        OBL_ASSERT(tag.has_value());
        stop.tag = *tag;
        if (stop.tag != NodeTag::split || stop.bits == path.bits()) return stop;
        stop.node = 2 * stop.node + (path.bit(stop.bits) ? 1 : 0);
        ++stop.bits;
    }
}

}  // namespace

// ---- Root slot ---------------------------------------------------------------------------------

ByteArray<33> RootSlot::encode() const noexcept {
    ByteArray<1 + kKeySize> out{};
    out[0] = static_cast<Byte>(tag);
    if (tag != NodeTag::dead) {
        const crypto::KeyView bytes = key.expose();
        std::copy(bytes.begin(), bytes.end(), out.begin() + 1);
    }
    return out;
}

std::optional<RootSlot> RootSlot::decode(ByteView encoded) {
    if (encoded.size() != 1 + kKeySize) return std::nullopt;
    const ByteView key = encoded.subspan(1);
    const auto tag = static_cast<NodeTag>(encoded[0]);
    switch (encoded[0]) {
    case static_cast<Byte>(NodeTag::dead):
        if (std::any_of(key.begin(), key.end(), [](Byte byte) { return byte != 0; })) {
            return std::nullopt;
        }
        break;
    case static_cast<Byte>(NodeTag::seed):
    case static_cast<Byte>(NodeTag::child): break;
    default: return std::nullopt;
    }
    return RootSlot{tag, crypto::PageKey{key.first<kKeySize>()}};
}

crypto::Hash root_hash(const RootSlot& root) noexcept {
    ByteArray<1 + kKeySize> slot = root.encode();
    const crypto::Hash hash = crypto::blake2b({bytes_of("oblroot\x01"), slot});
    crypto::wipe(slot);
    return hash;
}

// ---- Page records ------------------------------------------------------------------------------

std::optional<std::uint64_t> page_epoch(ByteView record) noexcept {
    ByteReader reader{record};
    const std::uint64_t epoch = reader.le64();
    if (!reader.ok()) return std::nullopt;
    return epoch;
}

std::optional<Page> open_page(const crypto::PageKey& key, const PageId& id, ByteView record) {
    constexpr std::size_t kOverhead =
        kEpochSize + crypto::box_overhead(crypto::Commitment::structural);
    if (!is_page_id(id) || record.size() < kOverhead) return std::nullopt;
    const std::size_t size = record.size() - kOverhead;
    if (size > kPageSizeMax) return std::nullopt;
    PlaintextBuffer buffer;
    const ByteSpan plaintext = ByteSpan{buffer.bytes}.first(size);
    if (!crypto::open_box_into(key.expose(), crypto::Commitment::structural,
                               record.subspan(kEpochSize), page_associated_data(id), plaintext)) {
        return std::nullopt;
    }
    return Page::decode(plaintext, id[0]);
}

Bytes seal_page(const crypto::PageKey& key, const PageId& id, std::uint64_t epoch,
                const Page& page) {
    const crypto::SecretBytes plaintext = page.encode();
    ByteArray<crypto::kBoxSaltSize> salt;
    crypto::random_bytes(salt);
    Bytes record;
    ByteWriter{record}.le64(epoch);
    record.resize(kEpochSize + plaintext.size() +
                  crypto::box_overhead(crypto::Commitment::structural));
    crypto::seal_box_into(key.expose(), crypto::Commitment::structural, salt, plaintext.expose(),
                          page_associated_data(id), ByteSpan{record}.subspan(kEpochSize));
    return record;
}

// ---- Reading -----------------------------------------------------------------------------------

Derived derive(const RootSlot& root, const Path& path, PageSource pages) {
    if (root.tag == NodeTag::dead) return {NodeState::dead, {}};
    if (root.tag == NodeTag::seed) return {NodeState::whole, descend(root.key.expose(), path, 0)};
    crypto::PageKey key = root.key.duplicate();
    for (unsigned bits = 0;;) {
        if (bits == path.bits()) return {NodeState::punctured, {}};
        const std::optional<Page> page = load(key, path.prefix(bits), pages);
        if (!page) return {NodeState::corrupt, {}};
        const Stop stop = search(*page, bits, path);
        switch (stop.tag) {
        case NodeTag::dead: return {NodeState::dead, {}};
        case NodeTag::split: return {NodeState::punctured, {}};
        case NodeTag::seed:
            return {NodeState::whole, descend(page->key(stop.node), path, stop.bits)};
        case NodeTag::child: break;
        }
        key = crypto::PageKey{page->key(stop.node)};
        bits = stop.bits;
    }
}

namespace {

// The tag of a page's child, that is of what covers it: DEAD and SEED above it count as its own.
NodeTag child_tag(const Page& page, unsigned child) {
    for (unsigned node = kLeafFirst + child;; node /= 2) {
        if (const auto tag = page.tag(node)) return *tag;
    }
}

std::uint32_t leaf_count(unsigned levels) {
    return std::uint32_t{1} << (kLevelBits * levels);
}

// The highest leaf with something dead in it below `prefix`, counted from the first leaf there;
// `levels` of pages lie between, at least one.
std::optional<std::uint32_t> highest_dead_leaf(const crypto::PageKey& key, const Path& prefix,
                                               unsigned levels, PageSource pages);

// The same inside child `child` of an open page, with `levels` pages further down.
std::optional<std::uint32_t> highest_dead_in_child(const Page& page, const Path& prefix,
                                                   unsigned child, unsigned levels,
                                                   PageSource pages) {
    const NodeTag tag = child_tag(page, child);
    if (tag == NodeTag::seed) return std::nullopt;
    if (tag == NodeTag::dead || levels == 0) return leaf_count(levels) - 1;
    const crypto::PageKey below{page.key(kLeafFirst + child)};
    return highest_dead_leaf(below, prefix.child(child, kLevelBits), levels, pages);
}

std::optional<std::uint32_t> highest_dead_leaf(const crypto::PageKey& key, const Path& prefix,
                                               unsigned levels, PageSource pages) {
    const std::optional<Page> page = load(key, prefix, pages);
    if (!page) throw Fault{FaultKind::corrupt, "a key tree page below a person does not open"};
    for (unsigned child = kLeafFirst; child-- > 0;) {
        if (const auto leaf = highest_dead_in_child(*page, prefix, child, levels - 1, pages)) {
            return child * leaf_count(levels - 1) + *leaf;
        }
    }
    return std::nullopt;
}

// What a person's slot holds (KEYS 4.2).
struct SlotItems {
    std::uint32_t first = 0;
    unsigned levels = 0;  // of pages below the slot
};

std::optional<SlotItems> items_of_slot(unsigned slot) {
    if (slot == 0 || slot == 58 || slot == 59) return std::nullopt;
    if (slot < 48) return SlotItems{kItemAreaStart[0] + slot - 1, 0};
    if (slot < 58) return SlotItems{kItemAreaStart[1] + (slot - 48) * leaf_count(1), 1};
    if (slot < 63) return SlotItems{kItemAreaStart[2] + (slot - 60) * leaf_count(2), 2};
    return SlotItems{kItemAreaStart[3], 3};
}

}  // namespace

std::optional<std::uint32_t> highest_dead_item(const RootSlot& root, const Path& person,
                                               PageSource pages) {
    OBL_ASSERT(person.bits() == kAddressBits);
    if (root.tag == NodeTag::dead) return kItemCountMax - 1;
    if (root.tag == NodeTag::seed) return std::nullopt;
    crypto::PageKey key = root.key.duplicate();
    for (unsigned bits = 0; bits < kAddressBits;) {
        const std::optional<Page> page = load(key, person.prefix(bits), pages);
        if (!page) throw Fault{FaultKind::corrupt, "a key tree page above a person does not open"};
        const Stop stop = search(*page, bits, person);
        if (stop.tag == NodeTag::dead) return kItemCountMax - 1;
        if (stop.tag == NodeTag::seed) return std::nullopt;
        key = crypto::PageKey{page->key(stop.node)};
        bits = stop.bits;
    }
    const std::optional<Page> page = load(key, person, pages);
    if (!page) throw Fault{FaultKind::corrupt, "the key tree page of a person does not open"};
    for (unsigned slot = kLeafFirst; slot-- > 0;) {
        const auto items = items_of_slot(slot);
        if (!items) continue;
        if (const auto last = highest_dead_in_child(*page, person, slot, items->levels, pages)) {
            return items->first + *last;
        }
    }
    return std::nullopt;
}

std::vector<Path> normalise(std::vector<Path> punctures) {
    std::sort(punctures.begin(), punctures.end());
    // A prefix sorts right before what it covers.
    const auto covered = [](const Path& kept, const Path& next) { return kept.is_prefix_of(next); };
    punctures.erase(std::unique(punctures.begin(), punctures.end(), covered), punctures.end());
    return punctures;
}

namespace {

enum class WalkResult : std::uint8_t { done, stopped, broken };

WalkResult walk_page(const crypto::PageKey& key, const Path& prefix, PageSource pages,
                     FunctionRef<bool(const PageId&, ByteView, const Page&)> visit) {
    const PageId id = page_id(prefix);
    const std::optional<Bytes> record = pages(id);
    if (!record) return WalkResult::broken;
    const std::optional<Page> page = open_page(key, id, *record);
    if (!page) return WalkResult::broken;
    if (!visit(id, *record, *page)) return WalkResult::stopped;
    for (unsigned child = 0; child < kLeafFirst; ++child) {
        if (page->tag(kLeafFirst + child) != NodeTag::child) continue;
        const crypto::PageKey below{page->key(kLeafFirst + child)};
        const WalkResult result = walk_page(below, prefix.child(child, kLevelBits), pages, visit);
        if (result != WalkResult::done) return result;
    }
    return WalkResult::done;
}

}  // namespace

bool walk(const RootSlot& root, PageSource pages,
          FunctionRef<bool(const PageId& id, ByteView record, const Page& page)> visit) {
    if (root.tag != NodeTag::child) return true;
    return walk_page(root.key, Path{}, pages, visit) != WalkResult::broken;
}

}  // namespace oubliette::keys
