#include <algorithm>
#include <map>

#include "vault/erasing.hpp"
#include "vault/requests/request_acts.hpp"
#include "vault/tables.hpp"

// The dry run of a request: what it would destroy or show, and whom it would concern.

namespace oubliette {
namespace {

std::vector<Requests::PlannedCategory> categories_of(
    const policy::Gate& gate, const std::map<std::uint16_t, std::uint64_t>& values) {
    std::vector<Requests::PlannedCategory> categories;
    for (const auto& [retention_class, count] : values) {
        categories.push_back({gate.name_of(policy::RetentionClassId{retention_class}), count});
    }
    return categories;
}

void count_rows(const Core& core, const store::ReadView& view, keys::SubjectNumber number,
                Requests::Plan& plan) {
    std::map<std::uint16_t, std::uint64_t> values;
    std::map<std::uint16_t, std::uint64_t> held;
    const people::PersonPrefix prefix = people::person_prefix(core.tenant, number);
    view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        const auto kind = people::kind_of(key);
        if (kind == people::RowKind::marker) ++plan.consents;
        const auto header = people::Header::decode(row);
        if (kind != people::RowKind::value || !header) return true;
        // What a legal hold covers is in the hold bucket, and the erasure leaves it there.
        auto& counts = header->day == keys::kRetentionDayHold ? held : values;
        ++counts[header->retention_class];
        return true;
    });
    plan.categories = categories_of(*plan.gate, values);
    plan.held = categories_of(*plan.gate, held);
}

// Recipients that may hold tokens of something the person has.
void name_token_holders(Requests::Plan& plan) {
    const policy::Document& document = plan.gate->document();
    const auto has_category = [&plan](std::string_view category) {
        return std::ranges::find(plan.categories, category, &Requests::PlannedCategory::category) !=
               plan.categories.end();
    };
    for (const policy::RecipientRule& recipient : document.recipients) {
        const auto id = plan.gate->find_recipient(recipient.name);
        const bool may_hold = std::ranges::any_of(document.fields, [&](const auto& field) {
            const auto field_id = plan.gate->find_field(field.name);
            return has_category(field.category) && plan.gate->has_cell_with(*id, *field_id);
        });
        if (may_hold) plan.tokens_of.push_back(recipient.name);
    }
}

}  // namespace

Result<Requests::Plan> Requests::plan(const Caller& caller, const keys::RequestId& id) const {
    Plan plan;
    plan.gate = core_.policies->current();
    if (!plan.gate || !caller.has(Role::privacy_officer)) return Refusal::role_denied;
    const keys::KeyPlane::Gate ticket{*core_.plane};
    const auto view = core_.store->read();
    auto record = RequestTable{core_}.find(*view, id);
    if (!record) return Refusal::not_found;
    if (!record->is_open() || !record->subject) return Refusal::wrong_state;
    plan.record = std::move(*record);
    const keys::SubjectNumber number = *plan.record.subject;
    const auto fixed = core_.people->fixed_key(number);
    if (!fixed) return fixed.error();
    count_rows(core_, *view, number, plan);
    plan.recalls = planned_recalls(core_.people->told(*view, number, *fixed));
    if (plan.record.type == RequestType::erasure) name_token_holders(plan);
    return plan;
}

}  // namespace oubliette
