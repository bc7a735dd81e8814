#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vault/keys/keeper.hpp"

// Brings keepers that were apart to one head (KEYS 6.2, 6.3). Not thread-safe: the caller is the
// only writer of the keepers meanwhile.

namespace oubliette::keys {

// What became of one keeper.
struct Reconciled {
    bool is_in_sync = false;  // at the head of the newest
    std::string note;         // empty, or one line for the operator
};

// The newest is the whole keeper with the highest (term, epoch). Then
//   same hash as the newest      nothing to do
//   on the newest's chain        it gets the pages of later epochs, or, if there are many or it
//                                refuses them, a full copy
//   not on that chain            a fork, or a keeper put back from a copy: the newest's plane is
//                                punctured by everything that is dead in it, its requests are
//                                taken over, and it gets a full copy
//   not whole                    a full copy
// What keepers remember beside the tree is merged (registers by max, pending by union) and written
// to all. A keeper that fails is left out with a note; *newest is the index of the newest.
// REQUIRES: at least one keeper is whole. Throws Fault when the newest itself fails.
[[nodiscard]] std::vector<Reconciled> reconcile(const std::vector<std::shared_ptr<Keeper>>& keepers,
                                                std::size_t* newest);

// A group as one keeper is asked for it: fills row, leaves and diff of an Advance that follows
// `head`. nullopt if it needs more than kDiffPagesMax pages. REQUIRES: addresses of requests are
// sorted; ids are distinct. Throws Fault{corrupt} when a page cannot be opened.
struct GroupOrder {
    const VaultId& vault;
    PlaneHead head;       // the group follows this
    std::uint64_t epoch;  // > head.epoch
    std::uint64_t term;
    const Members& members;
    const RootSlot& root;
};
[[nodiscard]] std::optional<Advance> prepare_group(const GroupOrder& order,
                                                   std::vector<Revocation> requests,
                                                   std::vector<Path> opens, PageSource pages);

}  // namespace oubliette::keys
