#include "vault/disclosing.hpp"

#include "vault/policy/reasons.hpp"

namespace oubliette {
std::uint16_t failed_step_bit(Refusal refusal) noexcept {
    const unsigned step = policy::step_of(refusal);
    return step == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(1U << (step - 1));
}

std::uint16_t failed_step_bits(const policy::StepRefusals& refusals) noexcept {
    std::uint16_t bits = 0;
    for (const Refusal refusal : refusals) bits |= failed_step_bit(refusal);
    return bits;
}

Disclosing::Disclosing(Core& core, const Caller& caller, audit::Action action,
                       std::string_view purpose, std::string_view want, std::string_view order)
    : core_(core),
      caller_(caller),
      action_(action),
      gate_(core.policies->current()),
      now_(core.now()),
      ticket_(std::make_shared<keys::KeyPlane::Gate>(*core.plane)),
      view_(core.read_for_disclosure()),
      purpose_name_(purpose),
      order_(core, order) {
    if (!gate_) {
        throw Fault{FaultKind::configuration,
                    "the newest policy of this copy is older than one already published; publish "
                    "the current policy again"};
    }
    purpose_ = gate_->find_purpose(purpose);
    const policy::RecipientRule* const recipient = gate_->recipient_rule(caller.recipient);
    is_outside_ = recipient != nullptr && recipient->kind != policy::RecipientKind::internal;
    const auto cell = gate_->resolve(caller.recipient, purpose, now_);
    const bool has_cell = cell || cell.error() == Refusal::agreement_expired;
    if (has_cell && core.standing.is_suspended(caller.recipient)) {
        refusal_ = Refusal::recipient_suspended;  // by an operator; before the end of an agreement
    } else if (!cell) {
        refusal_ = cell.error();
    } else {
        cell_ = *cell;
    }
    if (!want.empty()) {
        want_ = gate_->find_transform(want);
        if (!want_ && !refusal_) refusal_ = Refusal::transform_unknown;
    }
}

Result<Disclosing::Target> Disclosing::open_token(std::string_view text) {
    if (text.starts_with(tokens::kTokenPrefix)) return open_sealed(text);
    return open_from_table(text);
}

Result<Disclosing::Target> Disclosing::open_sealed(std::string_view text) {
    tokens::TokenScope scope{core_.tenant, static_cast<std::uint16_t>(caller_.recipient), 0};
    std::optional<tokens::TokenPayload> payload;
    if (token_keys_) {  // nearly all tokens of a batch have one kid: then they are decoded once
        scope.kid = token_keys_->first;
        payload = tokens::open_token(token_keys_->second, scope, text);
    }
    if (!payload) {
        const auto kid = tokens::parse_kid(text);
        if (!kid || (token_keys_ && token_keys_->first == *kid)) return Refusal::not_found;
        auto keys = core_.token_keys(caller_.recipient, *kid);
        // Cut off: nobody can tell any more whose token it was, and this says nothing of a person.
        if (!keys) return refusal_.value_or(Refusal::erased);
        token_keys_.emplace(*kid, std::move(*keys));
        scope.kid = *kid;
        payload = tokens::open_token(token_keys_->second, scope, text);
        if (!payload) return Refusal::not_found;
    }
    if (payload->kind == tokens::TokenKind::poison) return swallow(payload->salt32 == 1);
    const bool is_over = payload->expiry.seconds != 0 && now_ >= payload->expiry;
    if (is_over) return Refusal::token_expired;
    return Target{payload->subject, payload->field, payload->salt32, std::nullopt};
}

// Whoever opened it must not notice.
Refusal Disclosing::swallow(bool ends_client) noexcept {
    poison_ = poison_.value_or(false) || ends_client;
    return Refusal::not_found;
}

Result<Disclosing::Target> Disclosing::open_from_table(std::string_view text) {
    if (!table_keys_) table_keys_ = core_.token_table->keys_of(caller_.recipient);
    if (!*table_keys_) return Refusal::not_found;
    const auto found = core_.token_table->find(*view_, **table_keys_, text);
    if (!found) return found.error();
    if (tokens::is_poison(found->row.state)) {
        return swallow(found->row.state == tokens::TableState::poison_ends_client);
    }
    const bool is_one_time = found->row.kind == tokens::TableKind::one_time;
    if (is_one_time && !core_.token_table->is_open(*found)) return Refusal::token_used;
    const bool is_over = found->row.expiry.seconds != 0 && now_ >= found->row.expiry;
    if (is_over) return Refusal::token_expired;
    return choose_member(*found);
}

// Of several people with one value token, the first who still has the value.
Result<Disclosing::Target> Disclosing::choose_member(const FoundToken& found) {
    Target target;
    target.field = found.row.field;
    if (found.row.kind == tokens::TableKind::one_time) target.one_time = found.place;
    for (const tokens::TokenMember& member : found.row.members) {
        target.subject = member.subject;
        target.salt32 = member.salt32;
        if (found.row.members.size() == 1) break;
        const policy::FieldId field{target.field};
        if (core_.people->open_value(*view_, target.subject, field, target.salt32)) break;
    }
    return target;
}

void Disclosing::use_up(const tokens::TokenRowPlace& one_time) {
    OBL_ASSERT(!entries_.empty());
    uses_.push_back({one_time, entries_.size() - 1});
}

std::optional<Refusal> Disclosing::check_field(policy::FieldId field) {
    std::optional<Refusal> refusal = refusal_;
    const bool is_blocked = purpose_ && core_.standing.is_blocked(*purpose_);
    if (!refusal) {
        const auto transform = gate_->field(cell_, field, want_);
        if (!transform) refusal = transform.error();
    }
    if (!refusal && is_blocked) refusal = Refusal::assessment_blocked;
    if (!refusal) return std::nullopt;
    // The caller gets the first; the log gets all of these steps.
    policy::DecisionCase question;
    question.recipient = caller_.recipient;
    question.purpose = purpose_name_;
    question.field = field;
    question.now = now_;
    question.is_suspended = core_.standing.is_suspended(caller_.recipient);
    question.is_blocked = is_blocked;
    question.has_person = false;
    failed_steps_ = failed_step_bits(gate_->explain(question));
    return refusal;
}

const Result<policy::SubjectState>& Disclosing::state_of(keys::SubjectNumber number) {
    if (last_number_ != number) {
        last_state_ = core_.people->load_state(*view_, *gate_, number, last_pseudonym_key_);
        last_number_ = number;
    }
    return last_state_;
}

// Steps 7-11. The policy only says that an order is needed; here is what there is.
std::optional<Refusal> Disclosing::check_person(keys::SubjectNumber number, policy::FieldId field,
                                                const policy::SubjectState& state) {
    const auto expired = [&] { return core_.people->expired_slots(*view_, number, now_); };
    const auto refusal = gate_->person(cell_, state, now_, expired);
    if (refusal != Refusal::order_required) return refusal;
    return order_.permit(*view_, number, field, now_);
}

// All of steps 7 to 11 that refuse, for the log.
std::uint16_t Disclosing::failed_person_steps(keys::SubjectNumber number, policy::FieldId field,
                                              const policy::SubjectState& state) {
    const auto expired = [&] { return core_.people->expired_slots(*view_, number, now_); };
    const auto refusals = gate_->person_refusals(cell_, state, now_, expired);
    std::uint16_t bits = failed_step_bits(refusals);
    const std::uint16_t order_bit = failed_step_bit(Refusal::order_required);
    if ((bits & order_bit) != 0 && !order_.permit(*view_, number, field, now_)) {
        bits = static_cast<std::uint16_t>(bits & ~order_bit);
    }
    return bits;
}

// Of an erased person only values under a legal hold are left, without consents or any other state:
// they are restricted, and nothing that asks for a consent sees them.
Result<people::OpenedValue> Disclosing::permit_kept(keys::SubjectNumber number,
                                                    policy::FieldId field, std::uint32_t salt32) {
    auto opened = core_.people->open_value(*view_, number, field, salt32);
    if (!opened) return Refusal::erased;
    policy::SubjectState state;
    state.home_region = opened->header.region;
    state.seen_version = gate_->version();
    state.flags = policy::SubjectState::kRestricted;
    if (const auto refusal = check_person(number, field, state)) return *refusal;
    const auto refusal = gate_->value(cell_, field, state, opened->value.collected, now_);
    if (refusal) return *refusal;
    return opened;
}

Result<people::OpenedValue> Disclosing::permit(keys::SubjectNumber number, policy::FieldId field,
                                               std::uint32_t salt32) {
    if (const auto refusal = check_field(field)) return *refusal;
    const auto& state = state_of(number);
    if (!state && state.error() == Refusal::erased) return permit_kept(number, field, salt32);
    if (!state) return state.error();
    if (const auto refusal = check_person(number, field, *state)) {
        failed_steps_ = failed_person_steps(number, field, *state);
        return *refusal;
    }
    auto opened = core_.people->open_value(*view_, number, field, salt32);
    if (!opened) return opened.error();
    const auto refusal = gate_->value(cell_, field, *state, opened->value.collected, now_);
    if (refusal) return *refusal;
    return opened;
}

std::optional<Refusal> Disclosing::count(keys::SubjectNumber number, policy::FieldId field,
                                         const policy::TransformRule& shown) {
    const bool is_dry_run = action_ == audit::Action::decide;
    // Who asks for himself gets everything together, and "there is one" brings nothing together.
    const bool is_watched =
        shown.kind != policy::TransformKind::exists && !gate_->purpose_rule(*purpose_)->request;
    const auto uptime = static_cast<std::uint32_t>(core_.clock.uptime().count());
    if (is_watched) {
        const LinkageWatch::Sighting sighting{caller_.recipient, caller_.client, number, field};
        const auto refusal = core_.linkage.see(*gate_, sighting, uptime, is_dry_run);
        if (refusal) return refusal;
    }
    if (const auto refusal = count_subject(number)) return refusal;
    return count_export(number);
}

std::optional<Refusal> Disclosing::count_subject(keys::SubjectNumber number) {
    const policy::RecipientRule* const rule = gate_->recipient_rule(caller_.recipient);
    if (rule == nullptr || !rule->subjects_per_hour) return std::nullopt;
    const auto uptime = static_cast<std::uint32_t>(core_.clock.uptime().count());
    const auto wait = core_.budgets.take(caller_.client, *rule->subjects_per_hour, number, uptime,
                                         action_ == audit::Action::decide);
    if (!wait) return std::nullopt;
    retry_after_ = *wait;
    return Refusal::subject_budget;
}

std::optional<Refusal> Disclosing::count_export(keys::SubjectNumber number) {
    const policy::RecipientRule* const rule = gate_->recipient_rule(caller_.recipient);
    if (rule == nullptr || !rule->cross_border || !rule->cross_border->people_per_year) {
        return std::nullopt;
    }
    if (passage_ || passed_ == number) return std::nullopt;  // has a place already
    const auto& state = state_of(number);
    // Erased but for what a legal hold keeps. Without consents step 8 let nothing of it go abroad.
    if (!state) return std::nullopt;
    if (!gate_->leaves_home(cell_, *state)) return std::nullopt;
    OBL_ASSERT(last_pseudonym_key_.has_value());  // the person is there
    auto passage = core_.exports.pass(*view_, caller_.recipient, *last_pseudonym_key_,
                                      *rule->cross_border->people_per_year, now_);
    if (!passage) return passage.error();
    if (action_ != audit::Action::decide) passage_ = std::move(*passage);
    return std::nullopt;
}

Result<Disclosed> Disclosing::disclose(keys::SubjectNumber number, policy::FieldId field,
                                       std::uint32_t salt32) {
    const auto opened = permit(number, field, salt32);
    if (!opened) return opened.error();
    const auto transform = gate_->field(cell_, field, want_);
    OBL_ASSERT(transform.has_value());  // permit() asked already
    const policy::TransformRule& rule = gate_->transform_rule(*transform);
    if (const auto refusal = count(number, field, rule)) return *refusal;
    policy::PseudonymKey key;
    if (rule.kind == policy::TransformKind::pseudonym) {
        const bool is_shared = rule.pseudonym_scope == policy::PseudonymScope::per_tenant;
        key = core_.pseudonym_key(is_shared ? policy::RecipientId{} : caller_.recipient);
    }
    auto shown = policy::apply_transform(rule, gate_->field_rule(field)->type, opened->value.kind,
                                         opened->value.text, key, now_);
    if (!shown) return shown.error();
    Disclosed disclosed;
    disclosed.field = gate_->name_of(field);
    disclosed.transform = gate_->name_of(*transform);
    disclosed.value = std::move(*shown);
    return disclosed;
}

void Disclosing::note(std::optional<keys::SubjectNumber> subject, std::uint16_t field,
                      std::optional<Refusal> refusal, std::uint8_t transform) {
    DisclosureEntry& noted = entries_.emplace_back();
    noted.pending.subject = subject;
    const bool has_key = subject && last_number_ == subject && last_pseudonym_key_;
    if (has_key) noted.pseudonym_key = last_pseudonym_key_->duplicate();
    audit::Entry& entry = noted.pending.entry;
    entry.action = action_;
    entry.refusal = refusal;
    entry.transform = transform;
    entry.time = now_;
    entry.actor = caller_.client;
    entry.recipient = static_cast<std::uint16_t>(caller_.recipient);
    if (purpose_) entry.purpose = static_cast<std::uint16_t>(*purpose_);
    entry.policy_version = gate_->version();
    entry.field = field;
    if (order_.id()) entry.object = *order_.id();
    if (refusal) {
        entry.failed_steps = static_cast<std::uint16_t>(failed_steps_ | failed_step_bit(*refusal));
    }
    failed_steps_ = 0;
    if (passage_ && !refusal) {
        passed_ = subject;
        noted.passage = std::move(passage_);
    }
    passage_.reset();
    const bool shows = action_ == audit::Action::detokenize || action_ == audit::Action::read;
    if (shows && !refusal && is_outside_) {
        noted.pending.told = static_cast<std::uint16_t>(caller_.recipient);
    }
}

void Disclosing::finish(Finished done) {
    view_.reset();
    const auto lost = std::make_shared<std::vector<std::size_t>>();
    if (poison_) {
        note(std::nullopt, 0, std::nullopt);
        entries_.back().pending.entry.action = audit::Action::poison_opened;
    }
    const auto told = [&core = core_, ticket = std::move(ticket_), lost, poison = poison_,
                       client = caller_.client, done = std::move(done)](const Fault* fault) {
        if (poison) core.raise_poison_alarm(client, *poison);
        done(fault, *lost);
    };
    if (uses_.empty()) return core_.audit_then(std::move(entries_), told);
    // Committed before the value leaves: of two openings at one instant the later finds it used.
    const auto use = [&core = core_, lost, uses = std::move(uses_), recipient = caller_.recipient](
                         store::WriteView& view, std::vector<DisclosureEntry>& entries) {
        lost->clear();
        const auto keys = core.token_table->keys_of(recipient);
        for (const Use& one : uses) {
            audit::Entry& entry = entries[one.entry].pending.entry;
            const bool is_ours = keys && core.token_table->use_up(view, *keys, one.token);
            entry.refusal = is_ours ? std::nullopt : std::optional{Refusal::token_used};
            entry.failed_steps = is_ours ? std::uint16_t{0} : failed_step_bit(Refusal::token_used);
            if (!is_ours) lost->push_back(one.entry);
        }
    };
    core_.use_then(std::move(entries_), use, told);
}

}  // namespace oubliette
