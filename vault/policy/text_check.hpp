#pragma once

#include <string_view>

// Checks of text that several value types share. Thread-safe.

namespace oubliette::policy {

// True if `text` is well-formed UTF-8 (no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

// True if there is no control character (C0, DEL, C1). REQUIRES: well-formed UTF-8; a piece that
// was cut inside a character gives no false alarm.
[[nodiscard]] bool has_no_control(std::string_view text) noexcept;

// The same, but line ends and tabs are allowed.
[[nodiscard]] bool has_no_control_but_lines(std::string_view text) noexcept;

}  // namespace oubliette::policy
