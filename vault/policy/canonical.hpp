#pragma once

#include <string>
#include <string_view>

#include "vault/policy/json_places.hpp"

// The canonical form of a JSON text (RFC 8785, JCS): one byte string for all spellings of the same
// data, so that a hash names a policy and not its line breaks. Not for values of people: nothing
// here is wiped. Thread-safe.

namespace oubliette::policy {

// Members ordered by their UTF-16 code units, no white space, numbers as ECMAScript writes doubles
// (integers beyond 2^53 lose digits, as the RFC says).
[[nodiscard]] std::string canonical_json(const JsonNode& root);

// The number as ECMAScript's Number::toString writes it. REQUIRES: finite.
[[nodiscard]] std::string canonical_number(double number);

}  // namespace oubliette::policy
