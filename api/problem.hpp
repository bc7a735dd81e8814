#pragma once

#include <span>
#include <string_view>

#include "api/exchange.hpp"
#include "api/request_head.hpp"
#include "vault/result.hpp"

// Every "no" on the wire: application/problem+json (RFC 9457). Here is the only switch from a
// Refusal to a status. All texts are fixed at compile time: an answer never repeats what was sent.
// Thread-safe.

namespace oubliette::api {

// One field of a refused PUT.
struct FieldProblem {
    std::string_view field;  // a name of the policy, never what the client sent
    Refusal code = Refusal::value_invalid;
};

[[nodiscard]] unsigned status_of(Refusal refusal) noexcept;
[[nodiscard]] unsigned status_of(FaultKind kind) noexcept;
// The code on the wire for a fault: "STORAGE_FULL", "INTEGRITY", "SEALED" ...
[[nodiscard]] std::string_view wire_name(FaultKind kind) noexcept;

// REQUIRES: `request_id` is the id of the exchange (safe characters only).
// `contact`: whom people may ask, from the policy in force; empty: left out.
[[nodiscard]] Response problem_response(Refusal refusal, std::string_view request_id,
                                        std::span<const FieldProblem> errors = {},
                                        std::string_view contact = {});
// With another `detail` than the code's own. REQUIRES: it is a fixed text of ours.
[[nodiscard]] Response problem_response(Refusal refusal, std::string_view request_id,
                                        std::string_view detail);
// With more members of type string. REQUIRES: names and values are ours, valid UTF-8.
[[nodiscard]] Response problem_response(
    Refusal refusal, std::string_view request_id,
    const std::vector<std::pair<std::string_view, std::string>>& members);
// `Fault::what()` stays here: it is for the log of the operator, not for the client.
[[nodiscard]] Response problem_response(FaultKind kind, std::string_view request_id);
[[nodiscard]] Response problem_response(HeadError error, std::string_view request_id);

// A request that did not come whole in its time: 408.
[[nodiscard]] Response timeout_response(std::string_view request_id);
// A handler that threw or dropped its exchange: 500, without an explanation.
[[nodiscard]] Response internal_error_response(std::string_view request_id);

}  // namespace oubliette::api
