#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/policy/calendar.hpp"

// A policy document, parsed: one JSON document per tenant and version (MISSION 3), as plain data.
// parse_document() checks form and limits; lint.hpp checks meaning; gate.hpp compiles. Documents
// are not personal data, so findings may quote their names.
//
// All vectors keep the order of the document. Names are 1 to 64 characters of [A-Za-z0-9_-] and
// begin with a letter or digit. References are names, resolved by the linter and the gate.

namespace oubliette::policy {

// Limits (MISSION 3).
inline constexpr std::size_t kDocumentSizeMax = 1'048'576;  // bytes
inline constexpr std::size_t kDocumentDepthMax = 16;        // nested objects and arrays
inline constexpr std::size_t kFieldCountMax = 256;
inline constexpr std::size_t kPurposeCountMax = 256;
inline constexpr std::size_t kSlotCountMax = 126;  // asked, objection and switch slots together
inline constexpr std::size_t kRecipientCountMax = 1'024;
inline constexpr std::size_t kTransformCountMax = 254;
inline constexpr std::size_t kRegionCountMax = 256;
inline constexpr std::size_t kRetentionRuleCountMax = 4'096;
inline constexpr std::size_t kNameSizeMax = 64;  // bytes

// ---- Fields.
enum class FieldType : std::uint8_t {
    string = 1,
    name = 2,
    phone = 3,
    email = 4,
    url = 5,
    address = 6,
    enumeration = 7,  // "enum"
    account = 8,
    text = 9,
    json = 10,
    date = 11,
    national_id = 12,
    binary = 13,  // standard base64, as RFC 4648 section 4
};
enum class Identifier : std::uint8_t { none = 0, quasi = 1, direct = 2 };
// The numbers are in token rows: append only.
enum class TokenKind : std::uint8_t {
    pointer = 1,
    deterministic = 2,
    format = 3,
    one_time = 4,
    handle = 5,
    value = 6,  // equal values of a field have equal tokens
};
// What a token of kind `format` looks like (tokens/token_shape.hpp).
enum class TokenShape : std::uint8_t {
    card = 1,
    iban = 2,
    phone = 3,
    email = 4,
    national_id = 5,
    uuid = 6,
    digits = 7,
    alphabet = 8,
    account = 9,  // card or iban, as the value is
};
struct TokenFormat {
    TokenShape shape = TokenShape::uuid;
    std::uint16_t length = 0;    // digits, alphabet: characters
    std::uint8_t keep_last = 0;  // card, iban: 0 or 4 characters of the value
    bool luhn = true;            // card: the check digit is right; false: it is wrong
    std::string alphabet;        // alphabet: its different characters, printable ASCII
    std::string domain;          // email: behind the @
};
enum class SearchIndex : std::uint8_t { none = 0, blind_index = 1 };
// What becomes of the key of a replaced value: destroyed within the hour ("erase"), or only with
// the person's other keys ("with_person", for fields that are rewritten all day).
enum class Supersede : std::uint8_t { erase = 0, keep = 1 };

struct FieldRule {
    std::string name;
    std::string category;
    FieldType type = FieldType::string;
    Identifier identifier = Identifier::direct;
    TokenKind token = TokenKind::pointer;  // default kind of tokens of this field
    TokenFormat token_format;              // what its tokens of kind format look like
    bool optional = false;                 // for the notice: no write demands a field
    bool sensitive = false;                // PIPL 28: separate slot, never plain for promotion
    SearchIndex search = SearchIndex::none;
    bool owners_many = false;  // "owners": "many": co-owned, several values
    Supersede supersede = Supersede::erase;
    std::string subject_kind = "account";  // "subject": e.g. "cookie_id"
    // phone: ISO 3166 country of numbers that are written without one; the first country of the
    // home region if the field does not say ("phone_country")
    std::string phone_country;
    std::string clause;

    // True if each write adds a value instead of replacing the one there is (API 2).
    [[nodiscard]] bool many_values() const noexcept {
        return owners_many || type == FieldType::json;
    }
};

// ---- Consent slots. Ordered: a grant of a kind opens slots that ask for that kind or a weaker
// one.
enum class ConsentKind : std::uint8_t { policy = 1, express = 2, separate = 3 };

// True if a grant of kind `given` may be recorded for a slot that asks `asked`.
[[nodiscard]] constexpr bool is_strong_enough(ConsentKind given, ConsentKind asked) noexcept {
    return given >= asked;
}

struct SlotRule {
    std::string name;
    ConsentKind ask = ConsentKind::policy;
    std::uint16_t since = 1;                  // version in which its meaning last changed
    std::optional<CalendarDuration> expires;  // after the grant; nullopt = never
    std::vector<std::string> names;           // recipients that the question named
    std::vector<std::string> tells;           // what the person must have been told
    std::string text;                         // the question
    bool guardian = false;  // answered by a minor's guardian; a minor's consents need it too
    // A slot that starts granted: made for the purpose `objection_to` ("objection": true), and
    // called kObjectionPrefix + purpose. Withdrawing it is the objection. Empty for asked slots.
    std::string objection_to;
    bool is_switch = false;  // one of the person's own switches below; starts granted, too

    [[nodiscard]] bool starts_granted() const noexcept {
        return is_switch || !objection_to.empty();
    }
};

// No asked slot can have such a name: names of the document have no dot.
inline constexpr std::string_view kObjectionPrefix = "not_objected.";

// The person's own switches: slots that every policy has and that start granted. Withdrawing one
// closes what it names, whatever else was granted; it can open nothing. `adult` is withdrawn for a
// minor: then purposes that need a consent need the guardian's slot beside it.
inline constexpr std::string_view kAbroadSwitch = "switch.abroad";
inline constexpr std::string_view kPromotionSwitch = "switch.promotion";
inline constexpr std::string_view kAdultSwitch = "switch.adult";
inline constexpr std::size_t kSwitchCount = 3;

// ---- Transforms. The order of strictness is transform.hpp's.
enum class TransformKind : std::uint8_t {
    exists = 1,
    pseudonym = 2,
    generalise = 3,
    mask = 4,
    partial = 5,
    plain = 6,
};
enum class MaskKeep : std::uint8_t { first = 1, last = 2 };
enum class PartialPart : std::uint8_t { email_domain = 1, account_last4 = 2, phone_country = 3 };
enum class GeneraliseLevel : std::uint8_t {
    address_city = 1,
    address_region = 2,
    address_country = 3,
    date_year = 4,
    date_age = 5,  // a band of `generalise_count` years
    prefix = 6,    // the first `generalise_count` letters or digits
};
enum class PseudonymText : std::uint8_t { base32 = 1, hex = 2 };
enum class PseudonymScope : std::uint8_t { per_recipient = 1, per_tenant = 2 };

// Only the members of its kind mean anything.
struct TransformRule {
    std::string name;
    TransformKind kind = TransformKind::exists;
    MaskKeep mask_keep = MaskKeep::last;
    std::uint16_t mask_keep_count = 0;  // graphemes, at most 64
    std::string mask_with = "*";        // one grapheme, at most 16 bytes
    PartialPart partial_part = PartialPart::email_domain;
    GeneraliseLevel generalise_level = GeneraliseLevel::address_city;
    std::uint16_t generalise_count = 0;  // years or characters, 1 to 64
    PseudonymScope pseudonym_scope = PseudonymScope::per_recipient;
    std::uint16_t pseudonym_bits = 128;  // multiple of 8, 128 to 512
    PseudonymText pseudonym_text = PseudonymText::base32;
};

// ---- Purposes.
enum class Basis : std::uint8_t {
    consent = 1,
    contract = 2,
    legal_obligation = 3,
    vital_interest = 4,
    public_task = 5,
    legitimate_interest = 6,
    order = 7,
};

using NamePairs = std::vector<std::pair<std::string, std::string>>;  // field -> transform

struct PurposeRule {
    std::string name;
    std::string clause;
    Basis basis = Basis::consent;
    std::vector<std::string> needs;         // slots; the objection slot is not listed here
    NamePairs fields;                       // without "*"
    std::optional<std::string> all_fields;  // the transform of "*"; a named field goes before it
    bool objection = false;                 // people may object; counts as promotion
    bool when_restricted = false;           // works on a restricted or held person
    bool request = false;  // subject requests: officers' keys belong to its recipient
};

// ---- Recipients.
enum class RecipientKind : std::uint8_t {
    internal = 1,
    affiliate = 2,
    partner = 3,
    processor = 4,
    public_ = 5,
};

struct Agreement {
    std::string id;
    std::string signed_on;             // date as written, may be empty
    std::optional<Timestamp> expires;  // first second of that day in UTC, when it has ended
    std::string security;
};

struct CrossBorderRule {
    std::string consent;     // slot; empty = none named
    std::string mechanism;   // empty = none named
    std::string assessment;  // empty = none named
    // Different people whose data may go to this receiver in a calendar year (UTC); nullopt = any.
    std::optional<std::uint32_t> people_per_year;
};

struct RecipientRule {
    std::string name;
    RecipientKind kind = RecipientKind::internal;
    std::string country;  // ISO 3166 alpha-2, or "*" = anywhere
    std::vector<std::string> purposes;
    std::optional<std::vector<std::string>> fields;  // nullopt = whatever its purposes use
    NamePairs cap;                                   // field -> weakest transform it may get
    bool erase = false;                              // its applications may erase (API 2)
    bool suspended = false;
    std::optional<Agreement> agreement;
    std::optional<CrossBorderRule> cross_border;
    std::optional<std::uint32_t> subjects_per_hour;
    bool own_tokens = false;               // "tokens": "per_recipient"
    bool onward = false;                   // may pass on
    std::optional<CalendarDuration> keep;  // how long it may keep what it got
    std::string control;                   // evidence, affiliates
};

// ---- Retention.
enum class RetentionAnchor : std::uint8_t {
    collected = 1,
    account_closed = 2,
    last_activity = 3,
    campaign_ended = 4,
};
enum class RetentionThen : std::uint8_t { erase = 1, anonymise = 2 };  // "delete" is erase

struct RetentionRule {
    std::string category;
    std::string purpose;  // "*" = every purpose
    RetentionAnchor from = RetentionAnchor::collected;
    CalendarDuration keep;
    RetentionThen then = RetentionThen::erase;
    std::string method;
    std::string law;
};

// ---- The rest.
struct RegionRule {
    std::string name;
    std::vector<std::string> countries;
};

struct OrderRule {
    std::string name;
    std::string clause;
    std::uint16_t approvals = 2;
    std::vector<std::string> roles;
    bool paper = false;
    bool permit = false;
    CalendarDuration max;
    std::optional<std::uint32_t> subjects_max;
    std::string fields_marked;
    std::string tell_subject;
};

struct HoldRule {
    std::string name;
    std::string clause;
    std::uint16_t approvals = 1;
    CalendarDuration review;
    bool evidence = false;
    std::vector<std::string> fields;
};

struct RequestRules {
    std::optional<CalendarDuration> answer_within;
    std::optional<CalendarDuration> extend;
    std::uint32_t free_per_year = 0;
    std::string then;
    std::optional<CalendarDuration> cooling_off;
    std::optional<CalendarDuration> repeat_window;
    NamePairs proof;  // request type -> level
    std::vector<std::string> refusals;
    std::string appeal;
    std::optional<CalendarDuration> backups_keep;
    std::optional<CalendarDuration> records_keep;
};

struct IncidentRules {
    std::optional<CalendarDuration> authority_within;
    std::vector<std::string> tell_subject;
    double public_if_unreachable_over = 1.0;  // share, 0 to 1
    std::vector<std::string> contents;
};

struct ChangeNote {
    std::string kind;
    std::string clause;
    std::vector<std::string> affects;
    std::string text;
};

struct Controller {
    std::string name;
    std::string country;
    std::string contact;
    std::string officer;
    std::string complaints;
};

struct PolicyHead {
    std::string id;
    std::uint16_t version = 0;
    std::uint16_t supersedes = 0;  // 0 = first
    std::string tenant;
    std::string home_region;
    std::optional<Timestamp> published;
    std::optional<Timestamp> effective;
    Controller controller;
    std::string notice_url;
    std::string notice_sha256;
    std::optional<CalendarDuration>
        notice_period;  // between publishing and force of a material change
    std::vector<ChangeNote> changes;
};

struct Document {
    std::string json;  // the text it was parsed from, byte for byte
    PolicyHead head;
    std::vector<RegionRule> regions;
    std::vector<FieldRule> fields;
    std::vector<TransformRule> transforms;
    std::vector<SlotRule> slots;  // asked slots in order, switches, one per objection purpose
    std::vector<PurposeRule> purposes;
    std::vector<RecipientRule> recipients;
    std::vector<RetentionRule> retention;
    std::vector<OrderRule> orders;
    std::vector<HoldRule> holds;
    RequestRules requests;
    IncidentRules incident;
    std::vector<std::vector<std::string>> never_together;
    std::vector<std::string> re_consent_on;
    std::vector<std::string> notice_on;

    // The rule of that name, or nullptr. Linear: for publishing and start, not for requests.
    [[nodiscard]] const FieldRule* find_field(std::string_view name) const noexcept;
    [[nodiscard]] const SlotRule* find_slot(std::string_view name) const noexcept;
    [[nodiscard]] const TransformRule* find_transform(std::string_view name) const noexcept;
    [[nodiscard]] const PurposeRule* find_purpose(std::string_view name) const noexcept;
    [[nodiscard]] const RecipientRule* find_recipient(std::string_view name) const noexcept;
    [[nodiscard]] const RegionRule* find_region(std::string_view name) const noexcept;
};

// ---- Parsing.
enum class Severity : std::uint8_t { error = 1, warning = 2 };

// One thing that is wrong with a document.
struct Finding {
    std::string code;        // "POLICY_UNKNOWN_KEY", "LINT_NO_CONTACT", ...
    std::string pointer;     // JSON pointer (RFC 6901) into the document; "" is the whole
    std::size_t line = 0;    // from 1; 0 = not known
    std::size_t column = 0;  // from 1, in bytes; of the first character of the value
    std::string message;     // what is wrong and what to do about it
    Severity severity = Severity::error;
};

struct ParseOutcome {
    std::shared_ptr<const Document> document;  // null if there is any error
    std::vector<Finding> findings;             // in the order of the document
};

// Parses a policy document. Strict: size and depth limits, UTF-8, no duplicate and no unknown key,
// every limit above. Reports as many mistakes as it can tell apart, at most 100. Thread-safe.
[[nodiscard]] ParseOutcome parse_document(std::string_view json);

[[nodiscard]] bool has_errors(const std::vector<Finding>& findings) noexcept;
// Line and column of findings, from their pointers into `json`.
void add_places(std::string_view json, std::vector<Finding>& findings);

// Words of the document for these, as in JSON ("enum", "express", ...).
[[nodiscard]] std::string_view word_of(FieldType type) noexcept;
[[nodiscard]] std::string_view word_of(TokenKind kind) noexcept;
[[nodiscard]] std::string_view word_of(ConsentKind kind) noexcept;
[[nodiscard]] std::string_view word_of(RecipientKind kind) noexcept;
[[nodiscard]] std::string_view word_of(Basis basis) noexcept;
[[nodiscard]] std::optional<ConsentKind> find_consent_kind(std::string_view word) noexcept;
[[nodiscard]] std::optional<TokenKind> find_token_kind(std::string_view word) noexcept;

}  // namespace oubliette::policy
