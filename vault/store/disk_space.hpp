#pragma once

#include <cstdint>

// Room on the disk behind a file, asked for before it is needed.

namespace oubliette::store {

// Makes the disk hold room for the bytes [from, to) of `file` (a descriptor open for writing)
// without changing its size or content. False when there is no room: the disk, the quota or
// RLIMIT_FSIZE is at its end. True also on a file system that cannot promise room but has some.
// Throws Fault{storage}.
[[nodiscard]] bool allocate_room(int file, std::uint64_t from, std::uint64_t to);

}  // namespace oubliette::store
