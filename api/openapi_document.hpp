#pragma once

#include <string_view>

namespace oubliette::api {

// The text of api/openapi.json, as built into this binary. Thread-safe.
[[nodiscard]] std::string_view openapi_document() noexcept;

}  // namespace oubliette::api
