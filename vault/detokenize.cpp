#include "vault/disclosing.hpp"

namespace oubliette {
namespace {

std::uint8_t rank_of(const policy::Gate& gate, const Disclosed& disclosed) {
    const auto transform = gate.find_transform(disclosed.transform);
    return transform ? static_cast<std::uint8_t>(
                           policy::strictness_rank(gate.transform_rule(*transform).kind))
                     : std::uint8_t{0};
}

// Runs `build` and hands its answer out when the audit entries are durable.
template <class Answer>
void answer_after_audit(Disclosing& disclosing, std::shared_ptr<Answer> answer,
                        Done<Answer> done) {
    disclosing.finish([answer = std::move(answer), done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
        done(std::move(*answer), nullptr);
    });
}

}  // namespace

void Vault::detokenize(const Caller& caller, const DetokenizeRequest& request,
                       Done<DetokenizeAnswer> done) {
    Disclosing disclosing{*core_, caller, audit::Action::detokenize, request.purpose,
                          request.want};
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
        auto shown = disclosing.disclose(token->subject, policy::FieldId{token->field},
                                         token->salt32);
        if (shown) {
            disclosing.note(token->subject, token->field, std::nullopt,
                            rank_of(*answer->gate, *shown));
            answer->items.emplace_back(std::move(*shown));
        } else {
            disclosing.note(token->subject, token->field, shown.error());
            answer->items.emplace_back(shown.error());
        }
    }
    answer_after_audit(disclosing, std::move(answer), std::move(done));
}

void Vault::read(const Caller& caller, const ReadRequest& request, Done<ReadAnswer> done) {
    Disclosing disclosing{*core_, caller, audit::Action::read, request.purpose, {}};
    auto answer = std::make_shared<ReadAnswer>();
    answer->gate = disclosing.gate();
    // The person is looked up once, but only for a caller who may see a field at all.
    std::optional<Result<keys::SubjectNumber>> number;
    bool is_anything_known = false;
    Refusal person_refusal = Refusal::not_found;
    for (const std::string_view name : request.fields) {
        ReadItem item;
        item.field = name;
        const auto field = disclosing.gate()->find_field(name);
        if (!field) {
            item.refusal = Refusal::field_unknown;
        } else {
            item.refusal = disclosing.check_field(*field);
        }
        if (!item.refusal && !number) {
            number.emplace(core_->find_number(disclosing.view(), request.subject));
        }
        if (!item.refusal && !*number) {
            item.refusal = person_refusal = number->error();
        } else if (!item.refusal) {
            is_anything_known = true;
            const bool is_many = disclosing.gate()->field_rule(*field)->many_values();
            std::vector<std::uint32_t> salts{0};
            if (is_many) {
                salts.clear();
                for (const auto& value :
                     core_->people->open_values(disclosing.view(), **number, *field)) {
                    salts.push_back(value.salt32);
                }
                if (salts.empty()) item.refusal = Refusal::not_found;
            }
            for (const std::uint32_t salt : salts) {
                auto shown = disclosing.disclose(**number, *field, salt);
                if (shown) {
                    item.values.push_back(std::move(*shown));
                } else {
                    item.refusal = shown.error();
                }
            }
        }
        const std::uint8_t rank =
            item.values.empty() ? std::uint8_t{0} : rank_of(*answer->gate, item.values.front());
        const bool is_known = number && *number;
        disclosing.note(is_known ? std::optional{**number} : std::nullopt,
                        field ? static_cast<std::uint16_t>(*field) : std::uint16_t{0},
                        item.refusal, rank);
        answer->items.push_back(std::move(item));
    }
    const bool is_person_missing = number && !*number && !is_anything_known;
    if (!is_person_missing) return answer_after_audit(disclosing, std::move(answer), std::move(done));
    disclosing.finish([person_refusal, done = std::move(done)](const Fault* fault) {
        done(fault == nullptr ? person_refusal : Refusal::audit_unavailable, fault);
    });
}

}  // namespace oubliette
