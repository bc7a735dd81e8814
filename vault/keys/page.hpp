#pragma once

#include <optional>

#include "crypto/locked_arena.hpp"
#include "crypto/secret.hpp"
#include "vault/keys/path.hpp"

// One page of the punctured key tree: 64 children as a binary GGM tree of depth 6 (KEYS 4.1).
//
//   page plaintext := count:u16 | tags | keys
//   tags: node i in preorder has its 2-bit tag at bits 2(i mod 4) of byte i/4; padding bits 0
//   keys: 32 B of each SEED and CHILD, in tag order
//   tag := DEAD 0 | SEED 1 (subtree not touched) | SPLIT 2 (two nodes follow) | CHILD 3 (depth 6
//          only: the key of the page below)
//   page record := epoch:u64 | box(page key, structural, page plaintext, page associated data)
//   page id := level:u8 | prefix, 9 B big-endian right-aligned
//   page associated data := "obl1" | 0x10 | plane:u8 = 0 | page id
//
// The shape depends only on which leaves are dead and which banks are open, never on the order.

namespace oubliette::keys {

inline constexpr std::size_t kPageSizeMax = 2'082;  // bytes of plaintext

using PageId = ByteArray<10>;

// The page whose 64 children extend `prefix`. REQUIRES: prefix.bits() is a multiple of 6, <= 72.
[[nodiscard]] PageId page_id(const Path& prefix) noexcept;
// True if `id` is what page_id() makes of some prefix: level <= 12, unused high bits zero.
[[nodiscard]] bool is_page_id(ByteView id) noexcept;
// REQUIRES: is_page_id(id).
[[nodiscard]] Path prefix_of(const PageId& id) noexcept;

enum class NodeTag : std::uint8_t { dead = 0, seed = 1, split = 2, child = 3 };

// A page in the clear. Holds keys: lives in wiped memory, in a locked arena of the process as long
// as that has room, move-only. Not thread-safe.
class Page {
public:
    // An untouched page: a lone SEED. Cannot be encoded (a lone node belongs to the parent).
    [[nodiscard]] static Page of_seed(crypto::KeyView seed);
    // nullopt unless `plaintext` is the one canonical encoding of a page at `level`: refuses a lone
    // DEAD or SEED, SPLIT(DEAD, DEAD), CHILD above depth 6 or at level 12, trailing bytes.
    [[nodiscard]] static std::optional<Page> decode(ByteView plaintext, unsigned level);
    [[nodiscard]] crypto::SecretBytes encode() const;

    Page(Page&&) noexcept;
    Page& operator=(Page&&) noexcept;
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;
    ~Page();

    // Nodes are numbered like a heap: 1 is the top, 2n and 2n+1 its children, depth 6 = 64..127.
    // A node below a SEED or a DEAD has no tag of its own (nullopt).
    [[nodiscard]] std::optional<NodeTag> tag(unsigned node) const noexcept;
    // REQUIRES: tag(node) is seed or child.
    [[nodiscard]] crypto::KeyView key(unsigned node) const noexcept;

    // Makes every node on the way to `node` explicit (a SEED above it is split by GGM steps).
    // False, and nothing has changed, if `node` or a node above it is DEAD.
    [[nodiscard]] bool materialise(unsigned node);
    // REQUIRES: materialise(node) returned true. set_dead folds SPLIT(DEAD, DEAD) upwards.
    void set_dead(unsigned node);
    void set_seed(unsigned node, crypto::KeyView seed);
    void set_child(unsigned node, crypto::KeyView page_key);

    [[nodiscard]] bool all_dead() const noexcept;

private:
    struct State;
    explicit Page(State* state) noexcept;
    State* state_;
};

}  // namespace oubliette::keys
