#include "vault/policy/document.hpp"

#include <algorithm>
#include <array>

#include "crypto/patient_memory.hpp"
#include "vault/policy/document_reader.hpp"
#include "vault/policy/json_places.hpp"
#include "vault/policy/policy_reader.hpp"
#include "vault/policy/words.hpp"

namespace oubliette::policy {

namespace {

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
    const crypto::PatientMemory patient;  // nlohmann::json allocates in its destructor
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

void add_places(std::string_view json, std::vector<Finding>& findings) {
    if (findings.empty()) return;
    const crypto::PatientMemory patient;  // nlohmann::json allocates in its destructor
    const JsonParse parse = parse_json(json, kDocumentDepthMax);
    for (Finding& finding : findings) {
        const JsonNode* const node = find_node(parse.root, finding.pointer);
        if (node == nullptr) continue;
        const Place place = place_of(json, node->offset);
        finding.line = place.line;
        finding.column = place.column;
    }
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
