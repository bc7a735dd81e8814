#include "vault/disclosing.hpp"

namespace oubliette {
namespace {

std::uint16_t step(unsigned number) noexcept {
    return static_cast<std::uint16_t>(1U << (number - 1));
}

}  // namespace

std::uint16_t failed_step_bit(Refusal refusal) noexcept {
    switch (refusal) {
    case Refusal::not_found: return step(1);
    case Refusal::purpose_unknown: return step(2);
    case Refusal::purpose_not_allowed: return step(3);
    case Refusal::recipient_suspended:
    case Refusal::agreement_expired: return step(4);
    case Refusal::field_not_necessary: return step(5);
    case Refusal::erased:
    case Refusal::paused:
    case Refusal::restricted:
    case Refusal::held: return step(7);
    case Refusal::cross_border_blocked:
    case Refusal::cross_border_no_consent: return step(8);
    case Refusal::consent_missing:
    case Refusal::consent_stale: return step(9);
    case Refusal::consent_expired: return step(10);
    case Refusal::order_required:
    case Refusal::order_needs_approval:
    case Refusal::order_scope:
    case Refusal::order_expired: return step(11);
    case Refusal::retention_ended: return step(12);
    case Refusal::subject_budget: return step(13);
    case Refusal::malformed:
    case Refusal::unauthenticated:
    case Refusal::role_denied:
    case Refusal::wrong_state:
    case Refusal::version_not_current:
    case Refusal::too_large:
    case Refusal::value_invalid:
    case Refusal::field_unknown:
    case Refusal::slot_unknown:
    case Refusal::transform_unknown:
    case Refusal::transform_unavailable:
    case Refusal::field_not_searchable:
    case Refusal::rate_limited:
    case Refusal::match_limit:
    case Refusal::integrity:
    case Refusal::sealed:
    case Refusal::overloaded:
    case Refusal::audit_unavailable:
    case Refusal::storage_full:
    case Refusal::recipient_unknown:
    case Refusal::consent_kind:
    case Refusal::idempotency_mismatch:
    case Refusal::idempotency_in_flight:
    case Refusal::method_not_allowed:
    case Refusal::media_type:
    case Refusal::same_approver:
    case Refusal::needs_second:
    case Refusal::evidence_required:
    case Refusal::hold_too_wide:
    case Refusal::identity_not_proved:
    case Refusal::proof_not_independent:
    case Refusal::suppressed:
    case Refusal::fee_or_refuse:
    case Refusal::token_kind_unknown: return 0;
    }
    return 0;
}

Disclosing::Disclosing(Core& core, const Caller& caller, audit::Action action,
                       std::string_view purpose, std::string_view want)
    : core_(core),
      caller_(caller),
      action_(action),
      gate_(core.policies->current()),
      now_(core.now()),
      ticket_(std::make_shared<keys::KeyPlane::Gate>(*core.plane)),
      view_(core.read_for_disclosure()) {
    if (!gate_) {
        throw Fault{FaultKind::configuration,
                    "the newest policy of this copy is older than one already published; publish "
                    "the current policy again"};
    }
    const policy::RecipientRule* const recipient = gate_->recipient_rule(caller.recipient);
    is_outside_ = recipient != nullptr && recipient->kind != policy::RecipientKind::internal;
    const auto cell = gate_->resolve(caller.recipient, purpose, now_);
    if (!cell) {
        refusal_ = cell.error();
    } else {
        cell_ = *cell;
    }
    if (!want.empty()) {
        want_ = gate_->find_transform(want);
        if (!want_ && !refusal_) refusal_ = Refusal::transform_unknown;
    }
}

Result<tokens::TokenPayload> Disclosing::open_token(std::string_view text) {
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
    const bool is_over = payload->expiry.seconds != 0 && now_ >= payload->expiry;
    if (is_over) return Refusal::not_found;
    return *payload;
}

std::optional<Refusal> Disclosing::check_field(policy::FieldId field) const {
    if (refusal_) return refusal_;
    const auto transform = gate_->field(cell_, field, want_);
    if (!transform) return transform.error();
    return std::nullopt;
}

const Result<policy::SubjectState>& Disclosing::state_of(keys::SubjectNumber number) {
    if (last_number_ != number) {
        last_state_ = core_.people->load_state(*view_, *gate_, number, last_pseudonym_key_);
        last_number_ = number;
    }
    return last_state_;
}

Result<people::OpenedValue> Disclosing::permit(keys::SubjectNumber number, policy::FieldId field,
                                               std::uint32_t salt32) {
    if (const auto refusal = check_field(field)) return *refusal;
    const auto& state = state_of(number);
    if (!state) return state.error();
    const auto expired = [&] { return core_.people->expired_slots(*view_, number, now_); };
    if (const auto refusal = gate_->person(cell_, *state, now_, expired)) return *refusal;
    auto opened = core_.people->open_value(*view_, number, field, salt32);
    if (!opened) return opened.error();
    const auto refusal = gate_->value(cell_, field, *state, opened->value.collected, now_);
    if (refusal) return *refusal;
    return opened;
}

Result<Disclosed> Disclosing::disclose(keys::SubjectNumber number, policy::FieldId field,
                                       std::uint32_t salt32) {
    const auto opened = permit(number, field, salt32);
    if (!opened) return opened.error();
    const auto transform = gate_->field(cell_, field, want_);
    OBL_ASSERT(transform.has_value());  // permit() asked already
    const policy::TransformRule& rule = gate_->transform_rule(*transform);
    policy::PseudonymKey key;
    if (rule.kind == policy::TransformKind::pseudonym) {
        const bool is_shared = rule.pseudonym_scope == policy::PseudonymScope::per_tenant;
        key = core_.pseudonym_key(is_shared ? policy::RecipientId{} : caller_.recipient);
    }
    auto shown = policy::apply_transform(rule, gate_->field_rule(field)->type, opened->value.kind,
                                         opened->value.text, key);
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
    if (!refusal_ || refusal_ == Refusal::transform_unknown) {
        entry.purpose = static_cast<std::uint16_t>(gate_->purpose_of(cell_));
    }
    entry.policy_version = gate_->version();
    entry.field = field;
    if (refusal) entry.failed_steps = failed_step_bit(*refusal);
    const bool shows = action_ == audit::Action::detokenize || action_ == audit::Action::read;
    if (shows && !refusal && is_outside_) {
        noted.pending.told = static_cast<std::uint16_t>(caller_.recipient);
    }
}

void Disclosing::finish(std::function<void(const Fault*)> done) {
    view_.reset();
    core_.audit_then(std::move(entries_), [ticket = std::move(ticket_), done = std::move(done)](
                                              const Fault* fault) { done(fault); });
}

}  // namespace oubliette
