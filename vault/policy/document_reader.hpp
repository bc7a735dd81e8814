#pragma once

#include "vault/policy/document.hpp"
#include "vault/policy/json_places.hpp"
#include "vault/policy/policy_reader.hpp"

namespace oubliette::policy {

// Fills `document` from the tree of a policy document and reports what is wrong with its form. If
// anything is reported, `document` is not whole.
void read_document(FindingSink& sink, const JsonNode& node, Document& document);

}  // namespace oubliette::policy
