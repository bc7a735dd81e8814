#include "vault/campaigns.hpp"

#include <algorithm>

#include "vault/core.hpp"

namespace oubliette {
namespace {

keys::RegisterKey register_of(const Core& core, policy::SlotId slot) {
    return {keys::RegisterKind::campaign_end, core.tenant, static_cast<std::uint16_t>(slot), 0};
}

bool ends_with_campaign(const policy::Document& document, std::string_view field) {
    const policy::FieldRule* const rule = document.find_field(field);
    return rule != nullptr && std::ranges::any_of(document.retention, [rule](const auto& keep) {
               return keep.category == rule->category &&
                      keep.from == policy::RetentionAnchor::campaign_ended;
           });
}

// Slots that were asked for a purpose which uses campaign data.
policy::SlotMask campaign_slots(const policy::Gate& gate) {
    policy::SlotMask slots;
    for (const policy::PurposeRule& purpose : gate.document().purposes) {
        const bool uses = std::ranges::any_of(purpose.fields, [&gate](const auto& field) {
            return ends_with_campaign(gate.document(), field.first);
        });
        if (!uses) continue;
        for (const std::string& need : purpose.needs) {
            const auto slot = gate.find_slot(need);
            const bool is_asked = slot && gate.slot_rule(*slot)->ask > policy::ConsentKind::policy;
            if (is_asked) slots.set(*slot);
        }
    }
    return slots;
}

}  // namespace

void refresh_campaign_ends(Core& core) {
    const auto gate = core.policies->current();
    if (!gate) return;
    auto ends = std::make_unique<people::CampaignEnds>();
    ends->campaigns = campaign_slots(*gate);
    for (std::uint16_t number = 0; number < keys::kMarkerNotPaused; ++number) {
        const policy::SlotId slot{number};
        const std::uint64_t end = core.plane->read_register(register_of(core, slot));
        if (end != 0) ends->ended.emplace_back(slot, Timestamp{static_cast<std::uint32_t>(end)});
    }
    // Nothing ever ended: people's rows are read as they are.
    if (ends->ended.empty()) return;
    core.people->set_campaign_ends(std::move(ends));
}

void Campaigns::end(const Caller& caller, std::string_view slot, Done<Timestamp> done) {
    const auto result = std::make_shared<Result<Timestamp>>(Refusal::slot_unknown);
    core_.submit(
        [this, caller, slot, result](Writing& writing) {
            const bool may_end =
                caller.has(Role::privacy_officer) || caller.has(Role::policy_admin);
            const auto id = writing.gate->find_slot(slot);
            const bool is_campaign = id && campaign_slots(*writing.gate).has(*id);
            PendingEntry pending;
            pending.entry.action = audit::Action::campaign_end;
            pending.entry.time = writing.now;
            pending.entry.actor = caller.client;
            pending.entry.policy_version = writing.gate->version();
            if (!may_end || !is_campaign) {
                *result = may_end ? Refusal::slot_unknown : Refusal::role_denied;
                pending.entry.refusal = result->error();
            } else {
                const auto key = register_of(core_, *id);
                const std::uint64_t before = core_.plane->read_register(key);
                // The keepers first: an end that the log knows and they do not could be lost.
                if (before == 0) core_.plane->raise_registers({{key, writing.now.seconds}});
                *result = before == 0 ? writing.now : Timestamp{static_cast<std::uint32_t>(before)};
                const auto number = static_cast<std::uint16_t>(*id);
                pending.entry.object[0] = static_cast<Byte>(number);
                pending.entry.object[1] = static_cast<Byte>(number >> 8);
                refresh_campaign_ends(core_);
            }
            writing.audit(pending);
        },
        [result, done = std::move(done)](const Fault* fault) { done(*result, fault); });
}

}  // namespace oubliette
