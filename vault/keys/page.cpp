#include "vault/keys/page.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <stdexcept>

#include "crypto/byte_io.hpp"
#include "crypto/ggm.hpp"

namespace oubliette::keys {

namespace {

constexpr unsigned kNodeCount = 128;  // heap numbering; 0 is not used
constexpr unsigned kLeafFirst = 64;
constexpr unsigned kTagCountMax = 127;
constexpr unsigned kTagCountMin = 3;  // SPLIT and its two halves
constexpr std::size_t kKeySize = 32;
constexpr Byte kNoTag = 0xFF;

// Room for the decoded pages of the key plane's cache and for the paths of several threads.
constexpr std::size_t kArenaSlots = 2'048;

constexpr unsigned depth_of(unsigned node) noexcept {
    return static_cast<unsigned>(std::bit_width(node)) - 1;
}

// The keys of a page belong to disjoint subtrees, so the first leaf of each is a free place for it.
constexpr unsigned leaf_of(unsigned node) noexcept {
    return (node << (kLevelBits - depth_of(node))) - kLeafFirst;
}

constexpr Byte byte_of(NodeTag tag) noexcept {
    return static_cast<Byte>(tag);
}

}  // namespace

struct Page::State {
    ByteArray<kNodeCount> tags;
    ByteArray<kLeafFirst * kKeySize> keys;
    ByteSpan slot;  // of the arena; empty if the state is on the heap

    static State* acquire();
    void release() noexcept;

    [[nodiscard]] bool is(unsigned node, NodeTag tag) const noexcept {
        return tags[node] == byte_of(tag);
    }
    std::span<Byte, kKeySize> key(unsigned node) noexcept {
        return std::span<Byte, kKeySize>{keys.data() + leaf_of(node) * kKeySize, kKeySize};
    }
    void set_key(unsigned node, crypto::KeyView from) noexcept {
        std::copy(from.begin(), from.end(), key(node).begin());
    }
    void clear(unsigned node) noexcept;

private:
    static crypto::LockedArena* arena();
};

crypto::LockedArena* Page::State::arena() {
    // Never destroyed: a page may outlive every static object.
    static crypto::LockedArena* const shared = []() -> crypto::LockedArena* {
        try {
            return std::make_unique<crypto::LockedArena>(sizeof(State), kArenaSlots).release();
        } catch (const std::runtime_error&) {
            return nullptr;  // no memory may be locked: pages are wiped, but can be swapped out
        }
    }();
    return shared;
}

Page::State* Page::State::acquire() {
    static_assert(sizeof(State) % 16 == 0 && alignof(State) <= 16);
    const ByteSpan slot = arena() != nullptr ? arena()->take() : ByteSpan{};
    State* const state = slot.empty() ? new State : new (slot.data()) State;
    state->tags.fill(kNoTag);
    state->slot = slot;
    return state;
}

void Page::State::release() noexcept {
    const ByteSpan home = slot;
    if (home.empty()) {
        crypto::wipe(tags);
        crypto::wipe(keys);
        delete this;
    } else {
        this->~State();
        arena()->give_back(home);
    }
}

// Forgets `node` and everything below it.
void Page::State::clear(unsigned node) noexcept {
    const unsigned depth = depth_of(node);
    for (unsigned first = node, count = 1; first < kNodeCount; first *= 2, count *= 2) {
        std::fill_n(tags.begin() + first, count, kNoTag);
    }
    crypto::wipe(
        ByteSpan{keys}.subspan(leaf_of(node) * kKeySize, kKeySize << (kLevelBits - depth)));
}

// ---- Identity ----------------------------------------------------------------------------------

PageId page_id(const Path& prefix) noexcept {
    const unsigned bits = prefix.bits();
    OBL_ASSERT(bits % kLevelBits == 0 && bits < kLevelCount * kLevelBits);
    PageId id{};
    id[0] = static_cast<Byte>(bits / kLevelBits);
    const unsigned high = bits > 64 ? bits - 64 : 0;
    if (high > 0) id[1] = static_cast<Byte>(prefix.slice(0, high));
    const std::uint64_t low = prefix.slice(high, bits - high);
    for (unsigned i = 0; i < 8; ++i) id[9 - i] = static_cast<Byte>(low >> (8 * i));
    return id;
}

bool is_page_id(ByteView id) noexcept {
    if (id.size() != std::tuple_size_v<PageId> || id[0] >= kLevelCount) return false;
    const unsigned spare = 72 - id[0] * kLevelBits;
    for (unsigned i = 0; i < spare; ++i) {
        if ((id[1 + i / 8] >> (7 - i % 8) & 1) != 0) return false;
    }
    return true;
}

Path prefix_of(const PageId& id) noexcept {
    OBL_ASSERT(is_page_id(id));
    const unsigned bits = id[0] * kLevelBits;
    std::uint64_t low = 0;
    for (unsigned i = 2; i < id.size(); ++i) low = low << 8 | id[i];
    return bits > 64 ? Path{}.child(id[1], bits - 64).child(low, 64) : Path{}.child(low, bits);
}

// ---- Life --------------------------------------------------------------------------------------

Page::Page(State* state) noexcept : state_(state) {}

Page::Page(Page&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

Page& Page::operator=(Page&& other) noexcept {
    if (this != &other) {
        if (state_ != nullptr) state_->release();
        state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
}

Page::~Page() {
    if (state_ != nullptr) state_->release();
}

Page Page::of_seed(crypto::KeyView seed) {
    Page page{State::acquire()};
    page.state_->tags[1] = byte_of(NodeTag::seed);
    page.state_->set_key(1, seed);
    return page;
}

// ---- Bytes -------------------------------------------------------------------------------------

namespace {

// Reads the tags in preorder and hands every node with its key (if it has one) to `accept`.
template <class Accept>
class Decoder {
public:
    Decoder(ByteView tags, unsigned count, ByteView keys, bool may_have_children, Accept accept)
        : tags_(tags),
          keys_(keys),
          count_(count),
          may_have_children_(may_have_children),
          accept_(accept) {}

    [[nodiscard]] bool read_all() {
        return read(1) && next_ == count_ && keys_.empty() && padding_is_zero();
    }

private:
    [[nodiscard]] NodeTag tag_at(unsigned i) const noexcept {
        return static_cast<NodeTag>(tags_[i / 4] >> (2 * (i % 4)) & 3);
    }
    [[nodiscard]] bool padding_is_zero() const noexcept {
        return count_ % 4 == 0 || tags_[count_ / 4] >> (2 * (count_ % 4)) == 0;
    }

    [[nodiscard]] bool read(unsigned node) {
        if (next_ == count_) return false;
        const NodeTag tag = tag_at(next_++);
        const bool lowest = node >= kLeafFirst;
        if (tag == NodeTag::split) {
            if (lowest) return false;
            accept_(node, tag, ByteView{});
            const unsigned left = next_;
            if (!read(2 * node)) return false;
            const unsigned right = next_;
            if (!read(2 * node + 1)) return false;
            // Two dead halves have one canonical form: a dead whole.
            return tag_at(left) != NodeTag::dead || tag_at(right) != NodeTag::dead;
        }
        if (tag == NodeTag::child && !(lowest && may_have_children_)) return false;
        const std::size_t size = tag == NodeTag::dead ? 0 : kKeySize;
        if (keys_.size() < size) return false;
        accept_(node, tag, keys_.first(size));
        keys_ = keys_.subspan(size);
        return true;
    }

    ByteView tags_;
    ByteView keys_;
    unsigned count_;
    bool may_have_children_;
    Accept accept_;
    unsigned next_ = 0;
};

}  // namespace

std::optional<Page> Page::decode(ByteView plaintext, unsigned level) {
    OBL_ASSERT(level < kLevelCount);
    ByteReader reader{plaintext};
    const unsigned count = reader.le16();
    if (count < kTagCountMin || count > kTagCountMax) return std::nullopt;
    const ByteView tags = reader.bytes((count + 3) / 4);
    if (!reader.ok()) return std::nullopt;

    Page page{State::acquire()};
    State& state = *page.state_;
    const auto accept = [&state](unsigned node, NodeTag tag, ByteView key) {
        state.tags[node] = byte_of(tag);
        if (!key.empty()) state.set_key(node, key.first<kKeySize>());
    };
    Decoder decoder{tags, count, reader.rest(), level + 1 < kLevelCount, accept};
    if (!decoder.read_all()) return std::nullopt;
    return page;
}

crypto::SecretBytes Page::encode() const {
    OBL_ASSERT(state_->is(1, NodeTag::split));
    ByteArray<kTagCountMax> preorder{};  // nodes
    ByteArray<kLevelBits + 2> waiting{};
    unsigned count = 0;
    unsigned key_count = 0;
    unsigned depth = 0;
    for (waiting[depth++] = 1; depth > 0;) {
        const Byte node = waiting[--depth];
        preorder[count++] = node;
        if (state_->is(node, NodeTag::split)) {
            waiting[depth++] = static_cast<Byte>(2 * node + 1);
            waiting[depth++] = static_cast<Byte>(2 * node);
        } else if (!state_->is(node, NodeTag::dead)) {
            ++key_count;
        }
    }

    const std::size_t tag_size = (count + 3U) / 4U;
    crypto::SecretBytes plaintext{2 + tag_size + key_count * kKeySize};
    const ByteSpan out = plaintext.expose_mut();
    out[0] = static_cast<Byte>(count);  // at most 127, so the high byte stays zero
    std::size_t key_at = 2 + tag_size;
    for (unsigned i = 0; i < count; ++i) {
        const unsigned node = preorder[i];
        Byte& packed = out[2 + i / 4];
        packed = static_cast<Byte>(packed | state_->tags[node] << (2 * (i % 4)));
        if (state_->is(node, NodeTag::seed) || state_->is(node, NodeTag::child)) {
            const auto key = state_->key(node);
            std::copy(key.begin(), key.end(), out.begin() + static_cast<std::ptrdiff_t>(key_at));
            key_at += kKeySize;
        }
    }
    return plaintext;
}

// ---- Nodes -------------------------------------------------------------------------------------

std::optional<NodeTag> Page::tag(unsigned node) const noexcept {
    OBL_ASSERT(node >= 1 && node < kNodeCount);
    const Byte tag = state_->tags[node];
    if (tag == kNoTag) return std::nullopt;
    return static_cast<NodeTag>(tag);
}

crypto::KeyView Page::key(unsigned node) const noexcept {
    OBL_ASSERT(tag(node) == NodeTag::seed || tag(node) == NodeTag::child);
    return state_->key(node);
}

bool Page::materialise(unsigned node) {
    OBL_ASSERT(node >= 1 && node < kNodeCount);
    for (unsigned up = depth_of(node); up > 0; --up) {
        const unsigned above = node >> up;
        if (state_->is(above, NodeTag::dead)) return false;
        if (!state_->is(above, NodeTag::seed)) continue;
        crypto::ggm_step(state_->key(above), state_->key(2 * above), state_->key(2 * above + 1));
        state_->tags[above] = byte_of(NodeTag::split);
        state_->tags[2 * above] = byte_of(NodeTag::seed);
        state_->tags[2 * above + 1] = byte_of(NodeTag::seed);
    }
    return !state_->is(node, NodeTag::dead);
}

void Page::set_dead(unsigned node) {
    OBL_ASSERT(tag(node).has_value());
    state_->clear(node);
    state_->tags[node] = byte_of(NodeTag::dead);
    for (; node > 1 && state_->is(node ^ 1U, NodeTag::dead); node /= 2) {
        state_->tags[node] = kNoTag;
        state_->tags[node ^ 1U] = kNoTag;
        state_->tags[node / 2] = byte_of(NodeTag::dead);
    }
}

void Page::set_seed(unsigned node, crypto::KeyView seed) {
    OBL_ASSERT(tag(node).has_value());
    state_->clear(node);
    state_->tags[node] = byte_of(NodeTag::seed);
    state_->set_key(node, seed);
}

void Page::set_child(unsigned node, crypto::KeyView page_key) {
    OBL_ASSERT(node >= kLeafFirst && tag(node).has_value());
    state_->tags[node] = byte_of(NodeTag::child);
    state_->set_key(node, page_key);
}

bool Page::all_dead() const noexcept {
    return state_->is(1, NodeTag::dead);
}

}  // namespace oubliette::keys
