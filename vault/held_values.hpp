#pragma once

#include <set>

#include "vault/core.hpp"
#include "vault/exception_rows.hpp"
#include "vault/exception_table.hpp"

// What legal holds do to values: which ones are covered, how an erasure goes around them, and what
// becomes of them when a hold ends. Everything is decided inside the transaction that destroys, so
// that a hold placed before it always wins. Internal to vault/; writing functions run on the
// committer's thread.
//
// A hold lasts until it is released, or until the day floor has passed its review date: never by
// the clock alone, because its end destroys data.

namespace oubliette {

// The live holds on one person.
class HoldsOnPerson {
public:
    HoldsOnPerson(const Core& core, const store::ReadView& view, keys::SubjectNumber number);

    [[nodiscard]] bool are_none() const noexcept { return rows_.empty(); }
    // The hold that keeps such a value longest; nullptr if none does.
    [[nodiscard]] const HoldRow* covering(std::uint16_t field,
                                          std::uint16_t category) const noexcept;

private:
    std::vector<HoldRow> rows_;
};

// What an erasure must leave: the items of held values, and what to say of them.
struct KeptValues {
    std::set<std::uint32_t> items;
    std::vector<KeptCategory> categories;  // by name
    bool are_all = true;                   // no value of the person is destroyed
};
[[nodiscard]] KeptValues find_kept(const Writing& writing, keys::SubjectNumber number);

// Every key of the person but item 0 (the external id) and `items`, as the fewest subtrees.
[[nodiscard]] std::vector<keys::Path> keys_but(const keys::Path& person,
                                               const std::set<std::uint32_t>& items);

// Removes the rows of a person whose erasure waits, but what is held and what finds it.
[[nodiscard]] Core::RemoveRows rows_but_held(const Core& core, keys::SubjectNumber number);

// A hold becomes effective: what it covers goes into the hold bucket, and what is written from now
// on, too. REQUIRES: its link is there.
void take_into_hold(Writing& writing, keys::SubjectNumber number, const HoldRow& hold);

// What dies with a hold that has just ended (its row is stored, its link is gone).
struct EndOfHold {
    std::vector<keys::Path> items;          // values that only this hold kept
    std::optional<Core::Revoking> erasure;  // the erasure that waited for it, to the end
};
[[nodiscard]] EndOfHold settle_after_hold(Writing& writing, keys::SubjectNumber number);

// Held values that table expiry still names under the day they were on.
[[nodiscard]] std::vector<people::MovedValue> find_moved(const Core& core);

// Ends all holds on somebody who is erased as a whole: they keep nothing.
void drop_holds(Writing& writing, keys::SubjectNumber number);

}  // namespace oubliette
