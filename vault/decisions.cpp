#include "vault/decisions.hpp"

#include "vault/disclosing.hpp"
#include "vault/orders.hpp"
#include "vault/replay.hpp"

namespace oubliette {
namespace {

// Steps 7 to 12 for one person, looked at as a read would.
class PersonFacts {
public:
    PersonFacts(Core& core, const store::ReadView& view, const policy::Gate& gate)
        : core_(core), view_(view), gate_(gate) {}

    // Fills `question`; the refusal if there is nobody to ask about.
    std::optional<Refusal> find(std::string_view subject, policy::DecisionCase& question) {
        const auto number = core_.find_number(view_, subject);
        if (!number) return number.error();
        number_ = *number;
        std::optional<crypto::SubKey> audit;
        const auto state = core_.people->load_state(view_, gate_, *number, audit);
        if (!state) return state.error();
        question.has_person = true;
        question.subject = *state;
        question.expired = core_.people->expired_slots(view_, *number, question.now);
        const auto value = core_.people->open_value(view_, *number, question.field, 0);
        if (value) {
            question.collected = value->value.collected;
        } else {
            no_value_ = value.error();
        }
        return std::nullopt;
    }

    [[nodiscard]] std::optional<keys::SubjectNumber> number() const { return number_; }
    // Why there is no value to show: not_found, retention_ended.
    [[nodiscard]] std::optional<Refusal> no_value() const { return no_value_; }

private:
    Core& core_;
    const store::ReadView& view_;
    const policy::Gate& gate_;
    std::optional<keys::SubjectNumber> number_;
    std::optional<Refusal> no_value_;
};

std::string transform_for(const policy::Gate& gate, const policy::DecisionCase& question) {
    const auto cell = gate.resolve(question.recipient, question.purpose, question.now);
    if (!cell) return {};
    const auto shown = gate.field(*cell, question.field, std::nullopt);
    return shown ? std::string{gate.name_of(*shown)} : std::string{};
}

PendingEntry entry_for(const Caller& caller, audit::Action action, Timestamp now) {
    PendingEntry pending;
    pending.entry.action = action;
    pending.entry.time = now;
    pending.entry.actor = caller.client;
    pending.entry.recipient = static_cast<std::uint16_t>(caller.recipient);
    return pending;
}

}  // namespace

std::shared_ptr<const policy::Gate> Decisions::gate_for(const ExplainRequest& request,
                                                        Timestamp now) const {
    if (request.version) return core_.policies->gate_of(*request.version);
    if (request.at && *request.at < now) return core_.policies->gate_at(*request.at);
    return core_.policies->current();
}

void Decisions::explain(const Caller& caller, const ExplainRequest& request,
                        Done<Explanation> done) {
    // An erasure is not final while a person's rows are looked at.
    auto ticket = std::make_shared<keys::KeyPlane::Gate>(*core_.plane);
    const Timestamp now = core_.now();
    const auto gate = gate_for(request, now);
    if (!gate) return done(Refusal::not_found, nullptr);
    policy::DecisionCase question;
    question.recipient = caller.recipient;
    if (!request.recipient.empty()) {
        const auto named = gate->find_recipient(request.recipient);
        if (!named) return done(Refusal::recipient_unknown, nullptr);
        question.recipient = *named;
    }
    const auto field = gate->find_field(request.field);
    const auto purpose = gate->find_purpose(request.purpose);
    question.purpose = request.purpose;
    question.field = field.value_or(policy::FieldId{});
    question.now = request.at.value_or(now);
    question.is_suspended = core_.standing.is_suspended(question.recipient);
    question.is_blocked = purpose && core_.standing.is_blocked(*purpose);
    question.has_person = false;

    Explanation explanation;
    explanation.policy_version = gate->version();
    explanation.recipient = gate->name_of(question.recipient);
    const auto view = core_.read_for_disclosure();
    PersonFacts facts{core_, *view, *gate};
    const auto nobody = field ? facts.find(request.subject, question) : std::nullopt;
    const auto add = [&](Refusal refusal) {
        explanation.steps.push_back(policy::describe(*gate, question, refusal));
    };
    std::uint16_t bits = 0;
    OrderUse order{core_, request.order};
    for (Refusal refusal : gate->explain(question)) {
        if (refusal == Refusal::order_required && facts.number()) {
            const auto refused = order.permit(*view, *facts.number(), question.field, question.now);
            if (!refused) continue;
            refusal = *refused;
        }
        bits |= failed_step_bit(refusal);
        const bool is_unknown = refusal == Refusal::field_not_necessary && !field;
        add(is_unknown ? Refusal::field_unknown : refusal);
    }
    if (nobody) add(*nobody);
    const bool is_in_list =
        facts.no_value() == Refusal::retention_ended && question.collected.has_value();
    if (facts.no_value() && !is_in_list) add(*facts.no_value());
    if (explanation.steps.empty()) explanation.transform = transform_for(*gate, question);

    std::vector<DisclosureEntry> entries(1);
    PendingEntry& pending = entries.front().pending;
    pending = entry_for(caller, audit::Action::decide, now);
    pending.subject = facts.number();
    pending.entry.recipient = static_cast<std::uint16_t>(question.recipient);
    pending.entry.purpose = purpose ? static_cast<std::uint16_t>(*purpose) : std::uint16_t{0};
    pending.entry.policy_version = gate->version();
    pending.entry.field = static_cast<std::uint16_t>(question.field);
    if (!explanation.steps.empty()) {
        pending.entry.refusal = explanation.steps.front().code;
        for (const auto& step : explanation.steps) bits |= failed_step_bit(step.code);
        pending.entry.failed_steps = bits;
    }
    core_.audit_then(std::move(entries),
                     [ticket, explanation, done = std::move(done)](const Fault* fault) {
                         if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
                         done(explanation, nullptr);
                     });
}

void Decisions::replay(const Caller& caller, std::uint64_t index, Done<Replay> done) {
    std::optional<audit::Entry> entry;
    {
        const auto view = core_.read_for_disclosure();
        if (index < core_.log_size()) {
            audit::AuditLog::read(*view, index, [&](std::uint64_t, const audit::Entry& found) {
                entry = found;
                return false;
            });
        }
    }
    if (!entry) return done(Refusal::not_found, nullptr);
    const auto gate = core_.policies->gate_of(entry->policy_version);
    if (!is_decision(entry->action) || !gate) return done(Refusal::wrong_state, nullptr);
    const auto answer = std::make_shared<Replay>(replay_entry(*gate, index, *entry));
    std::vector<DisclosureEntry> entries(1);
    entries.front().pending = entry_for(caller, audit::Action::replay, core_.now());
    entries.front().pending.entry.policy_version = gate->version();
    core_.audit_then(std::move(entries), [answer, done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
        done(*answer, nullptr);
    });
}

}  // namespace oubliette
