#pragma once

#include <string>

#include "vault/policy/gate.hpp"

// Why a step of MISSION 3.1 refuses, in words, for officers: the clause of the policy behind it,
// the reason with the policy's names, and what can be done. Never anything of a person but the
// state of consents. Pure.

namespace oubliette::policy {

struct FailedStep {
    unsigned step = 0;  // of MISSION 3.1; 0 = none of them
    Refusal code{};
    std::string clause;  // as the document names it, "1.3(4)"; empty if it names none
    std::string reason;
    std::string remedy;
};

// The step of MISSION 3.1 that refuses so; 0 if none does.
[[nodiscard]] unsigned step_of(Refusal refusal) noexcept;

// REQUIRES: `refusal` is one that `question` gets under `gate`.
[[nodiscard]] FailedStep describe(const Gate& gate, const DecisionCase& question, Refusal refusal);

}  // namespace oubliette::policy
