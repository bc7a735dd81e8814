#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/bytes.hpp"

// What a row could be, told from its bytes alone: a node of LMDB does not name its table. Formats:
// vault/people/records.hpp, vault/clients.hpp, vault/keys/keeper_rows.hpp. Pure.

namespace oubliette::forensic {

struct Row {
    ByteView key;
    ByteView value;
    bool is_indexed = false;  // a leaf page leads here; else it lies in free space or a torn page
};

enum class Shape : std::uint8_t {
    person,   // a row of table people
    client,   // a row of table clients
    page,     // a tree page
    root,     // a root record
    request,  // a piece of a request that was applied
    pending,  // a piece of a request that waits
    number,   // a register
    state,    // a state record
    banks,    // which banks an epoch opened
};
inline constexpr std::size_t kShapeCount = 9;
using ShapeMask = std::uint32_t;

inline constexpr std::size_t kRowKeySizeMax = 27;  // bytes; no row of ours has a longer key

// One bit for every shape that a row with this key can have: 0 for a key that is none of ours.
[[nodiscard]] ShapeMask shapes_of_key(ByteView key) noexcept;
// The same for the whole row. A row of ours always has its bit; chance adds one in 2^16 or less.
[[nodiscard]] ShapeMask shapes_of(ByteView key, ByteView value);

// True if `value` could be the value of a person's row or of a tree page, whatever its key was.
[[nodiscard]] bool may_be_sealed(ByteView value);

[[nodiscard]] constexpr bool has_shape(ShapeMask mask, Shape shape) noexcept {
    return (mask >> static_cast<unsigned>(shape) & 1U) != 0;
}

}  // namespace oubliette::forensic
