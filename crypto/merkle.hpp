#pragma once

#include <optional>
#include <vector>

#include "crypto/hash.hpp"

// Merkle tree hashing of RFC 6962 section 2.1 (SHA-256; leaf prefix 0x00, node prefix 0x01).

namespace oubliette::crypto {

[[nodiscard]] Hash merkle_leaf(ByteView entry) noexcept;
[[nodiscard]] Hash merkle_node(const Hash& left, const Hash& right) noexcept;

// Root over leaf hashes; of none: SHA-256("").
[[nodiscard]] Hash merkle_root(std::span<const Hash> leaves);

// A tree that only grows, of which only one hash per set bit of its size is kept: the roots of its
// complete subtrees, largest first. Belongs to one thread.
struct MerkleFrontier {
    std::uint64_t size = 0;
    std::vector<Hash> peaks;

    void add(const Hash& leaf);
    [[nodiscard]] Hash root() const;
};

// Audit path of leaf `index`, lowest level first. REQUIRES: index < leaves.size().
[[nodiscard]] std::vector<Hash> merkle_inclusion_proof(std::span<const Hash> leaves,
                                                       std::size_t index);

// RFC 9162 2.1.3.2. False for every malformed input.
[[nodiscard]] bool verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size,
                                    std::span<const Hash> proof, const Hash& root) noexcept;

// RFC 9162 2.1.4.2: the tree of `size2` extends that of `size1`. False for size1 == 0: everything
// extends the empty tree, so that there is nothing to verify. Equal sizes take an empty proof.
[[nodiscard]] bool verify_consistency(std::uint64_t size1, std::uint64_t size2,
                                      std::span<const Hash> proof, const Hash& root1,
                                      const Hash& root2) noexcept;

}  // namespace oubliette::crypto
