#include "vault/requests/request_rules.hpp"

#include <algorithm>

namespace oubliette {
namespace {

constexpr policy::CalendarDuration kYear{12, 0, 0};
constexpr policy::CalendarDuration kAnswerWithin{0, 15, 0};
constexpr policy::CalendarDuration kRecordsKeep{36, 0, 0};

ProofLevel default_proof(RequestType type) noexcept {
    switch (type) {
    case RequestType::access:
    case RequestType::portability:
    case RequestType::erasure:
    case RequestType::explain: return ProofLevel::two_factors;
    case RequestType::rectification:
    case RequestType::restriction:
    case RequestType::lift_restriction: return ProofLevel::one_factor;
    case RequestType::withdraw:
    case RequestType::pause:
    case RequestType::resume: return ProofLevel::session;
    case RequestType::objection: break;  // opting out needs no proof
    }
    return ProofLevel::none;
}

bool counts(const RequestRecord& record) noexcept {
    return record.state != RequestState::refused && record.state != RequestState::withdrawn &&
           record.state != RequestState::not_proved;
}

}  // namespace

ProofLevel proof_for(const policy::RequestRules& rules, RequestType type) noexcept {
    const auto rule = std::ranges::find(
        rules.proof, name_of(type), [](const auto& pair) { return std::string_view{pair.first}; });
    if (rule == rules.proof.end()) return default_proof(type);
    // A word that is not known asks for the most.
    return find_proof_level(rule->second).value_or(ProofLevel::two_factors);
}

bool can_cost(RequestType type) noexcept {
    return type == RequestType::access || type == RequestType::portability ||
           type == RequestType::rectification || type == RequestType::explain;
}

bool is_act_of_the_person(RequestType type) noexcept {
    return type == RequestType::objection || type == RequestType::withdraw ||
           type == RequestType::pause || type == RequestType::resume ||
           type == RequestType::restriction;
}

Timestamp answer_due(const policy::RequestRules& rules, Timestamp received) noexcept {
    return policy::plus(received, rules.answer_within.value_or(kAnswerWithin));
}

Timestamp kept_until(const policy::RequestRules& rules, Timestamp ended) noexcept {
    return policy::plus(ended, rules.records_keep.value_or(kRecordsKeep));
}

RequestState state_when_proved(const policy::RequestRules& rules, const RequestRecord& record,
                               const std::vector<RequestRecord>& others) {
    std::size_t this_year = 0;
    bool was_refused = false;
    for (const RequestRecord& other : others) {
        if (other.id == record.id || other.type != record.type) continue;
        const bool is_of_this_year = !policy::is_over(other.received, kYear, record.received);
        if (counts(other) && is_of_this_year) ++this_year;
        const bool is_recent = rules.repeat_window &&
                               !policy::is_over(other.ended, *rules.repeat_window, record.received);
        if (other.state == RequestState::refused && is_recent) was_refused = true;
    }
    const bool has_limit = !rules.then.empty();
    if (has_limit && can_cost(record.type) && this_year >= rules.free_per_year) {
        return RequestState::fee_or_refuse;
    }
    return was_refused ? RequestState::review : RequestState::accepted;
}

bool may_refuse_with(const policy::RequestRules& rules, RefusalCode code) noexcept {
    return std::ranges::find(rules.refusals, name_of(code)) != rules.refusals.end();
}

bool needs_second_person(RefusalCode code) noexcept {
    return code == RefusalCode::deceptive || code == RefusalCode::harms_others;
}

}  // namespace oubliette
