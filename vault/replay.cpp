#include "vault/replay.hpp"

#include "vault/policy/transform.hpp"

namespace oubliette {
namespace {

constexpr unsigned kStepMax = 13;

bool has_step(const audit::Entry& entry, unsigned step) noexcept {
    return (entry.failed_steps >> (step - 1) & 1U) != 0;
}

// Writes are decided without steps 7, 11 and 12 (the write gate of API 2).
bool is_write(audit::Action action) noexcept {
    return action == audit::Action::put || action == audit::Action::tokenize;
}

class Replaying {
public:
    Replaying(const policy::Gate& gate, std::uint64_t index, const audit::Entry& entry)
        : gate_(gate),
          entry_(entry),
          purpose_(gate.purpose_rule(static_cast<policy::PurposeId>(entry.purpose))),
          recipient_(gate.recipient_rule(static_cast<policy::RecipientId>(entry.recipient))),
          field_(gate.field_rule(static_cast<policy::FieldId>(entry.field))) {
        replay_.index = index;
        replay_.entry = entry;
        if (purpose_ != nullptr) replay_.purpose = purpose_->name;
        if (recipient_ != nullptr) replay_.recipient = recipient_->name;
        if (field_ != nullptr) replay_.field = field_->name;
    }

    Replay run() {
        // Refused before any step: a wrong value, an unknown slot or transform. Nothing of the
        // policy decides these again.
        const bool is_outside = entry_.refusal && policy::step_of(*entry_.refusal) == 0;
        replay_cell();
        for (unsigned step = 7; step <= kStepMax; ++step) take_word(step, can_refuse(step));
        replay_.replayed = is_outside && !first_ ? entry_.refusal : first_;
        compare();
        return std::move(replay_);
    }

private:
    // Steps 1 to 6.
    void replay_cell() {
        take_word(1, true);
        policy::DecisionCase question;
        question.recipient = static_cast<policy::RecipientId>(entry_.recipient);
        question.purpose = replay_.purpose;
        question.field = static_cast<policy::FieldId>(entry_.field);
        question.now = entry_.time;
        question.has_person = false;
        const auto refusals = gate_.explain(question);
        for (unsigned step = 2; step <= 6; ++step) {
            std::optional<Refusal> refusal;
            for (const Refusal one : refusals) {
                if (policy::step_of(one) == step && !refusal) refusal = one;
            }
            // A field that no version knew, or none at all, was refused as FIELD_UNKNOWN.
            if (refusal == Refusal::field_not_necessary && entry_.field == 0) refusal.reset();
            const bool by_operator = !refusal && has_step(entry_, step) && (step == 4 || step == 6);
            if (by_operator) {
                take_word(step, true);
            } else {
                // A token that does not open is refused before it has a field.
                add(step, ReplaySource::policy, refusal);
            }
        }
    }

    // A step whose facts are not in the log.
    void take_word(unsigned step, bool is_possible) {
        if (!has_step(entry_, step)) return;
        if (!is_possible) {
            replay_.difference = "step " + std::to_string(step) +
                                 " refused, but this version gives it nothing to refuse";
            return;
        }
        const bool is_first = entry_.refusal && policy::step_of(*entry_.refusal) == step;
        add(step, ReplaySource::record, is_first ? entry_.refusal : std::nullopt);
        if (!is_first) replay_.steps.back().is_refused = true;
    }

    void add(unsigned step, ReplaySource source, std::optional<Refusal> refusal) {
        replay_.steps.push_back({step, source, refusal.has_value()});
        if (refusal && !first_) first_ = refusal;
    }

    // Whether the version of the entry has a rule by which this step can refuse this question.
    [[nodiscard]] bool can_refuse(unsigned step) const {
        if (purpose_ == nullptr || recipient_ == nullptr) return step == 7;
        switch (step) {
        case 8: return true;  // the person's home region may be anywhere
        case 9: return !purpose_->needs.empty() || purpose_->objection;
        case 10: return can_expire();
        case 11: return purpose_->basis == policy::Basis::order && !is_write(entry_.action);
        case 12: return field_ != nullptr && has_end();
        default: return true;  // 7 and 13
        }
    }

    [[nodiscard]] bool can_expire() const {
        const auto expires = [&](const std::string& name) {
            const policy::SlotRule* const slot = gate_.document().find_slot(name);
            return slot != nullptr && slot->expires.has_value();
        };
        if (recipient_->cross_border && expires(recipient_->cross_border->consent)) return true;
        for (const std::string& need : purpose_->needs) {
            if (expires(need)) return true;
        }
        for (const policy::SlotRule& slot : gate_.document().slots) {
            if (slot.guardian && slot.expires) return true;
        }
        return false;
    }

    [[nodiscard]] bool has_end() const {
        for (const policy::RetentionRule& rule : gate_.document().retention) {
            if (rule.category == field_->category) return true;
        }
        return false;
    }

    void compare() {
        if (!replay_.difference.empty()) return;
        if (!is_first_lowest()) {
            replay_.difference = "its answer is not that of the first step it names";
            return;
        }
        if (replay_.replayed != entry_.refusal) {
            replay_.difference = "the policy of that time answers otherwise";
            return;
        }
        std::uint16_t bits = 0;
        for (const ReplayedStep& step : replay_.steps) {
            if (step.is_refused) bits |= static_cast<std::uint16_t>(1U << (step.step - 1));
        }
        // Only the first step is known where the token or the purpose stopped everything.
        const bool is_stopped = first_ && policy::step_of(*first_) <= 3;
        if (bits != entry_.failed_steps && !is_stopped) {
            replay_.difference = "other steps refuse than the entry says";
        } else if (!is_transform_possible()) {
            replay_.difference = "more was shown than that version allows";
        }
        replay_.is_same = replay_.difference.empty();
    }

    [[nodiscard]] bool is_first_lowest() const {
        const unsigned first = entry_.refusal ? policy::step_of(*entry_.refusal) : 0;
        const std::uint16_t lowest =
            first == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(1U << (first - 1));
        const auto bits = static_cast<unsigned>(entry_.failed_steps);
        return (bits & (~bits + 1)) == lowest;
    }

    // A caller's `want` can only make it stricter.
    [[nodiscard]] bool is_transform_possible() const {
        if (entry_.refusal || entry_.transform == 0) return true;
        const auto cell = gate_.resolve(static_cast<policy::RecipientId>(entry_.recipient),
                                        replay_.purpose, entry_.time);
        if (!cell) return false;
        const auto shown =
            gate_.field(*cell, static_cast<policy::FieldId>(entry_.field), std::nullopt);
        if (!shown) return false;
        const auto rank = policy::strictness_rank(gate_.transform_rule(*shown).kind);
        return entry_.transform <= static_cast<std::uint8_t>(rank);
    }

    const policy::Gate& gate_;
    const audit::Entry& entry_;
    const policy::PurposeRule* purpose_;
    const policy::RecipientRule* recipient_;
    const policy::FieldRule* field_;
    std::optional<Refusal> first_;
    Replay replay_;
};

}  // namespace

bool is_decision(audit::Action action) noexcept {
    switch (static_cast<unsigned>(action)) {
    case static_cast<unsigned>(audit::Action::put):
    case static_cast<unsigned>(audit::Action::tokenize):
    case static_cast<unsigned>(audit::Action::detokenize):
    case static_cast<unsigned>(audit::Action::read):
    case static_cast<unsigned>(audit::Action::search):
    case static_cast<unsigned>(audit::Action::match):
    case static_cast<unsigned>(audit::Action::decide): return true;
    default: return false;
    }
}

Replay replay_entry(const policy::Gate& gate, std::uint64_t index, const audit::Entry& entry) {
    return Replaying{gate, index, entry}.run();
}

}  // namespace oubliette
