#pragma once

#include <vector>

#include "vault/audit/tiles.hpp"

// Proofs about the audit log from its tiles and, where there is no tile yet, its entries: about
// log2(size) hashes each, and one tile read per 256-fold of the log. RFC 6962 2.1.1 and 2.1.2, so
// that crypto/merkle.hpp and every other verifier of RFC 9162 takes them. They throw Fault{corrupt}
// like TreeReader. Belong to the thread of `view`.

namespace oubliette::audit {

// Root of the log when it had `size` entries. REQUIRES: size <= that of the log in `view`.
[[nodiscard]] crypto::Hash root_of(const store::ReadView& view, std::uint64_t size);

// Audit path of entry `index` in the tree of `size` entries, lowest level first.
// `cache` may be nullptr. REQUIRES: index < size <= that of the log in `view`.
[[nodiscard]] std::vector<crypto::Hash> inclusion_proof(const store::ReadView& view,
                                                        std::uint64_t index, std::uint64_t size,
                                                        NodeCache* cache = nullptr);

// That the tree of `new_size` extends the one of `old_size`; empty if they are equal.
// REQUIRES: 0 < old_size <= new_size <= size of the log in `view`.
[[nodiscard]] std::vector<crypto::Hash> consistency_proof(const store::ReadView& view,
                                                          std::uint64_t old_size,
                                                          std::uint64_t new_size);

}  // namespace oubliette::audit
