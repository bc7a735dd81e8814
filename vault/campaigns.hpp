#pragma once

#include <string_view>

#include "vault/vault.hpp"

// The end of a campaign (MISSION 1.2(3)): the anchor `campaign_ended` of everybody, without
// touching a row. It is a register of the keepers, so that no older copy of the data forgets it,
// and a campaign ends once: the next one asks another question, in another slot.
//
//   register campaign_end (tenant, slot, 0): Timestamp seconds

namespace oubliette {

class Campaigns {
public:
    explicit Campaigns(Core& core) noexcept : core_(core) {}

    // Ends it now, or tells when it ended. Acts on the next request. Refuses: role_denied
    // (privacy_officer, policy_admin), slot_unknown (also a slot that opens no data whose retention
    // counts from the end of a campaign).
    void end(const Caller& caller, std::string_view slot, Done<Timestamp> done);

private:
    Core& core_;
};

// ---- Internal to vault/.
// After a change of the policy in force, or of an end.
void refresh_campaign_ends(Core& core);

}  // namespace oubliette
