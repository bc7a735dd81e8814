#include "vault/disclosing.hpp"

namespace oubliette {
namespace {

constexpr std::size_t kSubjectsMax = 1'000;  // in one answer

}  // namespace

void Vault::search(const Caller& caller, const SearchRequest& request, Done<SearchAnswer> done) {
    Disclosing disclosing{*core_, caller, audit::Action::search, request.purpose, {}};
    const policy::Gate& gate = *disclosing.gate();
    const auto answer = std::make_shared<SearchAnswer>();
    const auto field = gate.find_field(request.field);
    std::optional<Refusal> refusal;
    if (!field) {
        refusal = Refusal::field_unknown;
    } else {
        refusal = disclosing.check_field(*field);
    }
    const policy::FieldRule* const rule = field ? gate.field_rule(*field) : nullptr;
    if (!refusal && rule->search != policy::SearchIndex::blind_index) {
        refusal = Refusal::field_not_searchable;
    }
    const auto number = field ? static_cast<std::uint16_t>(*field) : std::uint16_t{0};
    const auto wanted = refusal ? std::nullopt : policy::normalise(*rule, request.value);
    if (wanted) {
        const auto key = index_fingerprint(core_->fingerprint(number, wanted->expose()));
        core_->index.find(number, key, [&](keys::SubjectNumber subject) {
            const auto value = disclosing.permit(subject, *field, 0);
            if (!value) return true;  // left out, as if they were not there
            const auto present = policy::normalise(*rule, value->value.text);
            const bool is_same =
                present && crypto::equal_constant_time(present->expose(), wanted->expose());
            const auto id =
                is_same ? core_->people->external_id(disclosing.view(), subject) : std::nullopt;
            if (!id || disclosing.count_subject(subject)) return true;
            disclosing.note(subject, number, std::nullopt);
            answer->subjects.push_back(*id);
            return answer->subjects.size() < kSubjectsMax;
        });
    }
    if (refusal || answer->subjects.empty()) disclosing.note(std::nullopt, number, refusal);
    disclosing.finish([answer, refusal, done = std::move(done)](const Fault* fault,
                                                                const std::vector<std::size_t>&) {
        if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
        if (refusal) return done(*refusal, nullptr);
        done(std::move(*answer), nullptr);
    });
}

void Vault::match(const Caller& caller, const MatchRequest& request, Done<bool> done) {
    Disclosing disclosing{*core_, caller, audit::Action::match, request.purpose, {}};
    const auto token = disclosing.open_token(request.token);
    Result<bool> result = Refusal::not_found;
    if (token) {
        const policy::FieldId field{token->field};
        const auto value = disclosing.permit(token->subject, field, token->salt32);
        if (!value) {
            result = value.error();
        } else if (!core_->match_limit.may_try(token->subject, token->field, disclosing.now())) {
            result = Refusal::match_limit;
        } else {
            const policy::FieldRule& rule = *disclosing.gate()->field_rule(field);
            const auto stored = policy::normalise(rule, value->value.text);
            const auto candidate = policy::normalise(rule, request.candidate);
            const bool is_match =
                stored && candidate &&
                crypto::equal_constant_time(stored->expose(), candidate->expose());
            if (is_match) core_->match_limit.right(token->subject, token->field);
            result = is_match;
        }
        disclosing.note(token->subject, token->field,
                        result ? std::nullopt : std::optional{result.error()});
    } else {
        result = token.error();
        disclosing.note(std::nullopt, 0, token.error());
    }
    disclosing.finish(
        [result, done = std::move(done)](const Fault* fault, const std::vector<std::size_t>&) {
            if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
            done(result, nullptr);
        });
}

}  // namespace oubliette
