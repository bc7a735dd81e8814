#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "crypto/secret.hpp"
#include "vault/keys/ids.hpp"
#include "vault/result.hpp"

// `anchor.cell`: the only thing that is ever erased (KEYS 4.3). 131,072 bytes, fully written
// before first use; slot 0 is the 4,096 B block at 0, slot 1 the block at 65,536. One write changes
// one block, so a torn write loses one slot and never both. No checksum and no "current" mark: the
// live slot is the one whose anchor opens the root.
//
//   block := "OBLCELL1" | version:u8 = 1 | suite:u8 = 1 | slot:u8 | class:u8 | 0^4 | vault id 16 |
//            keeper id 16 | zero to 64 | box(cell key, structural, anchor 32 | sequence:u64 |
//            epoch:u64) 114 B | random to 4,096
//   cell key := subkey kCell of the KEK, context `cell`
//   associated data := "obl1" | 0x11 | vault id 16 | keeper id 16 | slot:u8 | class:u8
//
// Writes go with O_DIRECT | O_DSYNC in place; FIEMAP before and after must show the same unshared
// physical block, else the class is besteffort. Not thread-safe.

namespace oubliette::keys {

inline constexpr std::size_t kCellSize = 131'072;
inline constexpr std::size_t kCellBlockSize = 4'096;
inline constexpr unsigned kCellSlotCount = 2;

struct CellContent {
    crypto::Anchor anchor;
    std::uint64_t sequence = 0;
    std::uint64_t epoch = 0;
};

class Cell {
public:
    // Creates the file (0600) with every byte random, durably. `accept_besteffort` allows file
    // systems that cannot overwrite in place. Leaves no file behind when it throws.
    // Throws Fault{configuration} naming --cell-class besteffort, or because the file exists;
    // Fault{storage}, Fault{storage_full}.
    static void create(const std::filesystem::path& file, bool accept_besteffort);

    // Throws Fault{configuration} (missing), Fault{corrupt} (size, not a regular file),
    // Fault{storage}.
    explicit Cell(const std::filesystem::path& file, bool read_only = false);
    ~Cell();
    Cell(const Cell&) = delete;
    Cell& operator=(const Cell&) = delete;

    // Clear part of a block: whose cell this is. Not authenticated: read() is.
    struct Header {
        VaultId vault{};
        KeeperId keeper{};
        CellClass cell_class = CellClass::besteffort;
    };
    // nullopt for a block that is random or torn. REQUIRES (here and below): slot < kCellSlotCount.
    // Throws Fault{storage}.
    [[nodiscard]] std::optional<Header> header(unsigned slot) const;

    // nullopt if the block does not open with `kek`. It does not say why. Throws Fault{storage}.
    [[nodiscard]] std::optional<CellContent> read(unsigned slot, const crypto::Kek& kek) const;

    // Overwrites one block; durable when it returns. REQUIRES: not read-only.
    // Throws Fault{storage}; then the block may be the old one, the new one or torn.
    void write(unsigned slot, const Header& header, const crypto::Kek& kek,
               const CellContent& content);
    // Overwrites one block with random bytes, reads it back from the device and compares.
    // REQUIRES: not read-only. Throws Fault{storage}, also if what was read is not what was
    // written.
    void erase(unsigned slot);

    // True if both blocks still are where they were when the cell was opened, and unshared. Always
    // true for a besteffort cell. A false answer forbids acknowledging.
    [[nodiscard]] bool in_place() const;
    // What this file system allows now: software if in-place overwriting holds, else besteffort.
    [[nodiscard]] CellClass cell_class() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace oubliette::keys
