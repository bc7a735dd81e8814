#pragma once

#include <string_view>

// The example policy, built into the binary for `oubliette demo` and the tests.

namespace oubliette::policy {

// The text of example_policy.json.
[[nodiscard]] std::string_view example_policy() noexcept;

}  // namespace oubliette::policy
