#pragma once

#include <optional>
#include <string_view>

#include "crypto/secret.hpp"

// JSON values of people: read as a stream of events, so that no tree of copies is left in memory.
// Thread-safe.

namespace oubliette::policy {

// True if `text` is exactly one JSON value other than null, in UTF-8, nesting at most
// kValueDepthMax.
[[nodiscard]] bool is_json_value(std::string_view text) noexcept;

// True if `text` is an address object: only "lines" (up to 16 strings), "city", "region",
// "postal_code" and "country" (strings), each at most once, strings of at most 1,024 bytes without
// control characters.
[[nodiscard]] bool is_address(std::string_view text) noexcept;

// The string of `part` ("city", ...) of an address object; nullopt if it has none or an empty one.
[[nodiscard]] std::optional<crypto::SecretBytes> find_address_part(std::string_view text,
                                                                   std::string_view part);

}  // namespace oubliette::policy
