#include "vault/disclosing.hpp"

namespace oubliette {
namespace {

std::uint16_t step(unsigned number) noexcept {
    return static_cast<std::uint16_t>(1U << (number - 1));
}

}  // namespace

std::uint16_t failed_step_bit(Refusal refusal) noexcept {
    switch (refusal) {
    case Refusal::not_found:
    case Refusal::token_used:
    case Refusal::token_expired: return step(1);
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
    case Refusal::order_required: return step(11);
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
    case Refusal::token_kind_unknown:
    case Refusal::token_space_full: return 0;
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
    if (!refusal_ || refusal_ == Refusal::transform_unknown) {
        entry.purpose = static_cast<std::uint16_t>(gate_->purpose_of(cell_));
    }
    entry.policy_version = gate_->version();
    entry.field = field;
    if (refusal) entry.failed_steps = failed_step_bit(*refusal);
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
