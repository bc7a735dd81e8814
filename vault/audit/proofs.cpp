#include "vault/audit/proofs.hpp"

#include <bit>

#include "crypto/assert.hpp"

namespace oubliette::audit {
namespace {

using crypto::Hash;

// Entries [first, first + count) of a tree: what the recursions of RFC 6962 call D[a:b].
struct Range {
    std::uint64_t first = 0;
    std::uint64_t count = 0;

    // Splits at the largest power of two below `count`. REQUIRES: count >= 2.
    [[nodiscard]] Range left() const noexcept { return {first, std::bit_floor(count - 1)}; }
    [[nodiscard]] Range right() const noexcept {
        const std::uint64_t split = std::bit_floor(count - 1);
        return {first + split, count - split};
    }
};

// MTH. A range that the recursions reach begins at a multiple of the power of two above its count.
Hash hash_of(TreeReader& tree, Range range) {
    if (std::has_single_bit(range.count)) {
        const auto height = static_cast<unsigned>(std::countr_zero(range.count));
        return tree.node(height, range.first >> height);
    }
    return crypto::merkle_node(hash_of(tree, range.left()), hash_of(tree, range.right()));
}

// PATH(m, D[n]).
void add_path(TreeReader& tree, std::uint64_t index, Range range, std::vector<Hash>& proof) {
    if (range.count == 1) return;
    const bool is_left = index < range.right().first;
    add_path(tree, index, is_left ? range.left() : range.right(), proof);
    proof.push_back(hash_of(tree, is_left ? range.right() : range.left()));
}

// SUBPROOF(m, D[n], b): `old_end` is where the old tree ends; `is_known`: the verifier has the hash
// of the part of the old tree that is left.
void add_subproof(TreeReader& tree, std::uint64_t old_end, Range range, bool is_known,
                  std::vector<Hash>& proof) {
    if (old_end == range.first + range.count) {
        if (!is_known) proof.push_back(hash_of(tree, range));
        return;
    }
    const bool is_left = old_end <= range.right().first;
    add_subproof(tree, old_end, is_left ? range.left() : range.right(), is_left && is_known, proof);
    proof.push_back(hash_of(tree, is_left ? range.right() : range.left()));
}

}  // namespace

Hash root_of(const store::ReadView& view, std::uint64_t size) {
    if (size == 0) return crypto::merkle_root({});
    TreeReader tree{view, size};
    return hash_of(tree, {0, size});
}

std::vector<Hash> inclusion_proof(const store::ReadView& view, std::uint64_t index,
                                  std::uint64_t size, NodeCache* cache) {
    OBL_ASSERT(index < size);
    TreeReader tree{view, size, cache};
    std::vector<Hash> proof;
    add_path(tree, index, {0, size}, proof);
    return proof;
}

std::vector<Hash> consistency_proof(const store::ReadView& view, std::uint64_t old_size,
                                    std::uint64_t new_size) {
    OBL_ASSERT(old_size > 0 && old_size <= new_size);
    TreeReader tree{view, new_size};
    std::vector<Hash> proof;
    add_subproof(tree, old_size, {0, new_size}, true, proof);
    return proof;
}

}  // namespace oubliette::audit
