#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/clock.hpp"
#include "vault/function_ref.hpp"
#include "vault/policy/document.hpp"
#include "vault/policy/slot_mask.hpp"
#include "vault/result.hpp"

// The compiled policy: who may see what of whom, why, and in which shape (MISSION 3). Flat tables,
// immutable, shared by all threads; deciding allocates nothing, calls nothing virtual and reads no
// clock. The order of the checks is MISSION 3.1's: a caller without the right learns nothing about
// any person, so nothing of a person is looked at before resolve() and field() have passed.

namespace oubliette::policy {

// Ids are given once per tenant and never reused (registers of KEYS 4.6), so that rows stay
// meaningful over policy versions.
enum class FieldId : std::uint16_t {};
enum class PurposeId : std::uint16_t {};
enum class RecipientId : std::uint16_t {};       // fits 14 bits; 0 = nobody
enum class RegionId : std::uint16_t {};          // 0 = none
enum class RetentionClassId : std::uint16_t {};  // one per category

// Where names get their numbers. `id_of` makes a new id for a name never seen.
enum class NameKind : std::uint8_t {
    field = 1,
    purpose = 2,
    recipient = 3,
    slot = 4,
    region = 5,
    category = 6
};
class NameIds {
public:
    virtual ~NameIds() = default;
    [[nodiscard]] virtual std::uint16_t id_of(NameKind kind, std::string_view name) = 0;
};

// What decide needs to know of a person: the 64-byte hot row (KEYS 4.2). Meta data only.
struct SubjectState {
    SlotMask granted;                   // as of seen_version
    std::uint16_t seen_version = 0;     // policy version under which `granted` was last folded
    std::uint16_t home_region = 0;      // RegionId
    std::uint8_t flags = 0;             // kPaused, kRestricted, kMinor
    std::uint32_t earliest_expiry = 0;  // of all granted slots; 0 = none expires
    // Retention anchors, 0 = not happened. `collected` is per value and lies in the value's box.
    std::uint32_t account_closed = 0;
    std::uint32_t last_activity = 0;
    std::uint32_t campaign_ended = 0;

    static constexpr std::uint8_t kPaused = 1;
    static constexpr std::uint8_t kRestricted = 2;
    static constexpr std::uint8_t kMinor = 4;
    static constexpr std::uint8_t kClosing = 8;  // account closed, and can still be reopened
    static constexpr std::uint8_t kHeld = 0x80;  // a legal hold may cover something of theirs
};

// Handles into one Gate's tables.
struct CellIndex {
    std::uint16_t index = 0;
};
struct TransformIndex {
    std::uint16_t index = 0;
};

// One question with everything it depends on, for explain().
struct DecisionCase {
    RecipientId recipient{};
    std::string_view purpose;
    FieldId field{};
    SubjectState subject;
    std::optional<Timestamp> collected;  // nullopt: no value is stored, step 12 is not asked
    Timestamp now;
    SlotMask expired;           // slots whose grant has expired by `now`
    bool is_suspended = false;  // the recipient, by an operator
    bool is_blocked = false;    // the purpose, by its assessment
    bool has_person = true;     // false: steps 7 to 12 are not asked
};

// Refusals of one question in the order of the steps.
class StepRefusals {
public:
    void add(std::optional<Refusal> refusal) noexcept {
        if (refusal) codes_.at(count_++) = *refusal;
    }
    [[nodiscard]] const Refusal* begin() const noexcept { return codes_.data(); }
    [[nodiscard]] const Refusal* end() const noexcept { return codes_.data() + count_; }

private:
    std::array<Refusal, 10> codes_{};  // two for step 4, one for each of 5 to 12
    std::size_t count_ = 0;
};

class Gate {
public:
    // Compiles a document that lints clean. REQUIRES: no lint errors.
    [[nodiscard]] static std::shared_ptr<const Gate> compile(
        std::shared_ptr<const Document> document, NameIds& ids);
    virtual ~Gate() = default;

    [[nodiscard]] virtual const Document& document() const noexcept = 0;
    [[nodiscard]] virtual std::uint16_t version() const noexcept = 0;

    // ---- Names.
    [[nodiscard]] virtual std::optional<FieldId> find_field(
        std::string_view name) const noexcept = 0;
    [[nodiscard]] virtual std::optional<SlotId> find_slot(std::string_view name) const noexcept = 0;
    [[nodiscard]] virtual std::optional<RecipientId> find_recipient(
        std::string_view name) const noexcept = 0;
    [[nodiscard]] virtual std::optional<TransformIndex> find_transform(
        std::string_view name) const noexcept = 0;
    [[nodiscard]] virtual std::string_view name_of(FieldId field) const noexcept = 0;  // "" if gone
    [[nodiscard]] virtual std::string_view name_of(SlotId slot) const noexcept = 0;
    [[nodiscard]] virtual std::string_view name_of(RecipientId recipient) const noexcept = 0;
    [[nodiscard]] virtual std::string_view name_of(TransformIndex transform) const noexcept = 0;
    [[nodiscard]] virtual std::string_view name_of(RetentionClassId category) const noexcept = 0;
    [[nodiscard]] virtual PurposeId purpose_of(CellIndex cell) const noexcept = 0;
    [[nodiscard]] virtual std::optional<PurposeId> find_purpose(
        std::string_view name) const noexcept = 0;

    // ---- Rules of things. nullptr when this version no longer has the field or slot.
    [[nodiscard]] virtual const FieldRule* field_rule(FieldId field) const noexcept = 0;
    [[nodiscard]] virtual const SlotRule* slot_rule(SlotId slot) const noexcept = 0;
    [[nodiscard]] virtual const RecipientRule* recipient_rule(
        RecipientId recipient) const noexcept = 0;
    [[nodiscard]] virtual const PurposeRule* purpose_rule(PurposeId purpose) const noexcept = 0;
    [[nodiscard]] virtual const TransformRule& transform_rule(
        TransformIndex transform) const noexcept = 0;
    [[nodiscard]] virtual RetentionClassId retention_class(FieldId field) const noexcept = 0;
    [[nodiscard]] virtual RegionId home_region() const noexcept = 0;
    // True if `recipient` has any cell that shows `field` (token.recipient of API 2).
    [[nodiscard]] virtual bool has_cell_with(RecipientId recipient,
                                             FieldId field) const noexcept = 0;

    // ---- The decision (MISSION 3.1). `now` is read once per request.
    // Steps 2-4 and 6. Refuses: purpose_unknown, purpose_not_allowed, recipient_suspended,
    // agreement_expired.
    [[nodiscard]] virtual Result<CellIndex> resolve(RecipientId recipient, std::string_view purpose,
                                                    Timestamp now) const noexcept = 0;
    // Step 5, and the transform that applies: the strictest of purpose, recipient cap and `want`;
    // of equal rank but different, the policy's. Refuses: field_not_necessary.
    [[nodiscard]] virtual Result<TransformIndex> field(
        CellIndex cell, FieldId field, std::optional<TransformIndex> want) const noexcept = 0;
    // Steps 7-11 without ERASED (the caller knows). `expired_slots` is called only when now >=
    // earliest_expiry, and returns the slots whose grant has expired. `first` as in audit: the
    // refusal of the earliest failing step; nullopt = go on.
    // Refuses: paused, restricted, cross_border_blocked, cross_border_no_consent, consent_stale,
    // consent_missing, consent_expired, order_required.
    [[nodiscard]] virtual std::optional<Refusal> person(
        CellIndex cell, const SubjectState& state, Timestamp now,
        FunctionRef<SlotMask()> expired_slots) const noexcept = 0;
    // The same, and every refusal of these steps instead of the first.
    [[nodiscard]] virtual StepRefusals person_refusals(
        CellIndex cell, const SubjectState& state, Timestamp now,
        FunctionRef<SlotMask()> expired_slots) const noexcept = 0;
    // Step 12. Refuses: retention_ended.
    [[nodiscard]] virtual std::optional<Refusal> value(CellIndex cell, FieldId field,
                                                       const SubjectState& state,
                                                       Timestamp collected,
                                                       Timestamp now) const noexcept = 0;
    // True if the value's whole category has ended for this person: no purpose may see it any more
    // and its key must die. With `collected` 0 it answers for the oldest value there could be.
    // False for a field that this version no longer has.
    [[nodiscard]] virtual bool has_ended(FieldId field, const SubjectState& state,
                                         Timestamp collected, Timestamp now) const noexcept = 0;
    // The write gate (API 2): steps 8-10 for a purpose that uses the field; resolve() and field()
    // come before. Same refusals as there.
    [[nodiscard]] virtual std::optional<Refusal> write(
        CellIndex cell, const SubjectState& state, Timestamp now,
        FunctionRef<SlotMask()> expired_slots) const noexcept = 0;

    // Steps 2-12 with every refusal, in their order, for officers (a caller gets the first). Stops
    // after purpose_unknown and purpose_not_allowed: there is no cell to ask.
    [[nodiscard]] virtual StepRefusals explain(const DecisionCase& question) const noexcept = 0;

    // ---- Step 13. What was seen and counted lives elsewhere (vault/linkage.hpp and others).
    // True if `recipient` could bring together a set of never_together that holds `field`.
    [[nodiscard]] virtual bool is_linked(RecipientId recipient, FieldId field) const noexcept = 0;
    // True if with `field` such a set would be complete. `has_seen` is asked for its other fields.
    [[nodiscard]] virtual bool completes_set(
        RecipientId recipient, FieldId field,
        FunctionRef<bool(FieldId)> has_seen) const noexcept = 0;
    // True if this person's data leaves home by this cell (step 8).
    [[nodiscard]] virtual bool leaves_home(CellIndex cell,
                                           const SubjectState& state) const noexcept = 0;

    // Grants that are still good under this version: granted & keep[seen_version].
    [[nodiscard]] virtual SlotMask live_grants(const SubjectState& state) const noexcept = 0;
    // Slots that start granted for everybody (objection purposes); withdrawn by an implicit marker.
    [[nodiscard]] virtual SlotMask objection_slots() const noexcept = 0;
    // When a value of `field` written now must die, as a day since 2020-01-01, if that is known
    // now (all its rules count from `collected`); nullopt = open bucket.
    [[nodiscard]] virtual std::optional<std::uint16_t> known_end_day(
        FieldId field, Timestamp now) const noexcept = 0;
};

}  // namespace oubliette::policy
