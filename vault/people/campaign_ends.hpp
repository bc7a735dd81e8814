#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "vault/policy/gate.hpp"

// When campaigns ended (MISSION 1.2(3)), for everybody at once: nobody's row is rewritten, a
// person's state is completed when it is read. Immutable.

namespace oubliette::people {

struct CampaignEnds {
    policy::SlotMask campaigns;  // slots that open campaign data in the policy in force
    std::vector<std::pair<policy::SlotId, Timestamp>> ended;

    // The anchor `campaign_ended` of a person with these grants: the latest end of the campaigns
    // the person takes part in, or 0 while one of them goes on. Whoever takes part in none any
    // more has the latest end of all.
    [[nodiscard]] Timestamp end_for(const policy::SlotMask& granted) const noexcept {
        policy::SlotMask running{campaigns.low & granted.low, campaigns.high & granted.high};
        Timestamp of_all;
        Timestamp of_granted;
        for (const auto& [slot, end] : ended) {
            of_all = std::max(of_all, end);
            if (granted.has(slot)) of_granted = std::max(of_granted, end);
            running.clear(slot);
        }
        if ((running.low | running.high) != 0) return {};
        return of_granted.seconds != 0 ? of_granted : of_all;
    }
};

}  // namespace oubliette::people
