#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "vault/clock.hpp"

// Moments as outsiders read them: RFC 3339 in UTC, whole seconds. Thread-safe.

namespace oubliette {

// "2026-11-22T18:00:00Z"
[[nodiscard]] std::string time_text(Timestamp time);
// nullopt unless `text` is the text of a moment from our epoch on.
[[nodiscard]] std::optional<Timestamp> parse_time_text(std::string_view text);

}  // namespace oubliette
