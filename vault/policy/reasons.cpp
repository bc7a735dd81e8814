#include "vault/policy/reasons.hpp"

#include <algorithm>

namespace oubliette::policy {
namespace {

std::string quoted(std::string_view name) {
    return name.empty() ? "it" : "\"" + std::string{name} + "\"";
}

std::string listed(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + quoted(name);
    return list;
}

struct Words {
    std::string reason;
    std::string remedy;
};

class Describer {
public:
    Describer(const Gate& gate, const DecisionCase& question)
        : gate_(gate),
          question_(question),
          purpose_(gate.document().find_purpose(question.purpose)),
          recipient_(gate.recipient_rule(question.recipient)),
          field_(gate.field_rule(question.field)) {}

    // Steps 2 to 6.
    [[nodiscard]] Words of_cell(Refusal refusal) const {
        switch (static_cast<unsigned>(refusal)) {
        case static_cast<unsigned>(Refusal::purpose_unknown):
            return {"this version of the policy has no purpose of that name",
                    "use a purpose of the policy, or publish a version that has it"};
        case static_cast<unsigned>(Refusal::purpose_not_allowed):
            return {"recipient " + recipient() + " does not have purpose " + purpose(),
                    "ask through a recipient that has it, or give it the purpose in a new version"};
        case static_cast<unsigned>(Refusal::recipient_suspended):
            return {"recipient " + recipient() + " is suspended",
                    "end the suspension: `oubliette recipient resume`"};
        case static_cast<unsigned>(Refusal::agreement_expired):
            return {"the agreement with recipient " + recipient() + " has ended",
                    "renew it and publish its new end"};
        case static_cast<unsigned>(Refusal::field_unknown):
            return {"this version of the policy has no field of that name",
                    "use a field of the policy"};
        case static_cast<unsigned>(Refusal::field_not_necessary):
            return {"field " + field() + " is not one that purpose " + purpose() +
                        " shows to recipient " + recipient(),
                    "ask for a field that is needed, or name it in the purpose and the recipient's "
                    "fields"};
        default:
            return {
                "the impact assessment of purpose " + purpose() +
                    " says high risk and is not approved",
                "two people of different roles must approve it: `oubliette assessment approve`"};
        }
    }

    // Steps 7 to 12.
    [[nodiscard]] Words of_person(Refusal refusal) const {
        switch (static_cast<unsigned>(refusal)) {
        case static_cast<unsigned>(Refusal::not_found):
            return {"nobody of that id is known, or no value of the field is stored",
                    "check the id; a person begins with a consent or a value"};
        case static_cast<unsigned>(Refusal::erased):
            return {"the keys were destroyed", "none: nobody can read this again"};
        case static_cast<unsigned>(Refusal::paused):
            return {"the person paused the use of the data", "only the person can resume it"};
        case static_cast<unsigned>(Refusal::cross_border_blocked):
            return {"recipient " + recipient() +
                        " is outside the person's home region and has no cross-border rule",
                    "publish a rule with consent, mechanism and assessment"};
        case static_cast<unsigned>(Refusal::cross_border_no_consent): return abroad();
        case static_cast<unsigned>(Refusal::consent_missing):
            return {"never granted or withdrawn: " + listed(missing(false)),
                    "ask the person and record the grant"};
        case static_cast<unsigned>(Refusal::consent_stale):
            return {"granted for an older meaning: " + listed(missing(true)),
                    "ask the person again under this version"};
        case static_cast<unsigned>(Refusal::consent_expired):
            return {"the grant's time is over: " + listed(expired()), "ask the person again"};
        case static_cast<unsigned>(Refusal::retention_ended):
            return {"category " + quoted(field_ == nullptr ? "" : field_->category) +
                        " is kept no longer for purpose " + purpose(),
                    "none for this value; the sweep destroys its key"};
        default:
            return {"the use of the person's data is restricted or held, and purpose " + purpose() +
                        " does not work on such data",
                    "use a purpose with \"when_restricted\", or end the restriction"};
        }
    }

    [[nodiscard]] Words of_order() const {
        return {"purpose " + purpose() + " rests on a disclosure order, and none covers this",
                "open an order and have it approved"};
    }

    // The purpose's clause, except where the field or the retention rule is the reason.
    [[nodiscard]] std::string clause(Refusal refusal) const {
        const bool is_field = refusal == Refusal::field_not_necessary && purpose_ == nullptr;
        if (is_field && field_ != nullptr) return field_->clause;
        return purpose_ == nullptr ? std::string{} : purpose_->clause;
    }

private:
    [[nodiscard]] std::string purpose() const { return quoted(question_.purpose); }
    [[nodiscard]] std::string recipient() const {
        return quoted(gate_.name_of(question_.recipient));
    }
    [[nodiscard]] std::string field() const { return quoted(gate_.name_of(question_.field)); }

    [[nodiscard]] bool is_live(const std::string& slot) const {
        const auto id = gate_.find_slot(slot);
        return id && gate_.live_grants(question_.subject).has(*id);
    }

    // All slots of the purpose for this person.
    [[nodiscard]] std::vector<std::string> needed() const {
        std::vector<std::string> slots;
        if (purpose_ == nullptr) return slots;
        slots = purpose_->needs;
        if (purpose_->objection) {
            slots.push_back(std::string{kObjectionPrefix} + purpose_->name);
            slots.emplace_back(kPromotionSwitch);
        }
        const bool is_minor = !is_live(std::string{kAdultSwitch}) ||
                              (question_.subject.flags & SubjectState::kMinor) != 0;
        if (purpose_->needs.empty() || !is_minor) return slots;
        for (const SlotRule& slot : gate_.document().slots) {
            if (slot.guardian) slots.push_back(slot.name);
        }
        return slots;
    }

    // Those without a live grant: stale ones, or ones never granted.
    [[nodiscard]] std::vector<std::string> missing(bool is_stale) const {
        std::vector<std::string> slots;
        for (const std::string& slot : needed()) {
            const auto id = gate_.find_slot(slot);
            const bool was_granted = id && question_.subject.granted.has(*id);
            if (!is_live(slot) && was_granted == is_stale) slots.push_back(slot);
        }
        return slots;
    }

    [[nodiscard]] std::vector<std::string> expired() const {
        std::vector<std::string> slots = needed();
        if (recipient_ != nullptr && recipient_->cross_border) {
            slots.push_back(recipient_->cross_border->consent);
        }
        std::erase_if(slots, [&](const std::string& slot) {
            const auto id = gate_.find_slot(slot);
            return !id || !question_.expired.has(*id);
        });
        return slots;
    }

    [[nodiscard]] Words abroad() const {
        if (!is_live(std::string{kAbroadSwitch})) {
            return {"the person closed all ways abroad (" + quoted(kAbroadSwitch) + ")",
                    "only the person can open them again"};
        }
        const bool has_rule = recipient_ != nullptr && recipient_->cross_border;
        return {"no live consent to the transfer abroad: " +
                    quoted(has_rule ? recipient_->cross_border->consent : ""),
                "tell the person what the slot's \"tells\" lists and record the grant"};
    }

    const Gate& gate_;
    const DecisionCase& question_;
    const PurposeRule* purpose_;
    const RecipientRule* recipient_;
    const FieldRule* field_;
};

}  // namespace

unsigned step_of(Refusal refusal) noexcept {
    switch (static_cast<unsigned>(refusal)) {
    case static_cast<unsigned>(Refusal::not_found):
    case static_cast<unsigned>(Refusal::token_used):
    case static_cast<unsigned>(Refusal::token_expired): return 1;
    case static_cast<unsigned>(Refusal::purpose_unknown): return 2;
    case static_cast<unsigned>(Refusal::purpose_not_allowed): return 3;
    case static_cast<unsigned>(Refusal::recipient_suspended):
    case static_cast<unsigned>(Refusal::agreement_expired): return 4;
    case static_cast<unsigned>(Refusal::field_not_necessary): return 5;
    case static_cast<unsigned>(Refusal::assessment_blocked): return 6;
    case static_cast<unsigned>(Refusal::erased):
    case static_cast<unsigned>(Refusal::paused):
    case static_cast<unsigned>(Refusal::restricted):
    case static_cast<unsigned>(Refusal::held): return 7;
    case static_cast<unsigned>(Refusal::cross_border_blocked):
    case static_cast<unsigned>(Refusal::cross_border_no_consent): return 8;
    case static_cast<unsigned>(Refusal::consent_missing):
    case static_cast<unsigned>(Refusal::consent_stale): return 9;
    case static_cast<unsigned>(Refusal::consent_expired): return 10;
    case static_cast<unsigned>(Refusal::order_required):
    case static_cast<unsigned>(Refusal::order_needs_approval):
    case static_cast<unsigned>(Refusal::order_scope):
    case static_cast<unsigned>(Refusal::order_expired): return 11;
    case static_cast<unsigned>(Refusal::retention_ended): return 12;
    case static_cast<unsigned>(Refusal::linkage):
    case static_cast<unsigned>(Refusal::export_limit):
    case static_cast<unsigned>(Refusal::subject_budget): return 13;
    default: return 0;
    }
}

FailedStep describe(const Gate& gate, const DecisionCase& question, Refusal refusal) {
    const Describer describer{gate, question};
    FailedStep failed;
    failed.step = step_of(refusal);
    failed.code = refusal;
    failed.clause = describer.clause(refusal);
    const bool is_of_cell =
        (failed.step >= 2 && failed.step <= 6) || refusal == Refusal::field_unknown;
    Words words = is_of_cell          ? describer.of_cell(refusal)
                  : failed.step == 11 ? describer.of_order()
                                      : describer.of_person(refusal);
    failed.reason = std::move(words.reason);
    failed.remedy = std::move(words.remedy);
    return failed;
}

}  // namespace oubliette::policy
