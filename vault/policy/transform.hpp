#pragma once

#include <cstdint>
#include <string_view>

#include "crypto/secret.hpp"
#include "vault/policy/document.hpp"
#include "vault/policy/value.hpp"
#include "vault/result.hpp"

// Transforms: what of a value a purpose gets to see. The names are those of ISO/IEC 20889; masking
// is not called anonymous. Thread-safe.

namespace oubliette::policy {

// Key of pseudonyms; the caller derives one per recipient or per tenant, as the rule's
// pseudonym_scope says. Equal normalised values of one field type get equal pseudonyms under one
// key, and nothing links pseudonyms of two keys.
using PseudonymKey = crypto::Key<struct PseudonymKeyTag>;

struct Transformed {
    ValueKind kind = ValueKind::text;
    crypto::SecretBytes value;  // as ValueKind says
};

// 1 (strictest: exists) to 5 (plain); mask and partial are equal. 0 is "the field is not shown".
[[nodiscard]] unsigned strictness_rank(TransformKind kind) noexcept;

// True if values of `type` can have that transform at all (a mail domain of a phone cannot).
[[nodiscard]] bool fits(const TransformRule& rule, FieldType type) noexcept;

// The value as `rule` shows it.
//   plain       as stored
//   exists      JSON true
//   pseudonym   keyed BLAKE2b of type and normalised value, base32 (RFC 4648, lower case, no
//               padding) or hex
//   generalise  the city, region or country of an address object; the year of a date, or the age
//               in years at `now` as a band, "30-39"; the first letters or digits
//   mask        all graphemes but the kept ones replaced; a value with no more graphemes than are
//               kept is masked whole, so that a mask never shows a whole value
//   partial     the domain of a mail address; the last four letters or digits of an account or
//               national id with more than twice as many; the calling code of a phone, "+86"
// REQUIRES: check_value(type, kind, value) passed when it was stored.
// Refuses: transform_unavailable (the value has no such part; the type does not fit).
[[nodiscard]] Result<Transformed> apply_transform(const TransformRule& rule, FieldType type,
                                                  ValueKind kind, std::string_view value,
                                                  const PseudonymKey& key, Timestamp now);

}  // namespace oubliette::policy
