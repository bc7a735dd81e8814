#pragma once

#include <optional>
#include <vector>

#include "crypto/kdf.hpp"
#include "tools/forensic/shapes.hpp"
#include "vault/keys/path.hpp"
#include "vault/people/records.hpp"

// The boxes in one row of people or clients, and which key of the tree each needs. Formats:
// vault/people/records.hpp, vault/people/boxes.hpp, vault/clients.hpp. Rows come from carving, so
// nothing about them is believed. Pure.

namespace oubliette::forensic {

// How the key of a box is made from the key of its leaf.
enum class Derivation : std::uint8_t {
    subkey,      // subkey `number` of the leaf
    value,       // K_val of the leaf, its retention day and its region
    value_index  // subkey `number` of that K_val
};

struct Box {
    ByteView bytes;
    ByteArray<34> data{};  // associated data
    Derivation derivation{};
    crypto::KdfContext context{};
    std::uint64_t number = 0;
};

struct RowPlace {
    std::optional<people::RowKind> kind;  // empty: a client
    keys::Path leaf;
    keys::Path day;     // of a value; else no bits
    keys::Path region;  // of a value in a region; else no bits
};

// nullopt if no vault can have written such a row: a number out of range or reserved.
[[nodiscard]] std::optional<RowPlace> place_of_person_row(const Row& row);
[[nodiscard]] std::optional<RowPlace> place_of_client_row(const Row& row);

// The bytes that tell versions of one thing from another thing under the same key.
[[nodiscard]] ByteView head_of(const Row& row, bool is_client) noexcept;

// REQUIRES: the row has a place.
[[nodiscard]] std::vector<Box> boxes_of_person_row(const Row& row);
[[nodiscard]] std::vector<Box> boxes_of_client_row(const Row& row);

// True if `key` opens `box`.
[[nodiscard]] bool opens(const Box& box, crypto::KeyView key);

}  // namespace oubliette::forensic
