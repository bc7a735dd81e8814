#pragma once

#include "vault/core.hpp"
#include "vault/orders.hpp"

// One reading request: what is resolved once (gate, cell, want, snapshot), and the decision of
// MISSION 3.1 for each item, with its audit entry. Belongs to one thread and one request; the
// snapshot is gone before anybody waits for the audit commit. Internal to vault/.

namespace oubliette {

class Disclosing {
public:
    // REQUIRES: core.policies->current() exists (else Fault{configuration}).
    // `order`: id of a disclosure order, for purposes that need one.
    Disclosing(Core& core, const Caller& caller, audit::Action action, std::string_view purpose,
               std::string_view want, std::string_view order = {});

    // Steps 2-4, the same for all items.
    [[nodiscard]] const std::optional<Refusal>& refusal() const noexcept { return refusal_; }

    // Room for so many items, so that keys are not moved about.
    void reserve(std::size_t item_count) { entries_.reserve(item_count); }

    // What a token points to.
    struct Target {
        keys::SubjectNumber subject;
        std::uint16_t field = 0;
        std::uint32_t salt32 = 0;
        std::optional<tokens::TokenRowPlace> one_time;  // to be used up
    };
    // Step 1: the caller's own token. Refuses: not_found, token_expired, token_used, erased (a
    // handle of somebody who was erased; or the caller's recipient was cut off from all sealed
    // tokens of that time; only after steps 2-4 and 6).
    [[nodiscard]] Result<Target> open_token(std::string_view text);
    // The last entry noted is of a value that leaves only if this token is not used yet: finish()
    // uses it up in the transaction of the entry.
    void use_up(const tokens::TokenRowPlace& one_time);

    // Steps 2-14 for one value of one person, and the value as the policy shows it.
    // `salt32` 0: the field's present value.
    [[nodiscard]] Result<Disclosed> disclose(keys::SubjectNumber number, policy::FieldId field,
                                             std::uint32_t salt32);
    // The same, but the value as stored, for comparing inside the vault only.
    [[nodiscard]] Result<people::OpenedValue> permit(keys::SubjectNumber number,
                                                     policy::FieldId field, std::uint32_t salt32);

    // Steps 2-6 for a field, before any person is looked at.
    [[nodiscard]] std::optional<Refusal> check_field(policy::FieldId field);
    // Step 13 for a person who is found rather than read (search).
    [[nodiscard]] std::optional<Refusal> count_subject(keys::SubjectNumber number);
    // Seconds until the budget of people has room again; 0 unless step 13 refused for it.
    [[nodiscard]] std::uint32_t retry_after() const noexcept { return retry_after_; }

    // One audit entry for one item.
    void note(std::optional<keys::SubjectNumber> subject, std::uint16_t field,
              std::optional<Refusal> refusal, std::uint8_t transform = 0);

    // Ends the snapshot, uses up what use_up() named, and makes the entries durable; then `done`.
    // `lost`: entries, by their order, whose one-time token somebody else had used by then.
    using Finished = std::function<void(const Fault*, const std::vector<std::size_t>& lost)>;
    void finish(Finished done);

    [[nodiscard]] const std::shared_ptr<const policy::Gate>& gate() const noexcept { return gate_; }
    [[nodiscard]] const store::ReadView& view() const noexcept { return *view_; }
    [[nodiscard]] Timestamp now() const noexcept { return now_; }

private:
    [[nodiscard]] Refusal swallow(bool ends_client) noexcept;
    [[nodiscard]] Result<Target> open_sealed(std::string_view text);
    [[nodiscard]] Result<Target> open_from_table(std::string_view text);
    [[nodiscard]] Result<Target> choose_member(const FoundToken& found);
    [[nodiscard]] const Result<policy::SubjectState>& state_of(keys::SubjectNumber number);
    [[nodiscard]] std::optional<Refusal> check_person(keys::SubjectNumber number,
                                                      policy::FieldId field,
                                                      const policy::SubjectState& state);
    [[nodiscard]] std::uint16_t failed_person_steps(keys::SubjectNumber number,
                                                    policy::FieldId field,
                                                    const policy::SubjectState& state);
    [[nodiscard]] Result<people::OpenedValue> permit_kept(keys::SubjectNumber number,
                                                          policy::FieldId field,
                                                          std::uint32_t salt32);
    // Step 13 for a value that steps 2 to 12 allow; what is allowed counts from now on.
    [[nodiscard]] std::optional<Refusal> count(keys::SubjectNumber number, policy::FieldId field,
                                               const policy::TransformRule& shown);
    [[nodiscard]] std::optional<Refusal> count_export(keys::SubjectNumber number);

    Core& core_;
    Caller caller_;
    audit::Action action_;
    std::shared_ptr<const policy::Gate> gate_;
    Timestamp now_;
    std::shared_ptr<keys::KeyPlane::Gate> ticket_;  // an erasure is not final before this ends
    std::unique_ptr<store::ReadView> view_;
    std::string_view purpose_name_;  // as asked
    std::optional<policy::PurposeId> purpose_;
    bool is_outside_ = false;  // the caller's recipient is another company
    std::optional<Refusal> refusal_;
    policy::CellIndex cell_;
    std::uint16_t failed_steps_ = 0;  // of the item under way
    std::uint32_t retry_after_ = 0;
    std::shared_ptr<ExportCounter::Passage> passage_;  // of the item under way
    std::optional<keys::SubjectNumber> passed_;        // who has one in `entries_`
    std::optional<policy::TransformIndex> want_;
    OrderUse order_;
    std::vector<DisclosureEntry> entries_;
    struct Use {
        tokens::TokenRowPlace token;
        std::size_t entry = 0;
    };
    std::vector<Use> uses_;
    std::optional<std::optional<TokenTable::Keys>> table_keys_;  // asked for once
    std::optional<bool> poison_;  // one was opened; true: it ends the client

    // Items of one person tend to come together.
    std::optional<keys::SubjectNumber> last_number_;
    Result<policy::SubjectState> last_state_ = Refusal::not_found;
    std::optional<crypto::SubKey> last_pseudonym_key_;
    std::optional<std::pair<std::uint16_t, tokens::TokenKeys>> token_keys_;
};

// Bit of Entry::failed_steps for the step of MISSION 3.1 that refuses so; 0 if none does.
[[nodiscard]] std::uint16_t failed_step_bit(Refusal refusal) noexcept;
[[nodiscard]] std::uint16_t failed_step_bits(const policy::StepRefusals& refusals) noexcept;

}  // namespace oubliette
