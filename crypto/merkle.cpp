#include "crypto/merkle.hpp"

#include <bit>

#include "crypto/assert.hpp"

namespace oubliette::crypto {
namespace {

constexpr ByteArray<1> kLeafPrefix{0};
constexpr ByteArray<1> kNodePrefix{1};

// Where a tree of `size` >= 2 leaves splits: the largest power of two below `size`.
std::size_t split_of(std::size_t size) noexcept {
    return std::bit_floor(size - 1);
}

bool is_power_of_two(std::uint64_t value) noexcept {
    return std::has_single_bit(value);
}

}  // namespace

Hash merkle_leaf(ByteView entry) noexcept {
    return sha256({kLeafPrefix, entry});
}

Hash merkle_node(const Hash& left, const Hash& right) noexcept {
    return sha256({kNodePrefix, left, right});
}

Hash merkle_root(std::span<const Hash> leaves) {
    if (leaves.empty()) return sha256({});
    if (leaves.size() == 1) return leaves.front();
    const std::size_t split = split_of(leaves.size());
    return merkle_node(merkle_root(leaves.first(split)), merkle_root(leaves.subspan(split)));
}

void MerkleFrontier::add(const Hash& leaf) {
    Hash carry = leaf;
    for (std::uint64_t bits = size; (bits & 1) != 0; bits >>= 1) {
        carry = merkle_node(peaks.back(), carry);
        peaks.pop_back();
    }
    peaks.push_back(carry);
    ++size;
}

Hash MerkleFrontier::root() const {
    if (peaks.empty()) return merkle_root({});
    Hash root = peaks.back();
    for (std::size_t i = peaks.size() - 1; i-- > 0;) root = merkle_node(peaks[i], root);
    return root;
}

std::vector<Hash> merkle_inclusion_proof(std::span<const Hash> leaves, std::size_t index) {
    OBL_ASSERT(index < leaves.size());
    if (leaves.size() == 1) return {};
    const std::size_t split = split_of(leaves.size());
    const std::span<const Hash> left = leaves.first(split);
    const std::span<const Hash> right = leaves.subspan(split);
    std::vector<Hash> proof = index < split ? merkle_inclusion_proof(left, index)
                                            : merkle_inclusion_proof(right, index - split);
    proof.push_back(merkle_root(index < split ? right : left));
    return proof;
}

bool verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size,
                      std::span<const Hash> proof, const Hash& root) noexcept {
    if (index >= size) return false;
    std::uint64_t node = index;
    std::uint64_t last = size - 1;
    Hash hash = leaf;
    for (const Hash& sibling : proof) {
        if (last == 0) return false;  // longer than the tree is high
        if ((node & 1) != 0 || node == last) {
            hash = merkle_node(sibling, hash);
            // A last node without a sibling goes up unchanged until it is a right child.
            while ((node & 1) == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = merkle_node(hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && equal_constant_time(hash, root);
}

bool verify_consistency(std::uint64_t size1, std::uint64_t size2, std::span<const Hash> proof,
                        const Hash& root1, const Hash& root2) noexcept {
    // Every tree extends the empty one, so that such a proof proves nothing and is refused.
    if (size1 == 0 || size1 > size2) return false;
    if (size1 == size2) return proof.empty() && equal_constant_time(root1, root2);
    if (proof.empty()) return false;

    std::uint64_t node = size1 - 1;
    std::uint64_t last = size2 - 1;
    while ((node & 1) != 0) {
        node >>= 1;
        last >>= 1;
    }
    // A complete old tree is itself the first node of the proof, and is left out.
    const bool complete = is_power_of_two(size1);
    Hash hash1 = complete ? root1 : proof.front();
    Hash hash2 = hash1;
    for (const Hash& sibling : complete ? proof : proof.subspan(1)) {
        if (last == 0) return false;
        if ((node & 1) != 0 || node == last) {
            hash1 = merkle_node(sibling, hash1);
            hash2 = merkle_node(sibling, hash2);
            while ((node & 1) == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash2 = merkle_node(hash2, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && equal_constant_time(hash1, root1) && equal_constant_time(hash2, root2);
}

}  // namespace oubliette::crypto
