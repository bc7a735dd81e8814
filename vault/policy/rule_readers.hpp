#pragma once

#include <string>

#include "vault/policy/document.hpp"
#include "vault/policy/policy_reader.hpp"

// One reader per kind of named rule. They check form only; references are the linter's.

namespace oubliette::policy {

[[nodiscard]] RegionRule read_region(ObjectReader& in, std::string name);
[[nodiscard]] FieldRule read_field(ObjectReader& in, std::string name);
[[nodiscard]] TransformRule read_transform(ObjectReader& in, std::string name);
[[nodiscard]] SlotRule read_slot(ObjectReader& in, std::string name);
[[nodiscard]] PurposeRule read_purpose(ObjectReader& in, std::string name);
[[nodiscard]] RecipientRule read_recipient(ObjectReader& in, std::string name);
[[nodiscard]] OrderRule read_order(ObjectReader& in, std::string name);
[[nodiscard]] HoldRule read_hold(ObjectReader& in, std::string name);
[[nodiscard]] RetentionRule read_retention(FindingSink& sink, const JsonNode& node,
                                           std::string pointer);

}  // namespace oubliette::policy
