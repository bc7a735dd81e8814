#pragma once

#include <optional>
#include <span>
#include <vector>

#include "vault/keys/records.hpp"

// The member list as a value: who may be changed into what, and which of several keepers is to be
// believed. Pure functions, thread-safe. PLANE.md has the protocol around them.

namespace oubliette::keys {

[[nodiscard]] const Member* find_member(const Members& members, const KeeperId& id) noexcept;
// Counts for finality: joining or active.
[[nodiscard]] bool is_registered(const Members& members, const KeeperId& id) noexcept;
[[nodiscard]] std::size_t registered_count(const Members& members) noexcept;

// `members` with one more. REQUIRES: its id is not in it.
[[nodiscard]] Members with_joining(Members members, Member joining);
// `members` with every joining keeper of `ids` active.
[[nodiscard]] Members with_active(Members members, std::span<const KeeperId> ids);
// `members` with `id` expelled; nothing after `last_epoch` was sent to it. REQUIRES: it is in it.
[[nodiscard]] Members with_expelled(Members members, const KeeperId& id, std::uint64_t last_epoch);

// What a keeper lets a leader do to the list (k0): nobody leaves it, keys and classes stay, an
// expelled keeper stays expelled and an active one does not join again. In one step a new keeper
// can only be joining; over several (a catch-up) it may have gone further.
enum class Steps : std::uint8_t { one, several };
[[nodiscard]] bool permits_change(const Members& before, const Members& after,
                                  Steps steps) noexcept;

// ---- Which keeper is to be believed.

// A keeper that opened, and what it says.
struct Witness {
    KeeperId id{};
    PlaneHead head;
    Members members;
};
struct Verdict {
    std::size_t newest = 0;      // of the witnesses
    std::vector<bool> expelled;  // of the witnesses: may never take part again, whatever its epoch
};
// An expulsion is believed if whoever lists it was not expelled himself; among the rest the highest
// (term, epoch) is the newest, and whom it expelled is out too. nullopt: they all expelled each
// other. REQUIRES: not empty.
[[nodiscard]] std::optional<Verdict> judge(const std::vector<Witness>& witnesses);

}  // namespace oubliette::keys
