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

SlotMask operator&(const SlotMask& a, const SlotMask& b) noexcept {
    return {a.low & b.low, a.high & b.high};
}
SlotMask without(const SlotMask& a, const SlotMask& b) noexcept {
    return {a.low & ~b.low, a.high & ~b.high};
}
bool any(const SlotMask& mask) noexcept {
    return (mask.low | mask.high) != 0;
}

// What steps 8-10 work on.
struct ConsentView {
    SlotMask have;
    SlotMask need;  // of the purpose, and of the border if it is crossed
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

    const FieldRule* field_rule(FieldId field) const noexcept override {
        return rule(t_.fields, t_.document->fields, static_cast<std::uint16_t>(field));
    }
    const SlotRule* slot_rule(SlotId slot) const noexcept override {
        return rule(t_.slots, t_.document->slots, static_cast<std::uint16_t>(slot));
    }
    const RecipientRule* recipient_rule(RecipientId recipient) const noexcept override {
        return rule(t_.recipients, t_.document->recipients, static_cast<std::uint16_t>(recipient));
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
    std::optional<Refusal> value(CellIndex cell, FieldId field, const SubjectState& state,
                                 Timestamp collected, Timestamp now) const noexcept override;
    bool has_ended(FieldId field, const SubjectState& state, Timestamp collected,
                   Timestamp now) const noexcept override;
    std::optional<Refusal> write(CellIndex cell, const SubjectState& state, Timestamp now,
                                 FunctionRef<SlotMask()> expired_slots) const noexcept override;
    std::vector<Refusal> explain(const DecisionCase& question) const override;

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
    std::optional<Refusal> check_consent(const Cell& cell, const SubjectState& state,
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
    ConsentView view{live_grants(state), cell.need, crosses_border(cell, state)};
    if (view.crosses_border && cell.cross_border_slot != kNoIndex) {
        view.need.set(SlotId{cell.cross_border_slot});
    }
    return view;
}

std::optional<Refusal> CompiledGate::check_border(const Cell& cell,
                                                  const ConsentView& view) const noexcept {
    if (!view.crosses_border) return std::nullopt;
    if (cell.cross_border_slot == kNoIndex) return Refusal::cross_border_blocked;
    if (!view.have.has(SlotId{cell.cross_border_slot})) return Refusal::cross_border_no_consent;
    return std::nullopt;
}

std::optional<Refusal> CompiledGate::check_consent(const Cell& cell, const SubjectState& state,
                                                   const ConsentView& view) const noexcept {
    const SlotMask missing = without(cell.need, view.have);
    if (!any(missing)) return std::nullopt;
    // One slot never granted is enough: renewing the lapsed ones would not open the purpose.
    return any(without(missing, state.granted)) ? Refusal::consent_missing : Refusal::consent_stale;
}

std::optional<Refusal> CompiledGate::check_consents(
    const Cell& cell, const SubjectState& state, Timestamp now,
    FunctionRef<SlotMask()> expired_slots) const noexcept {
    const ConsentView view = consent_view(cell, state);
    if (const auto refusal = check_border(cell, view)) return refusal;
    if (const auto refusal = check_consent(cell, state, view)) return refusal;
    if (state.earliest_expiry == 0 || now.seconds < state.earliest_expiry) return std::nullopt;
    if (any(view.need & expired_slots())) return Refusal::consent_expired;
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

std::vector<Refusal> CompiledGate::explain(const DecisionCase& question) const {
    const std::uint16_t purpose = t_.purposes.find(question.purpose);
    if (purpose == kNoIndex) return {Refusal::purpose_unknown};
    const std::uint16_t index = find_cell(question.recipient, purpose);
    if (index == kNoIndex) return {Refusal::purpose_not_allowed};
    const Cell& cell = t_.cells[index];
    std::vector<Refusal> refusals;
    const auto add = [&](std::optional<Refusal> refusal) {
        if (refusal) refusals.push_back(*refusal);
    };
    if (cell.suspended) add(Refusal::recipient_suspended);
    if (question.now.seconds >= cell.agreement_end) add(Refusal::agreement_expired);
    const auto shown = field({index}, question.field, std::nullopt);
    if (shown.has_error()) add(shown.error());
    add(check_state(cell, question.subject));
    const ConsentView view = consent_view(cell, question.subject);
    add(check_border(cell, view));
    add(check_consent(cell, question.subject, view));
    if (any(view.need & question.expired & view.have)) add(Refusal::consent_expired);
    if (cell.needs_order) add(Refusal::order_required);
    if (dense_field(question.field) != kNoIndex) {
        add(value({index}, question.field, question.subject, question.collected, question.now));
    }
    return refusals;
}

}  // namespace

void SlotMask::set(SlotId slot) noexcept {
    const auto bit = static_cast<std::uint16_t>(slot);
    OBL_ASSERT(bit <= kSlotIdMax);
    (bit < 64 ? low : high) |= std::uint64_t{1} << (bit % 64);
}

void SlotMask::clear(SlotId slot) noexcept {
    const auto bit = static_cast<std::uint16_t>(slot);
    OBL_ASSERT(bit <= kSlotIdMax);
    (bit < 64 ? low : high) &= ~(std::uint64_t{1} << (bit % 64));
}

bool SlotMask::has(SlotId slot) const noexcept {
    const auto bit = static_cast<std::uint16_t>(slot);
    OBL_ASSERT(bit <= kSlotIdMax);
    return ((bit < 64 ? low : high) >> (bit % 64) & 1) != 0;
}

std::shared_ptr<const Gate> Gate::compile(std::shared_ptr<const Document> document, NameIds& ids) {
    return std::make_shared<const CompiledGate>(build_tables(std::move(document), ids));
}

}  // namespace oubliette::policy
