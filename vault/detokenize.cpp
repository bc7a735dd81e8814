#include "vault/disclosing.hpp"

namespace oubliette {
namespace {

std::uint8_t rank_of(const policy::Gate& gate, const Disclosed& disclosed) {
    const auto transform = gate.find_transform(disclosed.transform);
    return transform ? static_cast<std::uint8_t>(
                           policy::strictness_rank(gate.transform_rule(*transform).kind))
                     : std::uint8_t{0};
}

// Which values of a field to show. A field without any is asked for all the same, so that the
// policy's refusal comes before the news that there is nothing.
std::vector<std::uint32_t> salts_of(Core& core, Disclosing& disclosing, keys::SubjectNumber number,
                                    policy::FieldId field) {
    std::vector<std::uint32_t> salts;
    if (disclosing.gate()->field_rule(field)->many_values()) {
        for (const auto& value : core.people->open_values(disclosing.view(), number, field)) {
            salts.push_back(value.salt32);
        }
    }
    if (salts.empty()) salts.push_back(0);
    return salts;
}

// `number` is looked up once, but only for a caller who may see a field at all.
ReadItem read_field(Core& core, Disclosing& disclosing, std::string_view subject,
                    std::string_view name, std::optional<Result<keys::SubjectNumber>>& number) {
    ReadItem item;
    item.field = name;
    const auto field = disclosing.gate()->find_field(name);
    item.refusal = field ? disclosing.check_field(*field) : std::optional{Refusal::field_unknown};
    if (item.refusal) return item;
    if (!number) number.emplace(core.find_number(disclosing.view(), subject));
    if (!*number) {
        item.refusal = number->error();
        return item;
    }
    for (const std::uint32_t salt : salts_of(core, disclosing, **number, *field)) {
        auto shown = disclosing.disclose(**number, *field, salt);
        if (shown) {
            item.values.push_back(std::move(*shown));
        } else {
            item.refusal = shown.error();
        }
    }
    // What is shown is a disclosure and is recorded as one, also when another value has ended.
    if (!item.values.empty()) item.refusal.reset();
    return item;
}

// Hands the answer out when the audit entries are durable.
template <class Answer>
void answer_after_audit(Disclosing& disclosing, std::shared_ptr<Answer> answer, Done<Answer> done) {
    disclosing.finish([answer = std::move(answer), done = std::move(done)](
                          const Fault* fault, const std::vector<std::size_t>&) {
        if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
        done(std::move(*answer), nullptr);
    });
}

}  // namespace

void Vault::detokenize(const Caller& caller, const DetokenizeRequest& request,
                       Done<DetokenizeAnswer> done) {
    Disclosing disclosing{*core_,          caller,       audit::Action::detokenize,
                          request.purpose, request.want, request.order};
    auto answer = std::make_shared<DetokenizeAnswer>();
    answer->gate = disclosing.gate();
    answer->items.reserve(request.tokens.size());
    disclosing.reserve(request.tokens.size());
    for (const std::string_view text : request.tokens) {
        const auto token = disclosing.open_token(text);
        if (!token) {
            disclosing.note(std::nullopt, 0, token.error());
            answer->items.emplace_back(token.error());
            continue;
        }
        auto shown =
            disclosing.disclose(token->subject, policy::FieldId{token->field}, token->salt32);
        if (shown) {
            disclosing.note(token->subject, token->field, std::nullopt,
                            rank_of(*answer->gate, *shown));
            if (token->one_time) disclosing.use_up(*token->one_time);
            answer->items.emplace_back(std::move(*shown));
        } else {
            disclosing.note(token->subject, token->field, shown.error());
            answer->items.emplace_back(shown.error());
        }
    }
    answer->retry_after = disclosing.retry_after();
    disclosing.finish([answer = std::move(answer), done = std::move(done)](
                          const Fault* fault, const std::vector<std::size_t>& lost) {
        if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
        // Each item has noted exactly one entry.
        for (const std::size_t item : lost) answer->items[item] = Refusal::token_used;
        done(std::move(*answer), nullptr);
    });
}

void Vault::read(const Caller& caller, const ReadRequest& request, Done<ReadAnswer> done) {
    Disclosing disclosing{*core_, caller, audit::Action::read, request.purpose, {}, request.order};
    auto answer = std::make_shared<ReadAnswer>();
    answer->gate = disclosing.gate();
    std::optional<Result<keys::SubjectNumber>> number;
    for (const std::string_view name : request.fields) {
        const auto field = answer->gate->find_field(name);
        ReadItem item = read_field(*core_, disclosing, request.subject, name, number);
        const std::uint8_t rank =
            item.values.empty() ? std::uint8_t{0} : rank_of(*answer->gate, item.values.front());
        const bool is_known = number && *number;
        disclosing.note(is_known ? std::optional{**number} : std::nullopt,
                        field ? static_cast<std::uint16_t>(*field) : std::uint16_t{0}, item.refusal,
                        rank);
        answer->items.push_back(std::move(item));
    }
    const bool is_person_missing = number && !*number;
    if (!is_person_missing) {
        return answer_after_audit(disclosing, std::move(answer), std::move(done));
    }
    disclosing.finish([refusal = number->error(), done = std::move(done)](
                          const Fault* fault, const std::vector<std::size_t>&) {
        done(fault == nullptr ? refusal : Refusal::audit_unavailable, fault);
    });
}

}  // namespace oubliette
