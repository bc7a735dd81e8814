#pragma once

#include <vector>

#include "vault/policy/gate.hpp"
#include "vault/requests/request_record.hpp"

// What the policy's part `requests` asks of a request. Pure; thread-safe.

namespace oubliette {

// The level of proof for this type: the policy's, or else ours.
[[nodiscard]] ProofLevel proof_for(const policy::RequestRules& rules, RequestType type) noexcept;

// Erasing, objecting, withdrawing and pausing never cost anything (MISSION 5.4a).
[[nodiscard]] bool can_cost(RequestType type) noexcept;
// Done by the vault itself as soon as they are accepted: nothing to decide.
[[nodiscard]] bool is_act_of_the_person(RequestType type) noexcept;

[[nodiscard]] Timestamp answer_due(const policy::RequestRules& rules, Timestamp received) noexcept;
[[nodiscard]] Timestamp kept_until(const policy::RequestRules& rules, Timestamp ended) noexcept;

// The state of a request whose proof is enough. `others`: all requests of the person.
[[nodiscard]] RequestState state_when_proved(const policy::RequestRules& rules,
                                             const RequestRecord& record,
                                             const std::vector<RequestRecord>& others);

// True if this code may be used here, and needs a second person.
[[nodiscard]] bool may_refuse_with(const policy::RequestRules& rules, RefusalCode code) noexcept;
[[nodiscard]] bool needs_second_person(RefusalCode code) noexcept;

}  // namespace oubliette
