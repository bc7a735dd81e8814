#include "vault/policy/gate_tables.hpp"

#include <algorithm>

#include "crypto/assert.hpp"
#include "vault/policy/transform.hpp"

namespace oubliette::policy {

namespace {

class TableBuilder {
public:
    TableBuilder(std::shared_ptr<const Document> document, NameIds& ids)
        : document_(*document), ids_(ids) {
        tables_.document = std::move(document);
    }

    GateTables build() {
        build_names();
        build_regions();
        build_keep();
        build_categories();
        build_pairs();
        build_cells();
        build_linkage();
        return std::move(tables_);
    }

private:
    template <class Rule>
    void add_names(NameTable& table, const std::vector<Rule>& rules, NameKind kind,
                   std::uint16_t id_max, std::string_view what) {
        for (const Rule& rule : rules) {
            const std::uint16_t id = ids_.id_of(kind, rule.name);
            if (id > id_max) {
                throw Fault{FaultKind::configuration,
                            "this tenant has used up its numbers for " + std::string{what} +
                                "; numbers are never reused, start a new tenant"};
            }
            table.add(rule.name, id);
        }
        table.sort();
    }

    void build_names() {
        constexpr std::uint16_t kAny = kNoIndex - 1;
        add_names(tables_.fields, document_.fields, NameKind::field, kAny, "fields");
        add_names(tables_.purposes, document_.purposes, NameKind::purpose, kAny, "purposes");
        add_names(tables_.recipients, document_.recipients, NameKind::recipient, kRecipientIdMax,
                  "recipients");
        add_names(tables_.slots, document_.slots, NameKind::slot, kSlotIdMax, "consent slots");
        add_names(tables_.regions, document_.regions, NameKind::region, kAny, "regions");
        std::uint16_t dense = 0;
        for (const TransformRule& rule : document_.transforms) {
            tables_.transforms.add(rule.name, dense++);
            tables_.transform_ranks.push_back(
                static_cast<std::uint8_t>(strictness_rank(rule.kind)));
        }
        tables_.transforms.sort();
    }

    void build_regions() {
        auto& countries = tables_.countries;
        for (const RecipientRule& recipient : document_.recipients) {
            if (std::find(countries.begin(), countries.end(), recipient.country) ==
                countries.end()) {
                countries.push_back(recipient.country);
            }
        }
        for (const RegionRule& region : document_.regions) {
            for (const std::string_view country : countries) {
                const bool at_home = std::find(region.countries.begin(), region.countries.end(),
                                               country) != region.countries.end();
                tables_.region_countries.push_back(at_home ? 1 : 0);
            }
        }
        tables_.home_region = tables_.regions.find(document_.head.home_region);
        OBL_ASSERT(tables_.home_region != kNoIndex);
    }

    SlotId slot_id(std::string_view name) const noexcept {
        const std::uint16_t dense = tables_.slots.find(name);
        OBL_ASSERT(dense != kNoIndex);
        return SlotId{tables_.slots.id_of(dense)};
    }

    void build_keep() {
        tables_.abroad_switch = slot_id(kAbroadSwitch);
        tables_.adult_switch = slot_id(kAdultSwitch);
        std::vector<std::uint16_t> versions{0};
        for (const SlotRule& slot : document_.slots) {
            if (slot.starts_granted()) {
                tables_.objections.set(slot_id(slot.name));
            } else {
                versions.push_back(slot.since);
            }
        }
        std::sort(versions.begin(), versions.end());
        versions.erase(std::unique(versions.begin(), versions.end()), versions.end());
        for (const std::uint16_t since : versions) {
            KeepStep step{since, tables_.objections};
            for (const SlotRule& slot : document_.slots) {
                if (!slot.starts_granted() && slot.since <= since)
                    step.keep.set(slot_id(slot.name));
            }
            tables_.keep_steps.push_back(step);
        }
    }

    void build_categories() {
        for (const FieldRule& field : document_.fields) {
            auto found = std::find(categories_.begin(), categories_.end(), field.category);
            if (found == categories_.end()) {
                tables_.category_ids.push_back(ids_.id_of(NameKind::category, field.category));
                categories_.push_back(field.category);
                found = categories_.end() - 1;
            }
            tables_.category_of.push_back(static_cast<std::uint16_t>(found - categories_.begin()));
        }
    }

    EndingRun add_run(std::string_view category, std::string_view purpose) {
        EndingRun run{static_cast<std::uint32_t>(tables_.endings.size()), 0};
        for (const RetentionRule& rule : document_.retention) {
            if (rule.category != category) continue;
            if (rule.purpose != "*" && rule.purpose != purpose) continue;
            tables_.endings.push_back({rule.keep, rule.from});
            ++run.count;
        }
        return run;
    }

    bool has_rule(std::string_view category, std::string_view purpose) const {
        return std::any_of(document_.retention.begin(), document_.retention.end(),
                           [&](const RetentionRule& rule) {
                               return rule.category == category && rule.purpose == purpose;
                           });
    }

    bool uses(const PurposeRule& purpose, std::string_view category) const {
        return std::any_of(purpose.fields.begin(), purpose.fields.end(), [&](const auto& pair) {
            const std::uint16_t field = tables_.fields.find(pair.first);
            return field != kNoIndex && document_.fields[field].category == category;
        });
    }

    // Purposes without a rule of their own share the run of the "*" rules, so that the table stays
    // as small as the document.
    void build_pairs() {
        const std::size_t width = categories_.size();
        tables_.pair_endings.resize(document_.purposes.size() * width);
        tables_.category_pairs.resize(width);
        for (std::size_t category = 0; category < width; ++category) {
            const EndingRun shared = add_run(categories_[category], "");
            auto& pairs = tables_.category_pairs[category];
            bool shared_used = false;
            for (std::size_t purpose = 0; purpose < document_.purposes.size(); ++purpose) {
                const PurposeRule& rule = document_.purposes[purpose];
                const bool own = has_rule(categories_[category], rule.name);
                const EndingRun run = own ? add_run(categories_[category], rule.name) : shared;
                tables_.pair_endings[purpose * width + category] = run;
                if (own) pairs.push_back(run);
                shared_used = shared_used || (!own && uses(rule, categories_[category]));
            }
            if (shared.count != 0 && (shared_used || pairs.empty())) pairs.push_back(shared);
        }
    }

    void build_cells() {
        const std::size_t field_count = document_.fields.size();
        tables_.cell_of.assign(document_.recipients.size() * document_.purposes.size(), kNoIndex);
        tables_.recipient_fields.assign(document_.recipients.size() * field_count, 0);
        for (std::size_t recipient = 0; recipient < document_.recipients.size(); ++recipient) {
            for (const std::string& name : document_.recipients[recipient].purposes) {
                const std::uint16_t purpose = tables_.purposes.find(name);
                OBL_ASSERT(purpose != kNoIndex);
                OBL_ASSERT(tables_.cells.size() < kNoIndex);
                tables_.cell_of[recipient * document_.purposes.size() + purpose] =
                    static_cast<std::uint16_t>(tables_.cells.size());
                add_cell(static_cast<std::uint16_t>(recipient), purpose);
            }
        }
    }

    void add_cell(std::uint16_t recipient_index, std::uint16_t purpose_index) {
        const RecipientRule& recipient = document_.recipients[recipient_index];
        const PurposeRule& purpose = document_.purposes[purpose_index];
        Cell cell;
        cell.recipient = recipient_index;
        cell.purpose = purpose_index;
        for (const std::string& need : purpose.needs) cell.need.set(slot_id(need));
        if (purpose.objection) {
            cell.need.set(slot_id(std::string{kObjectionPrefix} + purpose.name));
            cell.need.set(slot_id(kPromotionSwitch));
        }
        if (!purpose.needs.empty()) cell.guardian_slot = guardian_slot();
        if (recipient.agreement && recipient.agreement->expires) {
            cell.agreement_end = recipient.agreement->expires->seconds;
        }
        const auto country = std::find(tables_.countries.begin(), tables_.countries.end(),
                                       std::string_view{recipient.country});
        cell.country = static_cast<std::uint16_t>(country - tables_.countries.begin());
        if (recipient.cross_border && !recipient.cross_border->consent.empty()) {
            cell.cross_border_slot =
                static_cast<std::uint16_t>(slot_id(recipient.cross_border->consent));
        }
        cell.suspended = recipient.suspended;
        cell.when_restricted = purpose.when_restricted;
        cell.needs_order = purpose.basis == Basis::order;
        tables_.cells.push_back(cell);
        add_cell_fields(recipient_index, purpose);
    }

    std::uint16_t guardian_slot() const noexcept {
        for (const SlotRule& slot : document_.slots) {
            if (slot.guardian) return static_cast<std::uint16_t>(slot_id(slot.name));
        }
        return kNoIndex;
    }

    void build_linkage() {
        const std::size_t width = document_.fields.size();
        tables_.sets_with.resize(width);
        for (const std::vector<std::string>& names : document_.never_together) {
            std::vector<std::uint16_t> fields;
            for (const std::string& name : names) {
                const std::uint16_t field = tables_.fields.find(name);
                OBL_ASSERT(field != kNoIndex);
                fields.push_back(field);
                auto& sets = tables_.sets_with[field];
                sets.push_back(static_cast<std::uint16_t>(tables_.linked_sets.size()));
            }
            tables_.linked_sets.push_back(std::move(fields));
        }
        for (std::size_t recipient = 0; recipient < document_.recipients.size(); ++recipient) {
            const std::uint8_t* const shown = &tables_.recipient_fields[recipient * width];
            for (const auto& fields : tables_.linked_sets) {
                const bool all =
                    std::all_of(fields.begin(), fields.end(),
                                [&](std::uint16_t field) { return shown[field] != 0; });
                tables_.set_reachable.push_back(all ? 1 : 0);
            }
        }
    }

    void add_cell_fields(std::uint16_t recipient_index, const PurposeRule& purpose) {
        const RecipientRule& recipient = document_.recipients[recipient_index];
        for (std::size_t i = 0; i < document_.fields.size(); ++i) {
            const std::uint8_t transform = shown_as(recipient, purpose, document_.fields[i].name);
            tables_.cell_transforms.push_back(transform);
            if (transform != kNoTransform) {
                tables_.recipient_fields[recipient_index * document_.fields.size() + i] = 1;
            }
        }
    }

    static const std::string* find_pair(const NamePairs& pairs, std::string_view name) noexcept {
        const auto found = std::find_if(pairs.begin(), pairs.end(),
                                        [name](const auto& pair) { return pair.first == name; });
        return found == pairs.end() ? nullptr : &found->second;
    }

    std::uint8_t transform_index(const std::string& name) const {
        const std::uint16_t index = tables_.transforms.find(name);
        OBL_ASSERT(index < kNoTransform);
        return static_cast<std::uint8_t>(index);
    }

    // The stricter of the purpose's transform and the recipient's cap; the purpose's if equal.
    std::uint8_t shown_as(const RecipientRule& recipient, const PurposeRule& purpose,
                          const std::string& field) const {
        if (recipient.fields && std::find(recipient.fields->begin(), recipient.fields->end(),
                                          field) == recipient.fields->end()) {
            return kNoTransform;
        }
        const std::string* const named = find_pair(purpose.fields, field);
        if (named == nullptr && !purpose.all_fields) return kNoTransform;
        const std::uint8_t shown = transform_index(named != nullptr ? *named : *purpose.all_fields);
        const std::string* const cap = find_pair(recipient.cap, field);
        if (cap == nullptr) return shown;
        const std::uint8_t capped = transform_index(*cap);
        return tables_.transform_ranks[capped] < tables_.transform_ranks[shown] ? capped : shown;
    }

    const Document& document_;
    NameIds& ids_;
    std::vector<std::string_view> categories_;
    GateTables tables_;
};

}  // namespace

void NameTable::add(std::string_view name, std::uint16_t id) {
    OBL_ASSERT(id != kNoIndex);
    const auto dense = static_cast<std::uint16_t>(ids_.size());
    by_name_.emplace_back(name, dense);
    ids_.push_back(id);
    if (by_id_.size() <= id) by_id_.resize(std::size_t{id} + 1, kNoIndex);
    OBL_ASSERT(by_id_[id] == kNoIndex);  // two names never share a number
    by_id_[id] = dense;
}

void NameTable::sort() {
    std::sort(by_name_.begin(), by_name_.end());
}

std::uint16_t NameTable::find(std::string_view name) const noexcept {
    const auto found =
        std::lower_bound(by_name_.begin(), by_name_.end(), name,
                         [](const auto& entry, std::string_view key) { return entry.first < key; });
    return found != by_name_.end() && found->first == name ? found->second : kNoIndex;
}

std::uint16_t NameTable::find_id(std::uint16_t id) const noexcept {
    return id < by_id_.size() ? by_id_[id] : kNoIndex;
}

GateTables build_tables(std::shared_ptr<const Document> document, NameIds& ids) {
    return TableBuilder{std::move(document), ids}.build();
}

}  // namespace oubliette::policy
