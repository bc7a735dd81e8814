#pragma once

#include <string_view>

namespace oubliette::api {

// The text of api/openapi.json, as built into this binary. Thread-safe.
[[nodiscard]] std::string_view openapi_document() noexcept;

// The text of api/policy.schema.json: JSON Schema 2020-12 of a policy document.
[[nodiscard]] std::string_view policy_schema() noexcept;

}  // namespace oubliette::api
