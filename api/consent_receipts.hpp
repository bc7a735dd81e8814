#pragma once

#include <string_view>
#include <vector>

#include "api/json_writer.hpp"
#include "vault/vault.hpp"

// A person's consents as a receipt in the fields of ISO/IEC TS 27560, in the profile of the Data
// Privacy Vocabulary. What a consent allows is read from the policy in force.

namespace oubliette::api {

// {"profile":"...","records":[{"schema_version",...,"events":[...]}]}: granted consents only, for
// a withdrawn one leaves nothing behind.
void write_consent_receipt(JsonWriter& json, const policy::Document& document,
                           std::string_view subject, const std::vector<ConsentRecord>& records);

}  // namespace oubliette::api
