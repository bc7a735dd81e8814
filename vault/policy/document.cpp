#include "vault/policy/document.hpp"

#include <algorithm>
#include <array>

#include "vault/policy/json_places.hpp"
#include "vault/policy/policy_reader.hpp"

namespace oubliette::policy {

namespace {

constexpr std::array<Word<FieldType>, 11> kFieldTypes{{{"string", FieldType::string},
                                                       {"name", FieldType::name},
                                                       {"phone", FieldType::phone},
                                                       {"email", FieldType::email},
                                                       {"url", FieldType::url},
                                                       {"address", FieldType::address},
                                                       {"enum", FieldType::enumeration},
                                                       {"account", FieldType::account},
                                                       {"text", FieldType::text},
                                                       {"json", FieldType::json},
                                                       {"date", FieldType::date}}};
constexpr std::array<Word<Identifier>, 3> kIdentifiers{
    {{"direct", Identifier::direct}, {"quasi", Identifier::quasi}, {"none", Identifier::none}}};
constexpr std::array<Word<TokenKind>, 5> kTokenKinds{{{"pointer", TokenKind::pointer},
                                                      {"deterministic", TokenKind::deterministic},
                                                      {"format", TokenKind::format},
                                                      {"one_time", TokenKind::one_time},
                                                      {"handle", TokenKind::handle}}};
constexpr std::array<Word<SearchIndex>, 2> kSearches{
    {{"none", SearchIndex::none}, {"blind_index", SearchIndex::blind_index}}};
constexpr std::array<Word<bool>, 2> kOwners{{{"one", false}, {"many", true}}};
constexpr std::array<Word<Supersede>, 2> kSupersedes{
    {{"erase", Supersede::erase}, {"keep", Supersede::keep}}};
constexpr std::array<Word<ConsentKind>, 3> kConsentKinds{{{"policy", ConsentKind::policy},
                                                          {"express", ConsentKind::express},
                                                          {"separate", ConsentKind::separate}}};
constexpr std::array<Word<TransformKind>, 6> kTransformKinds{
    {{"plain", TransformKind::plain},
     {"exists", TransformKind::exists},
     {"pseudonym", TransformKind::pseudonym},
     {"generalise", TransformKind::generalise},
     {"mask", TransformKind::mask},
     {"partial", TransformKind::partial}}};
constexpr std::array<Word<PartialPart>, 1> kParts{{{"email.domain", PartialPart::email_domain}}};
constexpr std::array<Word<GeneraliseLevel>, 4> kLevels{
    {{"address.city", GeneraliseLevel::address_city},
     {"address.region", GeneraliseLevel::address_region},
     {"address.country", GeneraliseLevel::address_country},
     {"date.year", GeneraliseLevel::date_year}}};
constexpr std::array<Word<PseudonymScope>, 2> kScopes{
    {{"per_recipient", PseudonymScope::per_recipient}, {"per_tenant", PseudonymScope::per_tenant}}};
constexpr std::array<Word<PseudonymText>, 2> kPseudonymTexts{
    {{"base32", PseudonymText::base32}, {"hex", PseudonymText::hex}}};
constexpr std::array<Word<Basis>, 7> kBases{{{"consent", Basis::consent},
                                             {"contract", Basis::contract},
                                             {"legal_obligation", Basis::legal_obligation},
                                             {"vital_interest", Basis::vital_interest},
                                             {"public_task", Basis::public_task},
                                             {"legitimate_interest", Basis::legitimate_interest},
                                             {"order", Basis::order}}};
constexpr std::array<Word<RecipientKind>, 5> kRecipientKinds{
    {{"internal", RecipientKind::internal},
     {"affiliate", RecipientKind::affiliate},
     {"partner", RecipientKind::partner},
     {"processor", RecipientKind::processor},
     {"public", RecipientKind::public_}}};
constexpr std::array<Word<bool>, 2> kRecipientTokens{{{"shared", false}, {"per_recipient", true}}};
constexpr std::array<Word<RetentionAnchor>, 4> kAnchors{
    {{"collected", RetentionAnchor::collected},
     {"account_closed", RetentionAnchor::account_closed},
     {"last_activity", RetentionAnchor::last_activity},
     {"campaign_ended", RetentionAnchor::campaign_ended}}};
constexpr std::array<Word<RetentionThen>, 2> kThens{
    {{"delete", RetentionThen::erase}, {"anonymise", RetentionThen::anonymise}}};

constexpr std::size_t kListCountMax = 256;
constexpr std::size_t kMaskKeepMax = 64;

// ---- One reader per kind of object.

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
    rule.clause = in.text("clause");
    rule.optional = in.flag("optional");
    rule.sensitive = in.flag("sensitive");
    rule.search = in.word("search", kSearches).value_or(SearchIndex::none);
    rule.owners_many = in.word("owners", kOwners).value_or(false);
    rule.supersede = in.word("supersede", kSupersedes).value_or(Supersede::erase);
    if (in.find("subject") != nullptr) rule.subject_kind = in.required_name("subject");
    return rule;
}

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
    if (rule.mask_with.size() > 16) {
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
    in.finish();
    return rule;
}

bool is_country(std::string_view code) noexcept {
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    return code.size() == 2 && is_upper(code[0]) && is_upper(code[1]);
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

RequestRules read_requests(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/requests", "the rules of requests"};
    RequestRules rules;
    rules.answer_within = in.duration("answer_within");
    rules.extend = in.duration("extend");
    rules.free_per_year =
        static_cast<std::uint32_t>(in.integer("free_per_year", 0, 1'000'000).value_or(0));
    rules.then = in.text("then");
    rules.cooling_off = in.duration("cooling_off");
    rules.repeat_window = in.duration("repeat_window");
    rules.proof = in.name_pairs("proof", kListCountMax);
    rules.refusals = in.texts("refusals", kListCountMax);
    rules.appeal = in.text("appeal");
    if (const JsonNode* const backups = in.find("backups")) {
        ObjectReader inner{sink, *backups, "/requests/backups", "the rules of backups"};
        rules.backups_keep = inner.duration("data_keep");
        inner.finish();
    }
    rules.records_keep = in.duration("records_keep");
    in.finish();
    return rules;
}

IncidentRules read_incident(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/incident", "the rules of incidents"};
    IncidentRules rules;
    rules.authority_within = in.duration("authority_within");
    rules.tell_subject = in.texts("tell_subject", kListCountMax);
    rules.public_if_unreachable_over = in.share("public_if_unreachable_over").value_or(1.0);
    rules.contents = in.texts("contents", kListCountMax);
    in.finish();
    return rules;
}

Controller read_controller(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/policy/controller", "the controller"};
    Controller controller;
    controller.name = in.required_text("name");
    controller.country = in.text("country");
    controller.contact = in.text("contact");
    controller.officer = in.text("officer");
    controller.complaints = in.text("complaints");
    in.finish();
    return controller;
}

ChangeNote read_change(FindingSink& sink, const JsonNode& node, std::string pointer) {
    ObjectReader in{sink, node, std::move(pointer), "a change"};
    ChangeNote change;
    change.kind = in.required_text("kind");
    change.clause = in.text("clause");
    change.affects = in.texts("affects", kListCountMax);
    change.text = in.text("text");
    in.finish();
    return change;
}

void read_notice(FindingSink& sink, const JsonNode& node, PolicyHead& head) {
    ObjectReader in{sink, node, "/policy/notice", "the notice"};
    head.notice_url = in.text("url");
    head.notice_sha256 = in.text("sha256");
    in.finish();
}

// Calls `read(item, pointer)` for each item of the array `key`, of which `count_max` are allowed.
template <class Read>
void read_array(ObjectReader& in, std::string_view key, std::size_t count_max, Read read) {
    const JsonNode* const node = in.find(key);
    if (node == nullptr) return;
    const std::string pointer = child_pointer(in.pointer(), key);
    if (node->kind != JsonNode::Kind::array) {
        in.sink().add("POLICY_TYPE", pointer, node->offset, std::string{key} + " must be an array");
        return;
    }
    if (node->items.size() > count_max) {
        in.report("POLICY_LIMIT", key,
                  std::string{key} + " may have " + std::to_string(count_max) + " entries");
        return;
    }
    for (std::size_t i = 0; i < node->items.size(); ++i) {
        read(node->items[i], child_pointer(pointer, i));
    }
}

PolicyHead read_head(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/policy", "the policy part"};
    PolicyHead head;
    head.id = in.required_text("id");
    if (in.require("version") != nullptr) {
        head.version = static_cast<std::uint16_t>(in.integer("version", 1, 65'535).value_or(1));
    }
    head.supersedes = static_cast<std::uint16_t>(in.integer("supersedes", 0, 65'534).value_or(0));
    if (head.supersedes != 0 && head.supersedes >= head.version) {
        in.report("POLICY_VALUE", "supersedes", "a policy supersedes a lower version");
    }
    head.tenant = in.required_name("tenant");
    head.home_region = in.required_name("home_region");
    head.published = in.time("published");
    head.effective = in.time("effective");
    if (const JsonNode* const controller = in.require("controller")) {
        head.controller = read_controller(sink, *controller);
    }
    if (const JsonNode* const notice = in.find("notice")) read_notice(sink, *notice, head);
    read_array(in, "changes", kListCountMax, [&](const JsonNode& item, std::string pointer) {
        head.changes.push_back(read_change(sink, item, std::move(pointer)));
    });
    in.finish();
    return head;
}

struct Part {
    std::string_view key;
    std::string_view what;  // one of them
    std::size_t count_max;
    bool required;
};

// Reads an object of named rules into `rules`.
template <class Rule>
void read_part(ObjectReader& root, const Part& part, std::vector<Rule>& rules,
               Rule (*read)(ObjectReader&, std::string)) {
    const JsonNode* const node = part.required ? root.require(part.key) : root.find(part.key);
    if (node == nullptr) return;
    const std::string pointer = child_pointer("", part.key);
    if (node->kind != JsonNode::Kind::object) {
        root.sink().add("POLICY_TYPE", pointer, node->offset,
                        std::string{part.key} + " must be an object of named rules");
        return;
    }
    if (node->members.size() > part.count_max) {
        root.report("POLICY_LIMIT", part.key,
                    std::string{part.key} + " may have " + std::to_string(part.count_max) +
                        " entries; take some out");
        return;
    }
    for (const auto& [name, value] : node->members) {
        const std::string at = child_pointer(pointer, name);
        if (!check_name(root.sink(), name, at, value.offset)) continue;
        ObjectReader in{root.sink(), value, at, part.what};
        rules.push_back(read(in, name));
        in.finish();
    }
}

void read_never_together(ObjectReader& root, Document& document) {
    read_array(root, "never_together", kListCountMax, [&](const JsonNode& set, std::string at) {
        if (set.kind != JsonNode::Kind::array || set.items.size() < 2) {
            root.sink().add("POLICY_TYPE", at, set.offset, "write a list of two fields or more");
            return;
        }
        std::vector<std::string> names;
        for (std::size_t i = 0; i < set.items.size() && i < kFieldCountMax; ++i) {
            const JsonNode& item = set.items[i];
            if (check_name(root.sink(), item.string, child_pointer(at, i), item.offset)) {
                names.push_back(item.string);
            }
        }
        document.never_together.push_back(std::move(names));
    });
}

// "Objection is a slot that starts granted" (MISSION 3): one per purpose that allows it.
void add_objection_slots(ObjectReader& root, Document& document) {
    for (const PurposeRule& purpose : document.purposes) {
        if (!purpose.objection) continue;
        SlotRule slot;
        slot.name = std::string{kObjectionPrefix} + purpose.name;
        slot.objection_to = purpose.name;
        slot.text = "No objection to " + purpose.name + ".";
        document.slots.push_back(std::move(slot));
    }
    if (document.slots.size() > kSlotCountMax) {
        root.report("POLICY_LIMIT", "consents",
                    "126 slots are possible, objection purposes count as one each; take some out");
    }
}

void read_rules(ObjectReader& root, Document& document) {
    read_part(root, {"regions", "a region", kRegionCountMax, true}, document.regions, read_region);
    read_part(root, {"fields", "a field", kFieldCountMax, true}, document.fields, read_field);
    read_part(root, {"transforms", "a transform", kTransformCountMax, true}, document.transforms,
              read_transform);
    read_part(root, {"consents", "a consent", kSlotCountMax, true}, document.slots, read_slot);
    read_part(root, {"purposes", "a purpose", kPurposeCountMax, true}, document.purposes,
              read_purpose);
    read_part(root, {"recipients", "a recipient", kRecipientCountMax, true}, document.recipients,
              read_recipient);
    (void)root.require("retention");
    read_array(
        root, "retention", kRetentionRuleCountMax, [&](const JsonNode& item, std::string pointer) {
            document.retention.push_back(read_retention(root.sink(), item, std::move(pointer)));
        });
    read_part(root, {"orders", "an order", kListCountMax, false}, document.orders, read_order);
    read_part(root, {"holds", "a hold", kListCountMax, false}, document.holds, read_hold);
}

void read_document(FindingSink& sink, const JsonNode& node, Document& document) {
    ObjectReader root{sink, node, "", "a policy document"};
    if (node.kind != JsonNode::Kind::object) return;
    const std::string schema = root.required_text("schema");
    if (!schema.empty() && schema != "oubliette.policy/1") {
        root.report("POLICY_VALUE", "schema", "this version reads \"oubliette.policy/1\"");
    }
    if (const JsonNode* const head = root.require("policy")) document.head = read_head(sink, *head);
    read_rules(root, document);
    if (const JsonNode* const requests = root.find("requests")) {
        document.requests = read_requests(sink, *requests);
    }
    if (const JsonNode* const incident = root.find("incident")) {
        document.incident = read_incident(sink, *incident);
    }
    read_never_together(root, document);
    if (const JsonNode* const rechecks = root.find("rechecks")) {
        ObjectReader in{sink, *rechecks, "/rechecks", "the rechecks"};
        document.re_consent_on = in.texts("re_consent_on", kListCountMax);
        document.notice_on = in.texts("notice_on", kListCountMax);
        in.finish();
    }
    add_objection_slots(root, document);
    root.finish();
}

void report_mistake(FindingSink& sink, const JsonMistake& mistake) {
    switch (mistake.kind) {
    case JsonMistake::Kind::syntax:
        sink.add("POLICY_JSON", "", mistake.offset,
                 "this is no JSON in UTF-8; look at the character before this place");
        return;
    case JsonMistake::Kind::depth:
        sink.add("POLICY_TOO_DEEP", "", mistake.offset,
                 "objects and arrays may nest 16 deep; flatten it");
        return;
    case JsonMistake::Kind::nodes:
        sink.add("POLICY_LIMIT", mistake.pointer, mistake.offset,
                 "too many values in one object or in the whole; take some out");
        return;
    case JsonMistake::Kind::duplicate:
        sink.add("POLICY_DUPLICATE_KEY", mistake.pointer, mistake.offset,
                 "\"" + mistake.name + "\" is there twice; keep one");
        return;
    }
}

template <class Rule>
const Rule* find_named(const std::vector<Rule>& rules, std::string_view name) noexcept {
    const auto found = std::find_if(rules.begin(), rules.end(),
                                    [name](const Rule& rule) { return rule.name == name; });
    return found == rules.end() ? nullptr : &*found;
}

template <class T, std::size_t N>
std::string_view word_in(const std::array<Word<T>, N>& words, T value) noexcept {
    for (const Word<T>& word : words) {
        if (word.value == value) return word.text;
    }
    return {};
}

template <class T, std::size_t N>
std::optional<T> value_in(const std::array<Word<T>, N>& words, std::string_view text) noexcept {
    for (const Word<T>& word : words) {
        if (word.text == text) return word.value;
    }
    return std::nullopt;
}

}  // namespace

const FieldRule* Document::find_field(std::string_view name) const noexcept {
    return find_named(fields, name);
}
const SlotRule* Document::find_slot(std::string_view name) const noexcept {
    return find_named(slots, name);
}
const TransformRule* Document::find_transform(std::string_view name) const noexcept {
    return find_named(transforms, name);
}
const PurposeRule* Document::find_purpose(std::string_view name) const noexcept {
    return find_named(purposes, name);
}
const RecipientRule* Document::find_recipient(std::string_view name) const noexcept {
    return find_named(recipients, name);
}
const RegionRule* Document::find_region(std::string_view name) const noexcept {
    return find_named(regions, name);
}

ParseOutcome parse_document(std::string_view json) {
    ParseOutcome outcome;
    FindingSink sink{json, outcome.findings};
    if (json.size() > kDocumentSizeMax) {
        sink.add("POLICY_TOO_LARGE", "", 0, "a policy may have 1 MiB; take texts out");
        return outcome;
    }
    const JsonParse parse = parse_json(json, kDocumentDepthMax);
    bool readable = true;
    for (const JsonMistake& mistake : parse.mistakes) {
        report_mistake(sink, mistake);
        readable = readable && mistake.kind == JsonMistake::Kind::duplicate;
    }
    if (!readable) return outcome;
    auto document = std::make_shared<Document>();
    read_document(sink, parse.root, *document);
    std::stable_sort(outcome.findings.begin(), outcome.findings.end(),
                     [](const Finding& a, const Finding& b) {
                         return std::pair{a.line, a.column} < std::pair{b.line, b.column};
                     });
    if (has_errors(outcome.findings)) return outcome;
    document->json = json;
    outcome.document = std::move(document);
    return outcome;
}

bool has_errors(const std::vector<Finding>& findings) noexcept {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& finding) { return finding.severity == Severity::error; });
}

std::string_view word_of(FieldType type) noexcept {
    return word_in(kFieldTypes, type);
}
std::string_view word_of(TokenKind kind) noexcept {
    return word_in(kTokenKinds, kind);
}
std::string_view word_of(ConsentKind kind) noexcept {
    return word_in(kConsentKinds, kind);
}
std::string_view word_of(RecipientKind kind) noexcept {
    return word_in(kRecipientKinds, kind);
}
std::string_view word_of(Basis basis) noexcept {
    return word_in(kBases, basis);
}
std::optional<ConsentKind> find_consent_kind(std::string_view word) noexcept {
    return value_in(kConsentKinds, word);
}
std::optional<TokenKind> find_token_kind(std::string_view word) noexcept {
    return value_in(kTokenKinds, word);
}

}  // namespace oubliette::policy
