#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "vault/keys/ids.hpp"

// What the file system under a cell can promise (KEYS 3 finding 8): whether writing a block of a
// file overwrites the same physical block. Thread-safe.

namespace oubliette::keys {

// "ext4", "btrfs", or "file system 0x..." where the number has no name here.
[[nodiscard]] std::string file_system_name(int fd);

// Where the block [offset, offset + size) of the open file lies on its device, in bytes. nullopt if
// that is not one written, unshared, unencoded extent, or if the file system does not tell.
[[nodiscard]] std::optional<std::uint64_t> physical_block(int fd, std::uint64_t offset,
                                                          std::uint64_t size) noexcept;

// software: ext2, ext3, ext4 or xfs, and data does not pass through the journal. What FIEMAP says
// about the file's blocks is physical_block's answer.
[[nodiscard]] CellClass class_of_file_system(int fd) noexcept;

}  // namespace oubliette::keys
