#pragma once

#include <string_view>

namespace oubliette::faults {

// The least that a policy needs: one field, one purpose, one consent. A vault is started for every
// image and every fault, and reading the example policy would be half of that time.
inline constexpr std::string_view kSmallPolicy = R"json({
"schema": "oubliette.policy/1",
"policy": {
  "id": "faults", "version": 1, "tenant": "overseas", "home_region": "cn",
  "published": "2022-08-10T00:00:00Z", "effective": "2022-08-24T00:00:00Z",
  "controller": {
    "name": "Example Overseas Trade Co.", "country": "CN", "contact": "privacy@example.invalid",
    "officer": "Head of Personal Information Protection",
    "complaints": "https://example.invalid/complaints"
  },
  "notice": {
    "url": "https://example.invalid/privacy",
    "sha256": "0000000000000000000000000000000000000000000000000000000000000000"
  },
  "changes": []
},
"regions": { "cn": { "countries": ["CN"] } },
"fields": {
  "username": {
    "category": "account", "type": "string", "identifier": "direct", "token": "pointer",
    "clause": "1.2(1)"
  }
},
"transforms": { "plain": { "kind": "plain" } },
"consents": { "policy": { "ask": "policy", "since": 1, "text": "I accept the privacy policy." } },
"purposes": {
  "own_account": {
    "clause": "1.2(1)", "basis": "contract", "needs": ["policy"], "fields": { "username": "plain" }
  },
  "subject_rights": {
    "clause": "5", "basis": "legal_obligation", "when_restricted": true, "request": true,
    "fields": { "username": "plain" }
  }
},
"recipients": {
  "web": { "kind": "internal", "country": "CN", "purposes": ["own_account"], "erase": true },
  "shop": { "kind": "internal", "country": "CN", "purposes": ["own_account"] },
  "privacy_office": { "kind": "internal", "country": "CN", "purposes": ["subject_rights"] }
},
"retention": [
  {
    "category": "account", "purpose": "*", "from": "account_closed", "keep": "P0D",
    "then": "delete"
  }
],
"orders": {},
"holds": {},
"requests": {
  "answer_within": "P15D", "extend": "P15D", "free_per_year": 2, "then": "fee_or_refuse",
  "cooling_off": "P3D", "repeat_window": "P30D",
  "proof": { "erasure": "two_factors", "access": "two_factors", "portability": "two_factors",
             "rectification": "one_factor", "withdraw": "session" },
  "refusals": ["identity_not_proved"], "appeal": "complaints",
  "backups": { "data_keep": "P90D" }, "records_keep": "P3Y"
},
"incident": {
  "authority_within": "PT72H", "tell_subject": ["email"], "public_if_unreachable_over": 0.05,
  "contents": ["what"]
},
"never_together": [],
"rechecks": { "re_consent_on": [], "notice_on": [] }
})json";

}  // namespace oubliette::faults
