#include "vault/policy/rule_readers.hpp"

#include <algorithm>

#include "vault/policy/json_places.hpp"
#include "vault/policy/words.hpp"

namespace oubliette::policy {

namespace {

constexpr std::size_t kMaskKeepMax = 64;      // graphemes
constexpr std::size_t kMaskWithSizeMax = 16;  // bytes

void read_mask(ObjectReader& in, TransformRule& rule) {
    const std::string keep = in.required_text("keep");
    const std::size_t colon = keep.find(':');
    const std::string_view side = std::string_view{keep}.substr(0, colon);
    const std::string_view count =
        colon == std::string::npos ? "" : std::string_view{keep}.substr(colon + 1);
    unsigned value = 0;
    bool valid = (side == "first" || side == "last") && !count.empty() && count.size() <= 2;
    for (const char c : count.substr(0, 2)) {
        valid = valid && c >= '0' && c <= '9';
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (!valid || value > kMaskKeepMax) {
        in.report("POLICY_VALUE", "keep", "write first:N or last:N with N from 0 to 64");
        return;
    }
    rule.mask_keep = side == "first" ? MaskKeep::first : MaskKeep::last;
    rule.mask_keep_count = static_cast<std::uint16_t>(value);
    if (in.find("with") == nullptr) return;
    rule.mask_with = in.required_text("with");
    if (rule.mask_with.size() > kMaskWithSizeMax) {
        in.report("POLICY_VALUE", "with", "use one character, like *");
    }
}

void read_pseudonym(ObjectReader& in, TransformRule& rule) {
    rule.pseudonym_scope = in.word("key", kScopes).value_or(PseudonymScope::per_recipient);
    rule.pseudonym_text = in.word("text", kPseudonymTexts).value_or(PseudonymText::base32);
    const auto bits = in.integer("bits", 128, 512);
    if (!bits) return;
    if (*bits % 8 != 0) in.report("POLICY_VALUE", "bits", "use a multiple of 8, like 128");
    rule.pseudonym_bits = static_cast<std::uint16_t>(*bits);
}

Agreement read_agreement(FindingSink& sink, const JsonNode& node, std::string pointer) {
    ObjectReader in{sink, node, std::move(pointer), "an agreement"};
    Agreement agreement;
    agreement.id = in.required_text("id");
    agreement.signed_on = in.text("signed");
    (void)in.date("signed");  // for its findings
    if (in.require("expires") != nullptr) agreement.expires = in.date("expires");
    agreement.security = in.text("security");
    in.finish();
    return agreement;
}

CrossBorderRule read_cross_border(FindingSink& sink, const JsonNode& node, std::string pointer) {
    ObjectReader in{sink, node, std::move(pointer), "a cross-border rule"};
    CrossBorderRule rule;
    if (in.find("consent") != nullptr) rule.consent = in.required_name("consent");
    rule.mechanism = in.text("mechanism");
    rule.assessment = in.text("assessment");
    if (const auto people = in.integer("people_per_year", 1, 1'000'000'000)) {
        rule.people_per_year = static_cast<std::uint32_t>(*people);
    }
    in.finish();
    return rule;
}

// What the tokens of a field look like when the policy does not say. Names, addresses and texts
// have no shape that could be drawn: their tokens are opaque.
TokenShape shape_of(FieldType type) noexcept {
    switch (type) {
    case FieldType::phone: return TokenShape::phone;
    case FieldType::email: return TokenShape::email;
    case FieldType::account: return TokenShape::account;
    case FieldType::national_id: return TokenShape::national_id;
    case FieldType::string:
    case FieldType::name:
    case FieldType::url:
    case FieldType::address:
    case FieldType::enumeration:
    case FieldType::text:
    case FieldType::json:
    case FieldType::date:
    case FieldType::binary: break;
    }
    return TokenShape::uuid;
}

void read_token_format(FindingSink& sink, const JsonNode& node, std::string pointer,
                       FieldRule& rule) {
    ObjectReader in{sink, node, std::move(pointer), "a token format"};
    TokenFormat& format = rule.token_format;
    format.shape = in.word("shape", kTokenShapes).value_or(format.shape);
    constexpr std::int64_t kLengthMax = 64;
    format.length = static_cast<std::uint16_t>(in.integer("length", 1, kLengthMax).value_or(0));
    format.keep_last = static_cast<std::uint8_t>(in.integer("keep_last", 0, 4).value_or(0));
    if (format.keep_last != 0 && format.keep_last != 4) {
        in.report("POLICY_VALUE", "keep_last", "keep the last 4 characters or none");
    }
    format.luhn = in.word("luhn", kLuhnChecks).value_or(true);
    format.alphabet = in.text("alphabet");
    format.domain = in.text("domain");
    in.finish();
}

void read_generalise_count(ObjectReader& in, TransformRule& rule) {
    const bool is_age = rule.generalise_level == GeneraliseLevel::date_age;
    if (!is_age && rule.generalise_level != GeneraliseLevel::prefix) return;
    const std::string_view key = is_age ? "years" : "keep";
    if (in.require(key) == nullptr) return;
    constexpr std::int64_t kCountMax = 64;
    rule.generalise_count = static_cast<std::uint16_t>(in.integer(key, 1, kCountMax).value_or(1));
}

bool is_country(std::string_view code) noexcept {
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    return code.size() == 2 && is_upper(code[0]) && is_upper(code[1]);
}

}  // namespace

FieldRule read_field(ObjectReader& in, std::string name) {
    FieldRule rule;
    rule.name = std::move(name);
    rule.category = in.required_name("category");
    const JsonNode* const type = in.find("type");
    if (type != nullptr && type->string == "password") {
        in.report("LINT_PASSWORD_FIELD", "type",
                  "a vault gives values back, a password must never be given back; let the "
                  "application keep a password hash");
    } else {
        rule.type = in.required_word("type", kFieldTypes);
    }
    rule.identifier = in.word("identifier", kIdentifiers).value_or(Identifier::direct);
    rule.token = in.word("token", kTokenKinds).value_or(TokenKind::pointer);
    rule.token_format.shape = shape_of(rule.type);
    if (const JsonNode* const format = in.find("token_format")) {
        read_token_format(in.sink(), *format, child_pointer(in.pointer(), "token_format"), rule);
    }
    rule.clause = in.text("clause");
    rule.optional = in.flag("optional");
    rule.sensitive = in.flag("sensitive");
    rule.search = in.word("search", kSearches).value_or(SearchIndex::none);
    rule.owners_many = in.word("owners", kOwners).value_or(false);
    rule.supersede = in.word("supersede", kSupersedes).value_or(Supersede::erase);
    if (in.find("phone_country") != nullptr) {
        rule.phone_country = in.required_text("phone_country");
        if (!is_country(rule.phone_country)) {
            in.report("POLICY_VALUE", "phone_country",
                      "write the two letters of ISO 3166, like CN");
        }
    }
    if (in.find("subject") != nullptr) rule.subject_kind = in.required_name("subject");
    return rule;
}

TransformRule read_transform(ObjectReader& in, std::string name) {
    TransformRule rule;
    rule.name = std::move(name);
    rule.kind = in.required_word("kind", kTransformKinds);
    switch (rule.kind) {
    case TransformKind::plain:
    case TransformKind::exists: break;
    case TransformKind::mask: read_mask(in, rule); break;
    case TransformKind::partial: rule.partial_part = in.required_word("part", kParts); break;
    case TransformKind::generalise:
        rule.generalise_level = in.required_word("level", kLevels);
        read_generalise_count(in, rule);
        break;
    case TransformKind::pseudonym: read_pseudonym(in, rule); break;
    }
    return rule;
}

SlotRule read_slot(ObjectReader& in, std::string name) {
    SlotRule rule;
    rule.name = std::move(name);
    rule.ask = in.required_word("ask", kConsentKinds);
    if (in.require("since") != nullptr) {
        rule.since = static_cast<std::uint16_t>(in.integer("since", 1, 65'535).value_or(1));
    }
    rule.expires = in.duration("expires");
    rule.names = in.names("names", kRecipientCountMax);
    rule.tells = in.texts("tells", kListCountMax);
    rule.text = in.required_text("text");
    rule.guardian = in.flag("guardian");
    return rule;
}

PurposeRule read_purpose(ObjectReader& in, std::string name) {
    PurposeRule rule;
    rule.name = std::move(name);
    rule.clause = in.text("clause");
    rule.basis = in.required_word("basis", kBases);
    rule.needs = in.names("needs", kSlotCountMax);
    if (in.require("fields") != nullptr) rule.fields = in.name_pairs("fields", kFieldCountMax + 1);
    const auto all = std::find_if(rule.fields.begin(), rule.fields.end(),
                                  [](const auto& pair) { return pair.first == "*"; });
    if (all != rule.fields.end()) {
        rule.all_fields = all->second;
        rule.fields.erase(all);
    }
    rule.objection = in.flag("objection");
    rule.when_restricted = in.flag("when_restricted");
    rule.request = in.flag("request");
    return rule;
}

RecipientRule read_recipient(ObjectReader& in, std::string name) {
    RecipientRule rule;
    rule.name = std::move(name);
    rule.kind = in.required_word("kind", kRecipientKinds);
    rule.country = in.required_text("country");
    if (!rule.country.empty() && rule.country != "*" && !is_country(rule.country)) {
        in.report("POLICY_VALUE", "country",
                  "write an ISO 3166 code of two capitals, like CN, or * for anywhere");
    }
    if (in.require("purposes") != nullptr) rule.purposes = in.names("purposes", kPurposeCountMax);
    if (in.find("fields") != nullptr) rule.fields = in.names("fields", kFieldCountMax);
    rule.cap = in.name_pairs("cap", kFieldCountMax);
    rule.erase = in.flag("erase");
    rule.suspended = in.flag("suspended");
    if (const JsonNode* const node = in.find("agreement")) {
        rule.agreement = read_agreement(in.sink(), *node, child_pointer(in.pointer(), "agreement"));
    }
    if (const JsonNode* const node = in.find("cross_border")) {
        rule.cross_border =
            read_cross_border(in.sink(), *node, child_pointer(in.pointer(), "cross_border"));
    }
    if (const auto budget = in.integer("subjects_per_hour", 1, 1'000'000'000)) {
        rule.subjects_per_hour = static_cast<std::uint32_t>(*budget);
    }
    rule.own_tokens = in.word("tokens", kRecipientTokens).value_or(false);
    rule.onward = in.flag("onward");
    rule.keep = in.duration("keep");
    rule.control = in.text("control");
    return rule;
}

RetentionRule read_retention(FindingSink& sink, const JsonNode& node, std::string pointer) {
    ObjectReader in{sink, node, std::move(pointer), "a retention rule"};
    RetentionRule rule;
    rule.category = in.required_name("category");
    const JsonNode* const purpose = in.find("purpose");
    const bool any = purpose != nullptr && purpose->string == "*";
    rule.purpose = any ? "*" : in.required_name("purpose");
    rule.from = in.required_word("from", kAnchors);
    rule.keep = in.required_duration("keep");
    rule.then = in.word("then", kThens).value_or(RetentionThen::erase);
    rule.method = in.text("method");
    rule.law = in.text("law");
    in.finish();
    return rule;
}

RegionRule read_region(ObjectReader& in, std::string name) {
    RegionRule rule;
    rule.name = std::move(name);
    if (in.require("countries") != nullptr) rule.countries = in.texts("countries", kListCountMax);
    for (const std::string& country : rule.countries) {
        if (!is_country(country)) {
            in.report("POLICY_VALUE", "countries", "write ISO 3166 codes of two capitals, like CN");
        }
    }
    return rule;
}

OrderRule read_order(ObjectReader& in, std::string name) {
    OrderRule rule;
    rule.name = std::move(name);
    rule.clause = in.text("clause");
    rule.approvals = static_cast<std::uint16_t>(in.integer("approvals", 1, 16).value_or(2));
    rule.roles = in.names("roles", kListCountMax);
    rule.paper = in.flag("paper");
    rule.permit = in.flag("permit");
    rule.max = in.required_duration("max");
    if (const auto count = in.integer("subjects_max", 1, 1'000'000'000)) {
        rule.subjects_max = static_cast<std::uint32_t>(*count);
    }
    rule.fields_marked = in.text("fields_marked");
    rule.tell_subject = in.text("tell_subject");
    return rule;
}

HoldRule read_hold(ObjectReader& in, std::string name) {
    HoldRule rule;
    rule.name = std::move(name);
    rule.clause = in.text("clause");
    rule.approvals = static_cast<std::uint16_t>(in.integer("approvals", 1, 16).value_or(1));
    rule.review = in.required_duration("review");
    rule.evidence = in.flag("evidence");
    rule.fields = in.names("fields", kFieldCountMax);
    return rule;
}

}  // namespace oubliette::policy
