#include "vault/policy/gate.hpp"

#include <algorithm>
#include <limits>

#include "crypto/assert.hpp"
#include "vault/policy/gate_tables.hpp"

namespace oubliette::policy {

namespace {

constexpr std::uint32_t kEndOfTime = std::numeric_limits<std::uint32_t>::max();
// Its day is below those that stand for the open and the hold bucket (KEYS 4.1).
static_assert(Timestamp{kEndOfTime}.seconds / 86'400 < 0xFFFE);

// What steps 8-10 work on.
struct ConsentView {
    SlotMask have;
    SlotMask need;   // of the purpose
    SlotMask asked;  // and of the border if it is crossed
    bool crosses_border = false;
};

class CompiledGate final : public Gate {
public:
    explicit CompiledGate(GateTables tables) : t_(std::move(tables)) {}

    const Document& document() const noexcept override { return *t_.document; }
    std::uint16_t version() const noexcept override { return t_.document->head.version; }

    std::optional<FieldId> find_field(std::string_view name) const noexcept override {
        return find<FieldId>(t_.fields, name);
    }
    std::optional<SlotId> find_slot(std::string_view name) const noexcept override {
        return find<SlotId>(t_.slots, name);
    }
    std::optional<RecipientId> find_recipient(std::string_view name) const noexcept override {
        return find<RecipientId>(t_.recipients, name);
    }
    std::optional<TransformIndex> find_transform(std::string_view name) const noexcept override {
        const std::uint16_t dense = t_.transforms.find(name);
        if (dense == kNoIndex) return std::nullopt;
        return TransformIndex{dense};
    }
    std::string_view name_of(FieldId field) const noexcept override {
        const FieldRule* const rule = field_rule(field);
        return rule == nullptr ? std::string_view{} : rule->name;
    }
    std::string_view name_of(SlotId slot) const noexcept override {
        const SlotRule* const rule = slot_rule(slot);
        return rule == nullptr ? std::string_view{} : rule->name;
    }
    std::string_view name_of(RecipientId recipient) const noexcept override {
        const RecipientRule* const rule = recipient_rule(recipient);
        return rule == nullptr ? std::string_view{} : rule->name;
    }
    std::string_view name_of(TransformIndex transform) const noexcept override {
        return transform_rule(transform).name;
    }
    std::string_view name_of(RetentionClassId category) const noexcept override;
    PurposeId purpose_of(CellIndex cell) const noexcept override {
        return PurposeId{t_.purposes.id_of(cell_at(cell).purpose)};
    }
    std::optional<PurposeId> find_purpose(std::string_view name) const noexcept override {
        return find<PurposeId>(t_.purposes, name);
    }

    const FieldRule* field_rule(FieldId field) const noexcept override {
        return rule(t_.fields, t_.document->fields, static_cast<std::uint16_t>(field));
    }
    const SlotRule* slot_rule(SlotId slot) const noexcept override {
        return rule(t_.slots, t_.document->slots, static_cast<std::uint16_t>(slot));
    }
    const RecipientRule* recipient_rule(RecipientId recipient) const noexcept override {
        return rule(t_.recipients, t_.document->recipients, static_cast<std::uint16_t>(recipient));
    }
    const PurposeRule* purpose_rule(PurposeId purpose) const noexcept override {
        return rule(t_.purposes, t_.document->purposes, static_cast<std::uint16_t>(purpose));
    }
    const TransformRule& transform_rule(TransformIndex transform) const noexcept override {
        OBL_ASSERT(transform.index < t_.document->transforms.size());
        return t_.document->transforms[transform.index];
    }
    RetentionClassId retention_class(FieldId field) const noexcept override {
        const std::uint16_t dense = dense_field(field);
        OBL_ASSERT(dense != kNoIndex);
        return RetentionClassId{t_.category_ids[t_.category_of[dense]]};
    }
    RegionId home_region() const noexcept override {
        return RegionId{t_.regions.id_of(t_.home_region)};
    }
    bool has_cell_with(RecipientId recipient, FieldId field) const noexcept override {
        const std::uint16_t to = t_.recipients.find_id(static_cast<std::uint16_t>(recipient));
        const std::uint16_t what = dense_field(field);
        if (to == kNoIndex || what == kNoIndex) return false;
        return t_.recipient_fields[std::size_t{to} * t_.fields.size() + what] != 0;
    }

    Result<CellIndex> resolve(RecipientId recipient, std::string_view purpose,
                              Timestamp now) const noexcept override;
    Result<TransformIndex> field(CellIndex cell, FieldId field,
                                 std::optional<TransformIndex> want) const noexcept override;
    std::optional<Refusal> person(CellIndex cell, const SubjectState& state, Timestamp now,
                                  FunctionRef<SlotMask()> expired_slots) const noexcept override;
    StepRefusals person_refusals(CellIndex cell, const SubjectState& state, Timestamp now,
                                 FunctionRef<SlotMask()> expired_slots) const noexcept override;
    std::optional<Refusal> value(CellIndex cell, FieldId field, const SubjectState& state,
                                 Timestamp collected, Timestamp now) const noexcept override;
    bool has_ended(FieldId field, const SubjectState& state, Timestamp collected,
                   Timestamp now) const noexcept override;
    std::optional<Refusal> write(CellIndex cell, const SubjectState& state, Timestamp now,
                                 FunctionRef<SlotMask()> expired_slots) const noexcept override;
    StepRefusals explain(const DecisionCase& question) const noexcept override;

    bool is_linked(RecipientId recipient, FieldId field) const noexcept override;
    bool completes_set(RecipientId recipient, FieldId field,
                       FunctionRef<bool(FieldId)> has_seen) const noexcept override;
    bool leaves_home(CellIndex cell, const SubjectState& state) const noexcept override {
        return crosses_border(cell_at(cell), state);
    }

    SlotMask live_grants(const SubjectState& state) const noexcept override;
    SlotMask objection_slots() const noexcept override { return t_.objections; }
    std::optional<std::uint16_t> known_end_day(FieldId field,
                                               Timestamp now) const noexcept override;

private:
    template <class Id>
    static std::optional<Id> find(const NameTable& table, std::string_view name) noexcept {
        const std::uint16_t dense = table.find(name);
        if (dense == kNoIndex) return std::nullopt;
        return Id{table.id_of(dense)};
    }
    template <class Rule>
    static const Rule* rule(const NameTable& table, const std::vector<Rule>& rules,
                            std::uint16_t id) noexcept {
        const std::uint16_t dense = table.find_id(id);
        return dense == kNoIndex ? nullptr : &rules[dense];
    }
    std::uint16_t dense_field(FieldId field) const noexcept {
        return t_.fields.find_id(static_cast<std::uint16_t>(field));
    }
    const Cell& cell_at(CellIndex cell) const noexcept {
        OBL_ASSERT(cell.index < t_.cells.size());
        return t_.cells[cell.index];
    }

    std::uint16_t find_cell(RecipientId recipient, std::uint16_t purpose) const noexcept;
    bool crosses_border(const Cell& cell, const SubjectState& state) const noexcept;
    ConsentView consent_view(const Cell& cell, const SubjectState& state) const noexcept;
    std::optional<Refusal> check_state(const Cell& cell, const SubjectState& state) const noexcept;
    std::optional<Refusal> check_border(const Cell& cell, const ConsentView& view) const noexcept;
    std::optional<Refusal> check_consent(const SubjectState& state,
                                         const ConsentView& view) const noexcept;
    std::optional<Refusal> check_consents(const Cell& cell, const SubjectState& state,
                                          Timestamp now,
                                          FunctionRef<SlotMask()> expired_slots) const noexcept;
    bool pair_has_ended(const EndingRun& run, const SubjectState& state, Timestamp collected,
                        Timestamp now) const noexcept;
    bool category_has_ended(std::uint16_t category, const SubjectState& state, Timestamp collected,
                            Timestamp now) const noexcept;

    GateTables t_;
};

// ---- Steps 2-6: nothing of a person.

std::uint16_t CompiledGate::find_cell(RecipientId recipient, std::uint16_t purpose) const noexcept {
    const std::uint16_t to = t_.recipients.find_id(static_cast<std::uint16_t>(recipient));
    if (to == kNoIndex) return kNoIndex;
    return t_.cell_of[std::size_t{to} * t_.purposes.size() + purpose];
}

Result<CellIndex> CompiledGate::resolve(RecipientId recipient, std::string_view purpose,
                                        Timestamp now) const noexcept {
    const std::uint16_t purpose_index = t_.purposes.find(purpose);
    if (purpose_index == kNoIndex) return Refusal::purpose_unknown;
    const std::uint16_t index = find_cell(recipient, purpose_index);
    if (index == kNoIndex) return Refusal::purpose_not_allowed;
    const Cell& cell = t_.cells[index];
    if (cell.suspended) return Refusal::recipient_suspended;
    if (now.seconds >= cell.agreement_end) return Refusal::agreement_expired;
    return CellIndex{index};
}

Result<TransformIndex> CompiledGate::field(CellIndex cell, FieldId field,
                                           std::optional<TransformIndex> want) const noexcept {
    OBL_ASSERT(cell.index < t_.cells.size());
    const std::uint16_t dense = dense_field(field);
    if (dense == kNoIndex) return Refusal::field_not_necessary;
    const std::uint8_t shown =
        t_.cell_transforms[std::size_t{cell.index} * t_.fields.size() + dense];
    if (shown == kNoTransform) return Refusal::field_not_necessary;
    if (!want) return TransformIndex{shown};
    OBL_ASSERT(want->index < t_.transform_ranks.size());
    if (t_.transform_ranks[want->index] < t_.transform_ranks[shown]) return *want;
    return TransformIndex{shown};
}

// ---- Steps 7-11: the person.

std::optional<Refusal> CompiledGate::check_state(const Cell& cell,
                                                 const SubjectState& state) const noexcept {
    // Only the person may end a pause, so no purpose passes it (MISSION 4, level L2).
    if ((state.flags & SubjectState::kPaused) != 0) return Refusal::paused;
    if ((state.flags & SubjectState::kRestricted) != 0 && !cell.when_restricted) {
        return Refusal::restricted;
    }
    return std::nullopt;
}

// A region this version no longer knows has no countries: everybody is abroad.
bool CompiledGate::crosses_border(const Cell& cell, const SubjectState& state) const noexcept {
    const std::uint16_t region =
        state.home_region == 0 ? t_.home_region : t_.regions.find_id(state.home_region);
    if (region == kNoIndex) return true;
    return t_.region_countries[std::size_t{region} * t_.countries.size() + cell.country] == 0;
}

ConsentView CompiledGate::consent_view(const Cell& cell, const SubjectState& state) const noexcept {
    ConsentView view{live_grants(state), cell.need, {}, crosses_border(cell, state)};
    const bool is_minor =
        (state.flags & SubjectState::kMinor) != 0 || !view.have.has(t_.adult_switch);
    if (is_minor && cell.guardian_slot != kNoIndex) view.need.set(SlotId{cell.guardian_slot});
    view.asked = view.need;
    if (view.crosses_border && cell.cross_border_slot != kNoIndex) {
        view.asked.set(SlotId{cell.cross_border_slot});
    }
    return view;
}

std::optional<Refusal> CompiledGate::check_border(const Cell& cell,
                                                  const ConsentView& view) const noexcept {
    if (!view.crosses_border) return std::nullopt;
    if (cell.cross_border_slot == kNoIndex) return Refusal::cross_border_blocked;
    const bool is_agreed =
        view.have.has(SlotId{cell.cross_border_slot}) && view.have.has(t_.abroad_switch);
    if (!is_agreed) return Refusal::cross_border_no_consent;
    return std::nullopt;
}

std::optional<Refusal> CompiledGate::check_consent(const SubjectState& state,
                                                   const ConsentView& view) const noexcept {
    const SlotMask missing = view.need.without(view.have);
    if (!missing.any()) return std::nullopt;
    // One slot never granted is enough: renewing the lapsed ones would not open the purpose.
    return missing.without(state.granted).any() ? Refusal::consent_missing : Refusal::consent_stale;
}

std::optional<Refusal> CompiledGate::check_consents(
    const Cell& cell, const SubjectState& state, Timestamp now,
    FunctionRef<SlotMask()> expired_slots) const noexcept {
    const ConsentView view = consent_view(cell, state);
    if (const auto refusal = check_border(cell, view)) return refusal;
    if (const auto refusal = check_consent(state, view)) return refusal;
    if (state.earliest_expiry == 0 || now.seconds < state.earliest_expiry) return std::nullopt;
    if ((view.asked & expired_slots()).any()) return Refusal::consent_expired;
    return std::nullopt;
}

std::optional<Refusal> CompiledGate::person(CellIndex cell_index, const SubjectState& state,
                                            Timestamp now,
                                            FunctionRef<SlotMask()> expired_slots) const noexcept {
    const Cell& cell = cell_at(cell_index);
    if (const auto refusal = check_state(cell, state)) return refusal;
    if (const auto refusal = check_consents(cell, state, now, expired_slots)) return refusal;
    if (cell.needs_order) return Refusal::order_required;
    return std::nullopt;
}

StepRefusals CompiledGate::person_refusals(CellIndex cell_index, const SubjectState& state,
                                           Timestamp now,
                                           FunctionRef<SlotMask()> expired_slots) const noexcept {
    const Cell& cell = cell_at(cell_index);
    const ConsentView view = consent_view(cell, state);
    StepRefusals refusals;
    refusals.add(check_state(cell, state));
    refusals.add(check_border(cell, view));
    refusals.add(check_consent(state, view));
    const bool may_be_over = state.earliest_expiry != 0 && now.seconds >= state.earliest_expiry;
    if (may_be_over && (view.asked & expired_slots() & view.have).any()) {
        refusals.add(Refusal::consent_expired);
    }
    if (cell.needs_order) refusals.add(Refusal::order_required);
    return refusals;
}

std::optional<Refusal> CompiledGate::write(CellIndex cell_index, const SubjectState& state,
                                           Timestamp now,
                                           FunctionRef<SlotMask()> expired_slots) const noexcept {
    return check_consents(cell_at(cell_index), state, now, expired_slots);
}

SlotMask CompiledGate::live_grants(const SubjectState& state) const noexcept {
    SlotMask keep;
    for (const KeepStep& step : t_.keep_steps) {
        if (step.since > state.seen_version) break;
        keep = step.keep;
    }
    return state.granted & keep;
}

// ---- Step 13: fields that no client may bring together.

bool CompiledGate::is_linked(RecipientId recipient, FieldId field) const noexcept {
    const auto has_seen = [](FieldId) { return true; };
    return completes_set(recipient, field, has_seen);
}

bool CompiledGate::completes_set(RecipientId recipient, FieldId field,
                                 FunctionRef<bool(FieldId)> has_seen) const noexcept {
    const std::uint16_t to = t_.recipients.find_id(static_cast<std::uint16_t>(recipient));
    const std::uint16_t what = dense_field(field);
    if (to == kNoIndex || what == kNoIndex) return false;
    const auto is_complete = [&](std::uint16_t set) {
        if (t_.set_reachable[std::size_t{to} * t_.linked_sets.size() + set] == 0) return false;
        const auto& fields = t_.linked_sets[set];
        return std::all_of(fields.begin(), fields.end(), [&](std::uint16_t other) {
            return other == what || has_seen(FieldId{t_.fields.id_of(other)});
        });
    };
    const auto& sets = t_.sets_with[what];
    return std::any_of(sets.begin(), sets.end(), is_complete);
}

// ---- Step 12: time.

// When `ending` began to count for this value; nullopt if that has not happened.
std::optional<Timestamp> start_of(const Ending& ending, const SubjectState& state,
                                  Timestamp collected) noexcept {
    std::uint32_t anchor = 0;
    switch (ending.from) {
    case RetentionAnchor::collected: return collected;
    case RetentionAnchor::account_closed: anchor = state.account_closed; break;
    case RetentionAnchor::last_activity: anchor = state.last_activity; break;
    case RetentionAnchor::campaign_ended: anchor = state.campaign_ended; break;
    }
    if (anchor == 0) return std::nullopt;
    return Timestamp{anchor};
}

// Within a pair the earliest end wins.
bool CompiledGate::pair_has_ended(const EndingRun& run, const SubjectState& state,
                                  Timestamp collected, Timestamp now) const noexcept {
    for (std::uint32_t i = run.first; i < run.first + run.count; ++i) {
        const auto start = start_of(t_.endings[i], state, collected);
        if (start && is_over(*start, t_.endings[i].keep, now)) return true;
    }
    return false;
}

// A category ends with the last of its pairs.
bool CompiledGate::category_has_ended(std::uint16_t category, const SubjectState& state,
                                      Timestamp collected, Timestamp now) const noexcept {
    const auto& pairs = t_.category_pairs[category];
    return !pairs.empty() && std::all_of(pairs.begin(), pairs.end(), [&](const EndingRun& run) {
        return pair_has_ended(run, state, collected, now);
    });
}

std::optional<Refusal> CompiledGate::value(CellIndex cell_index, FieldId field,
                                           const SubjectState& state, Timestamp collected,
                                           Timestamp now) const noexcept {
    const std::uint16_t dense = dense_field(field);
    OBL_ASSERT(dense != kNoIndex);
    const std::uint16_t category = t_.category_of[dense];
    const std::size_t width = t_.category_ids.size();
    const EndingRun& run = t_.pair_endings[cell_at(cell_index).purpose * width + category];
    const bool ended = run.count != 0 ? pair_has_ended(run, state, collected, now)
                                      : category_has_ended(category, state, collected, now);
    if (ended) return Refusal::retention_ended;
    return std::nullopt;
}

bool CompiledGate::has_ended(FieldId field, const SubjectState& state, Timestamp collected,
                             Timestamp now) const noexcept {
    const std::uint16_t dense = dense_field(field);
    if (dense == kNoIndex) return false;
    return category_has_ended(t_.category_of[dense], state, collected, now);
}

std::string_view CompiledGate::name_of(RetentionClassId category) const noexcept {
    for (std::size_t dense = 0; dense < t_.category_of.size(); ++dense) {
        const std::uint16_t id = t_.category_ids[t_.category_of[dense]];
        if (RetentionClassId{id} == category) return t_.document->fields[dense].category;
    }
    return {};
}

std::optional<std::uint16_t> CompiledGate::known_end_day(FieldId field,
                                                         Timestamp now) const noexcept {
    const std::uint16_t dense = dense_field(field);
    OBL_ASSERT(dense != kNoIndex);
    Timestamp latest;
    for (const EndingRun& run : t_.category_pairs[t_.category_of[dense]]) {
        Timestamp earliest{kEndOfTime};
        for (std::uint32_t i = run.first; i < run.first + run.count; ++i) {
            if (t_.endings[i].from != RetentionAnchor::collected) return std::nullopt;
            earliest = std::min(earliest, plus(now, t_.endings[i].keep));
        }
        latest = std::max(latest, earliest);
    }
    // No rule, or later than days can be numbered: the open bucket.
    if (latest.seconds == 0 || latest.seconds == kEndOfTime) return std::nullopt;
    return latest.day();
}

// ---- All of them, for officers.

StepRefusals CompiledGate::explain(const DecisionCase& question) const noexcept {
    StepRefusals refusals;
    const std::uint16_t purpose = t_.purposes.find(question.purpose);
    const std::uint16_t index =
        purpose == kNoIndex ? kNoIndex : find_cell(question.recipient, purpose);
    if (index == kNoIndex) {
        const bool is_known = purpose != kNoIndex;
        refusals.add(is_known ? Refusal::purpose_not_allowed : Refusal::purpose_unknown);
        return refusals;
    }
    const Cell& cell = t_.cells[index];
    if (cell.suspended || question.is_suspended) refusals.add(Refusal::recipient_suspended);
    if (question.now.seconds >= cell.agreement_end) refusals.add(Refusal::agreement_expired);
    const auto shown = field({index}, question.field, std::nullopt);
    if (shown.has_error()) refusals.add(shown.error());
    if (question.is_blocked) refusals.add(Refusal::assessment_blocked);
    if (!question.has_person) return refusals;
    SubjectState subject = question.subject;
    subject.earliest_expiry = question.expired.any() ? question.now.seconds : 0;
    const auto expired = [&] { return question.expired; };
    for (const Refusal refusal : person_refusals({index}, subject, question.now, expired)) {
        refusals.add(refusal);
    }
    if (question.collected && dense_field(question.field) != kNoIndex) {
        refusals.add(value({index}, question.field, subject, *question.collected, question.now));
    }
    return refusals;
}

}  // namespace

std::shared_ptr<const Gate> Gate::compile(std::shared_ptr<const Document> document, NameIds& ids) {
    return std::make_shared<const CompiledGate>(build_tables(std::move(document), ids));
}

}  // namespace oubliette::policy
