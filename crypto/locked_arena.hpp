#pragma once

#include "crypto/secret.hpp"

// Locked memory for key material that lives longer than one call: seeds, decoded pages, KEKs. One
// mapping, locked and checked (sodium_malloc does not check, and costs about 40 us and four pages
// a key), kept out of core dumps (MADV_DONTDUMP) and wiped in a forked child (MADV_WIPEONFORK).

namespace oubliette::crypto {

// A fixed number of equal slots. Thread-safe. Slots are zero when handed out and wiped when given
// back. Destroying the arena wipes and unlocks it.
class LockedArena {
public:
    // Throws std::runtime_error that names the remedy (RLIMIT_MEMLOCK) when the memory cannot be
    // had or cannot be locked. REQUIRES: slot_size is a multiple of 16; both > 0.
    LockedArena(std::size_t slot_size, std::size_t slot_count);
    LockedArena(const LockedArena&) = delete;
    LockedArena& operator=(const LockedArena&) = delete;
    ~LockedArena();

    // A free slot, or an empty span when all are taken. O(1).
    [[nodiscard]] ByteSpan take() noexcept;
    // REQUIRES: `slot` came from take() of this arena and was not given back since.
    void give_back(ByteSpan slot) noexcept;

    [[nodiscard]] std::size_t slot_size() const noexcept;
    [[nodiscard]] std::size_t slot_count() const noexcept;
    [[nodiscard]] std::size_t taken() const noexcept;

private:
    struct State;
    State* state_;
};

// True if this process may lock `bytes` more (RLIMIT_MEMLOCK or CAP_IPC_LOCK).
[[nodiscard]] bool can_lock(std::size_t bytes) noexcept;

}  // namespace oubliette::crypto
