#pragma once

#include <vector>

#include "tools/forensic/carve.hpp"
#include "vault/keys/records.hpp"
#include "vault/keys/seal_slots.hpp"

// From unseal secrets to root slots: every wrap with every secret, every cell block with every KEK,
// every root record with every anchor. The product's own readers pick what is current and stop at
// damage; these try everything that was found. Not thread-safe.

namespace oubliette::forensic {

struct FoundKek {
    crypto::Kek kek;
    keys::KeeperName name;  // whose seal.slots it was in
};

struct FoundAnchor {
    crypto::Anchor anchor;
    keys::KeeperName name;
    std::uint64_t epoch = 0;  // as the cell says
};

struct FoundRoot {
    keys::RootSlot slot;
    keys::KeeperName name;
    keys::PlaneHead head;
};

// True if `a` is of a later state of the key plane.
[[nodiscard]] bool is_newer(const FoundRoot& a, const FoundRoot& b) noexcept;

// What small files could be instead of what they are called: a key file has 64 hex digits or 32
// bytes. Whoever keeps it beside the data gives both away together.
[[nodiscard]] std::vector<keys::SealSecret> secrets_in(const std::vector<ByteView>& files);

// Each KEK once. Throws Fault{configuration} when there is no memory for a passphrase.
[[nodiscard]] std::vector<FoundKek> open_seals(const std::vector<ByteView>& seals,
                                               const std::vector<keys::SealSecret>& secrets);

// Each anchor once.
[[nodiscard]] std::vector<FoundAnchor> open_cells(const std::vector<ByteView>& cells,
                                                  const std::vector<FoundKek>& keks);

// Every record that opens, at most once. Those that do not are added to `closed`.
[[nodiscard]] std::vector<FoundRoot> open_roots(const std::vector<Row>& records,
                                                const std::vector<FoundAnchor>& anchors,
                                                std::vector<Row>& closed);

// The addresses of all requests that wait in some keeper, as far as their pieces are there.
[[nodiscard]] std::vector<keys::Path> open_pending(const std::vector<Row>& pieces,
                                                   const std::vector<FoundKek>& keks);

// How many registers, state records, applied requests and signing keys open: nothing personal, but
// secrets that an attacker is given.
[[nodiscard]] std::uint64_t count_keeper_boxes(const Finds& finds,
                                               const std::vector<FoundKek>& keks);

}  // namespace oubliette::forensic
