#pragma once

#include <map>
#include <vector>

#include "vault/core.hpp"

// Values whose end was not known when they were written: it comes with an event of the person's
// (account closed, no activity for years), or a newer policy moved it. They are found by reading
// people in order, a slice at a time, and lose their item keys. Internal to vault/.

namespace oubliette {

inline constexpr std::size_t kPeopleInSlice = 4'096;

struct EndedSlice {
    std::vector<keys::SubjectNumber> due;             // people with values that have ended
    std::map<std::uint16_t, std::uint64_t> by_class;  // retention class -> those values
    std::size_t people = 0;
    keys::SubjectNumber next;  // where the next slice begins
    bool is_last = false;
};

// The people from `from` on, at most kPeopleInSlice of them; `until` is the time that counts as
// now. What does not open is left out: it is no reason to stop.
[[nodiscard]] EndedSlice find_ended(const Core& core, const policy::Gate& gate,
                                    keys::SubjectNumber from, Timestamp until);

// Destroys all ended values of these people, in groups of bounded size; returns when keepers know.
// Decides again inside each transaction. REQUIRES: not on the committer's or the plane's thread.
// Throws Fault: storage; what was committed runs all the same.
void destroy_ended(Core& core, const std::vector<keys::SubjectNumber>& due, Timestamp until);

}  // namespace oubliette
