#include "vault/policy/lint.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "vault/policy/json_places.hpp"
#include "vault/policy/transform.hpp"

namespace oubliette::policy {

namespace {

// Cells (recipient, purpose) that the gate's tables can number.
constexpr std::size_t kCellCountMax = 65'534;
// More would not be read.
constexpr std::size_t kLintFindingCountMax = 1'000;

class Linter {
public:
    Linter(const Document& document, Timestamp now) : document_(document), now_(now) {}

    std::vector<Finding> run() {
        check_head();
        for (const FieldRule& field : document_.fields) check_field(field);
        for (const SlotRule& slot : document_.slots) check_slot(slot);
        check_guardian();
        for (const PurposeRule& purpose : document_.purposes) check_purpose(purpose);
        for (const RecipientRule& recipient : document_.recipients) check_recipient(recipient);
        check_cell_count();
        for (std::size_t i = 0; i < document_.retention.size(); ++i) check_retention(i);
        check_other_references();
        add_places(document_.json, findings_);
        return std::move(findings_);
    }

private:
    using Keys = std::initializer_list<std::string_view>;

    void add(Severity severity, std::string_view code, Keys keys, std::string message) {
        if (findings_.size() >= kLintFindingCountMax) return;
        std::string pointer;
        for (const std::string_view key : keys) pointer = child_pointer(pointer, key);
        findings_.push_back(
            {std::string{code}, std::move(pointer), 0, 0, std::move(message), severity});
    }
    void error(std::string_view code, Keys keys, std::string message) {
        add(Severity::error, code, keys, std::move(message));
    }
    void dangling(Keys keys, const std::string& name, std::string_view kind) {
        error("LINT_DANGLING_REFERENCE", keys,
              "there is no " + std::string{kind} + " \"" + name +
                  "\"; define it or correct the name");
    }

    // ---- The head.
    void check_head() {
        if (document_.head.controller.contact.empty()) {
            error("LINT_NO_CONTACT", {"policy", "controller"},
                  "people must know whom to ask; add \"contact\"");
        }
        if (home() == nullptr) {
            dangling({"policy", "home_region"}, document_.head.home_region, "region");
        }
    }

    const RegionRule* home() const noexcept {
        return document_.find_region(document_.head.home_region);
    }
    bool is_foreign(const RecipientRule& recipient) const noexcept {
        const RegionRule* const region = home();
        return region == nullptr || std::find(region->countries.begin(), region->countries.end(),
                                              recipient.country) == region->countries.end();
    }

    // ---- Fields.
    void check_field(const FieldRule& field) {
        const auto uses = [&](const PurposeRule& purpose) { return names_field(purpose, field); };
        if (std::none_of(document_.purposes.begin(), document_.purposes.end(), uses)) {
            error("LINT_FIELD_WITHOUT_PURPOSE", {"fields", field.name},
                  "no purpose uses it, so it may not be collected; name it in a purpose (\"*\" "
                  "does not count) or remove it");
        }
        const auto covers = [&](const RetentionRule& rule) {
            return rule.category == field.category;
        };
        if (std::none_of(document_.retention.begin(), document_.retention.end(), covers)) {
            error("LINT_CATEGORY_WITHOUT_RETENTION", {"fields", field.name, "category"},
                  "nothing says when \"" + field.category +
                      "\" is deleted; add a retention rule for it");
        }
        check_token(field);
        check_index(field);
    }

    // Tokens that are drawn from what values look like need the index, so that none is a value.
    void check_token(const FieldRule& field) {
        const TokenFormat& format = field.token_format;
        const bool is_digits = format.shape == TokenShape::digits;
        const bool is_alphabet = format.shape == TokenShape::alphabet;
        const bool is_indexed = field.search == SearchIndex::blind_index;
        if ((is_digits || is_alphabet) && has_little_room(format)) {
            error(
                "LINT_TOKEN_SPACE", {"fields", field.name, "token_format"},
                "there would be less than a million different tokens, or the alphabet is not 2 to "
                "94 different printable characters; make the length or the alphabet larger");
        }
        if ((is_digits || is_alphabet) && field.token == TokenKind::format && !is_indexed) {
            error("LINT_TOKEN_NEEDS_INDEX", {"fields", field.name, "token_format"},
                  "such a token could equal somebody's value; add \"search\": \"blind_index\" or "
                  "use another shape");
        }
        if (field.token == TokenKind::value && !is_indexed) {
            error("LINT_TOKEN_NEEDS_INDEX", {"fields", field.name, "token"},
                  "equal values are found by the index; add \"search\": \"blind_index\" or use "
                  "deterministic tokens");
        }
        if (!format.domain.empty() && !is_domain(format.domain)) {
            error("LINT_TOKEN_DOMAIN", {"fields", field.name, "token_format", "domain"},
                  "write a domain of at most 90 lower-case letters, digits, hyphens and dots that "
                  "receives no mail");
        }
    }

    static bool has_little_room(const TokenFormat& format) {
        constexpr double kTokensMin = 1e6;
        std::string characters =
            format.shape == TokenShape::digits ? "0123456789" : format.alphabet;
        std::sort(characters.begin(), characters.end());
        const bool is_repeated =
            std::adjacent_find(characters.begin(), characters.end()) != characters.end();
        const auto is_printable = [](char c) { return c > ' ' && c <= '~'; };
        const bool is_good = !is_repeated && characters.size() >= 2 &&
                             std::all_of(characters.begin(), characters.end(), is_printable);
        return !is_good ||
               std::pow(static_cast<double>(characters.size()), format.length) < kTokensMin;
    }

    static bool is_domain(std::string_view domain) noexcept {
        constexpr std::size_t kDomainSizeMax = 90;
        const auto is_host_character = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        };
        return domain.size() <= kDomainSizeMax && domain.front() != '.' && domain.back() != '.' &&
               std::all_of(domain.begin(), domain.end(), is_host_character);
    }

    // With a handful of different values each entry of an index says who has which.
    void check_index(const FieldRule& field) {
        const bool is_low = field.type == FieldType::enumeration || field.type == FieldType::date;
        if (is_low && field.search == SearchIndex::blind_index) {
            error("LINT_INDEX_LOW_ENTROPY", {"fields", field.name, "search"},
                  "too few different values: a search would list people by a property; remove the "
                  "index");
        }
    }

    static bool names_field(const PurposeRule& purpose, const FieldRule& field) noexcept {
        return std::any_of(purpose.fields.begin(), purpose.fields.end(),
                           [&](const auto& pair) { return pair.first == field.name; });
    }

    // ---- Slots.
    void check_slot(const SlotRule& slot) {
        if (slot.starts_granted()) return;
        if (slot.since > document_.head.version) {
            error("LINT_SLOT_SINCE", {"consents", slot.name, "since"},
                  "it cannot have changed after this version; use at most " +
                      std::to_string(document_.head.version));
        }
        for (const std::string& name : slot.names) {
            if (document_.find_recipient(name) == nullptr) {
                dangling({"consents", slot.name, "names"}, name, "recipient");
            }
        }
    }

    // Whoever answers for a minor answers one question, and in words of its own.
    void check_guardian() {
        const SlotRule* first = nullptr;
        for (const SlotRule& slot : document_.slots) {
            if (!slot.guardian) continue;
            if (slot.ask != ConsentKind::separate) {
                error("LINT_GUARDIAN", {"consents", slot.name, "ask"},
                      "a guardian's consent is a question of its own; use \"separate\"");
            }
            if (first != nullptr) {
                error("LINT_GUARDIAN", {"consents", slot.name, "guardian"},
                      "\"" + first->name + "\" is the guardian's slot already; keep one");
            }
            first = &slot;
        }
    }

    // ---- Purposes.
    void check_purpose(const PurposeRule& purpose) {
        for (const std::string& need : purpose.needs) {
            if (document_.find_slot(need) == nullptr) {
                dangling({"purposes", purpose.name, "needs"}, need, "consent");
            }
        }
        const auto has_it = [&](const RecipientRule& recipient) {
            return std::find(recipient.purposes.begin(), recipient.purposes.end(), purpose.name) !=
                   recipient.purposes.end();
        };
        if (std::none_of(document_.recipients.begin(), document_.recipients.end(), has_it)) {
            error("LINT_PURPOSE_WITHOUT_RECIPIENT", {"purposes", purpose.name},
                  "no recipient has it; give it to one or remove it");
        }
        if (purpose.basis == Basis::consent && strongest_need(purpose) < ConsentKind::express) {
            error("LINT_CONSENT_WITHOUT_SLOT", {"purposes", purpose.name},
                  "its basis is consent, so it needs a slot that asks express or separate; "
                  "accepting the policy is no consent to a purpose");
        }
        check_all_fields(purpose);
        for (const auto& [field, transform] : purpose.fields) {
            check_purpose_field(purpose, field, transform);
        }
    }

    ConsentKind strongest_need(const PurposeRule& purpose) const noexcept {
        ConsentKind strongest = ConsentKind::policy;
        for (const std::string& need : purpose.needs) {
            const SlotRule* const slot = document_.find_slot(need);
            if (slot != nullptr) strongest = std::max(strongest, slot->ask);
        }
        return strongest;
    }

    void check_all_fields(const PurposeRule& purpose) {
        if (!purpose.all_fields) return;
        if (!purpose.request && purpose.basis != Basis::order) {
            error("LINT_ALL_FIELDS", {"purposes", purpose.name, "fields", "*"},
                  "only purposes of subject requests (\"request\": true) and of orders may use "
                  "all fields; name the fields it needs");
        }
        if (document_.find_transform(*purpose.all_fields) == nullptr) {
            dangling({"purposes", purpose.name, "fields", "*"}, *purpose.all_fields, "transform");
        }
    }

    void check_purpose_field(const PurposeRule& purpose, const std::string& field_name,
                             const std::string& transform_name) {
        const Keys at{"purposes", purpose.name, "fields", field_name};
        if (!check_shown(at, field_name, transform_name)) return;
        const FieldRule* const field = document_.find_field(field_name);
        const TransformRule* const transform = document_.find_transform(transform_name);
        if (field->sensitive && purpose.basis == Basis::consent &&
            strongest_need(purpose) < ConsentKind::separate) {
            error("LINT_SENSITIVE_WITHOUT_SEPARATE", at,
                  "a sensitive field needs a consent of its own; add a slot that asks separate "
                  "to the purpose's needs");
        }
        if (field->sensitive && purpose.objection && transform->kind == TransformKind::plain) {
            error("LINT_SENSITIVE_PROMOTION", at,
                  "promotion never sees a sensitive field in plain; use a stricter transform");
        }
        check_pair_retention(purpose, *field);
    }

    void check_pair_retention(const PurposeRule& purpose, const FieldRule& field) {
        bool category = false;
        for (const RetentionRule& rule : document_.retention) {
            if (rule.category != field.category) continue;
            if (rule.purpose == "*" || rule.purpose == purpose.name) return;
            category = true;
        }
        if (!category) return;  // reported at the field
        add(Severity::warning, "LINT_PAIR_WITHOUT_RETENTION",
            {"purposes", purpose.name, "fields", field.name},
            "no retention rule for category \"" + field.category +
                "\" and this purpose: it may read as long as any other purpose; add a rule");
    }

    // ---- Recipients.
    void check_recipient(const RecipientRule& recipient) {
        check_recipient_references(recipient);
        check_agreement(recipient);
        check_cross_border(recipient);
        const bool outside = recipient.kind == RecipientKind::affiliate ||
                             recipient.kind == RecipientKind::partner ||
                             recipient.kind == RecipientKind::public_;
        if (!outside) return;
        for (const std::string& name : recipient.purposes) {
            const PurposeRule* const purpose = document_.find_purpose(name);
            if (purpose != nullptr) check_outside_cell(recipient, *purpose);
        }
    }

    void check_recipient_references(const RecipientRule& recipient) {
        for (const std::string& name : recipient.purposes) {
            if (document_.find_purpose(name) == nullptr) {
                dangling({"recipients", recipient.name, "purposes"}, name, "purpose");
            }
        }
        for (const std::string& name : recipient.fields.value_or(std::vector<std::string>{})) {
            if (document_.find_field(name) == nullptr) {
                dangling({"recipients", recipient.name, "fields"}, name, "field");
            }
        }
        for (const auto& [field, transform] : recipient.cap) {
            check_shown({"recipients", recipient.name, "cap", field}, field, transform);
        }
    }

    // Field and transform of one entry exist and fit each other.
    bool check_shown(Keys at, const std::string& field_name, const std::string& transform_name) {
        const FieldRule* const field = document_.find_field(field_name);
        const TransformRule* const transform = document_.find_transform(transform_name);
        if (field == nullptr) dangling(at, field_name, "field");
        if (transform == nullptr) dangling(at, transform_name, "transform");
        if (field == nullptr || transform == nullptr) return false;
        if (!fits(*transform, field->type)) {
            error("LINT_TRANSFORM_DOES_NOT_FIT", at,
                  "\"" + transform_name + "\" can show nothing of a field of type " +
                      std::string{word_of(field->type)} + "; use another transform");
        }
        return true;
    }

    void check_agreement(const RecipientRule& recipient) {
        const bool needs_one = recipient.kind == RecipientKind::affiliate ||
                               recipient.kind == RecipientKind::partner ||
                               recipient.kind == RecipientKind::processor;
        if (needs_one && !recipient.agreement) {
            error("LINT_RECIPIENT_WITHOUT_AGREEMENT", {"recipients", recipient.name},
                  "a recipient outside the company is bound by an agreement; add \"agreement\"");
        }
        if (recipient.agreement && recipient.agreement->expires &&
            now_ >= *recipient.agreement->expires) {
            error("LINT_AGREEMENT_EXPIRED", {"recipients", recipient.name, "agreement", "expires"},
                  "the agreement has ended; renew it or remove the recipient");
        }
    }

    void check_cross_border(const RecipientRule& recipient) {
        const auto& rule = recipient.cross_border;
        if (rule && !rule->consent.empty() && document_.find_slot(rule->consent) == nullptr) {
            dangling({"recipients", recipient.name, "cross_border", "consent"}, rule->consent,
                     "consent");
        }
        if (!is_foreign(recipient)) return;
        if (!rule || rule->consent.empty() || rule->mechanism.empty() || rule->assessment.empty()) {
            error("LINT_CROSS_BORDER", {"recipients", recipient.name},
                  "it is outside the home region; \"cross_border\" must name the consent, the "
                  "mechanism and the assessment");
        }
    }

    // Affiliates, partners and the public: through a separate slot, which names the company.
    void check_outside_cell(const RecipientRule& recipient, const PurposeRule& purpose) {
        std::vector<const SlotRule*> slots;
        for (const std::string& need : purpose.needs) slots.push_back(document_.find_slot(need));
        if (recipient.cross_border && is_foreign(recipient)) {
            slots.push_back(document_.find_slot(recipient.cross_border->consent));
        }
        const auto is_separate = [](const SlotRule* slot) {
            return slot != nullptr && slot->ask == ConsentKind::separate;
        };
        if (std::none_of(slots.begin(), slots.end(), is_separate)) {
            error("LINT_SHARING_WITHOUT_SEPARATE", {"recipients", recipient.name, "purposes"},
                  "\"" + purpose.name +
                      "\" would share data without a separate consent; let the "
                      "purpose or the cross-border rule need a slot that asks separate");
            return;
        }
        const auto names_it = [&](const SlotRule* slot) {
            if (!is_separate(slot)) return false;
            if (slot->names.empty()) return recipient.kind == RecipientKind::public_;
            return std::find(slot->names.begin(), slot->names.end(), recipient.name) !=
                   slot->names.end();
        };
        if (std::none_of(slots.begin(), slots.end(), names_it)) {
            error("LINT_SLOT_DOES_NOT_NAME_RECIPIENT", {"recipients", recipient.name, "purposes"},
                  "no separate consent of \"" + purpose.name +
                      "\" names this recipient; add it "
                      "to the slot's \"names\" and raise the slot's \"since\"");
        }
    }

    void check_cell_count() {
        std::size_t count = 0;
        for (const RecipientRule& recipient : document_.recipients) {
            count += recipient.purposes.size();
        }
        if (count > kCellCountMax) {
            error("LINT_TOO_MANY_CELLS", {"recipients"},
                  "65534 pairs of recipient and purpose are possible; take some out");
        }
    }

    // ---- Retention and the rest.
    void check_retention(std::size_t index) {
        const RetentionRule& rule = document_.retention[index];
        const std::string at = std::to_string(index);
        const auto in_category = [&](const FieldRule& field) {
            return field.category == rule.category;
        };
        if (std::none_of(document_.fields.begin(), document_.fields.end(), in_category)) {
            dangling({"retention", at, "category"}, rule.category, "category of a field");
        }
        if (rule.purpose != "*" && document_.find_purpose(rule.purpose) == nullptr) {
            dangling({"retention", at, "purpose"}, rule.purpose, "purpose");
        }
    }

    void check_other_references() {
        for (std::size_t i = 0; i < document_.never_together.size(); ++i) {
            for (const std::string& name : document_.never_together[i]) {
                if (document_.find_field(name) == nullptr) {
                    dangling({"never_together", std::to_string(i)}, name, "field");
                }
            }
        }
        for (const HoldRule& hold : document_.holds) {
            for (const std::string& name : hold.fields) {
                const FieldRule* const field = document_.find_field(name);
                if (field == nullptr) {
                    dangling({"holds", hold.name, "fields"}, name, "field");
                } else if (field->identifier == Identifier::direct) {
                    error("LINT_HOLD_TOO_WIDE", {"holds", hold.name, "fields"},
                          "a hold on fields may not name the direct identifier \"" + name +
                              "\"; remove it");
                }
            }
        }
    }

    const Document& document_;
    Timestamp now_;
    std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> lint(const Document& document, Timestamp now) {
    return Linter{document, now}.run();
}

}  // namespace oubliette::policy
