#include "vault/minting.hpp"
#include "vault/storing.hpp"

namespace oubliette {
namespace {

PutAnswer put_in(Writing& writing, const Caller& caller, const PutRequest& request) {
    Storing storing{writing, caller, request.purpose};
    PutAnswer answer;
    const auto minting = Minting::open(writing, caller, {}, Minting::Repeat::same_each_time);
    std::vector<policy::FieldId> fields;
    std::optional<keys::SubjectNumber> number;  // of somebody who is there
    const auto refuse = [&](std::string_view field, Refusal refusal) {
        answer.errors.push_back({field, refusal});
        storing.note(audit::Action::put, number, writing.gate->find_field(field), refusal);
    };
    const bool is_id_valid =
        !request.subject.empty() && request.subject.size() <= people::kExternalIdSizeMax;
    for (const FieldInput& input : request.fields) {
        const auto field = storing.check(input.field, &input.value);
        if (!field) {
            refuse(input.field, field.error());
        } else if (!is_id_valid) {
            refuse(input.field, Refusal::value_invalid);
        } else if (const auto full = minting ? minting->permit(writing, *field, input.value.text)
                                             : std::nullopt) {
            refuse(input.field, *full);
        } else {
            fields.push_back(*field);
        }
    }
    if (!minting && answer.errors.empty()) refuse({}, minting.error());
    if (!answer.errors.empty() || fields.empty()) return answer;

    auto person = writing.find_person(request.subject);
    const bool is_new = !person && person.error() == Refusal::not_found;
    if (person) number = person->number;
    std::optional<Refusal> refusal;
    if (is_new) {
        refusal = storing.permit_new();
    } else {
        refusal = person ? storing.permit(*person) : std::optional{person.error()};
    }
    if (refusal) {
        for (const FieldInput& input : request.fields) refuse(input.field, *refusal);
        return answer;
    }
    people::Person present = is_new ? writing.create_person(request.subject) : std::move(*person);
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const std::uint32_t salt = storing.store_value(present, fields[i], request.fields[i].value);
        if (const auto& source = request.fields[i].public_source) {
            storing.mark_public(present.number, fields[i], *source);
        }
        const auto token = minting->mint(writing, present, fields[i], salt);
        OBL_ASSERT(token.has_value());  // permit() said yes, for as many tokens as there are fields
        answer.tokens.push_back({request.fields[i].field, *token});
        storing.note(audit::Action::put, present.number, fields[i], std::nullopt);
    }
    writing.core.people->save(writing.view, present);
    return answer;
}

}  // namespace

void Vault::put(const Caller& caller, const PutRequest& request, Done<PutAnswer> done) {
    const auto answer = std::make_shared<PutAnswer>();
    core_->submit(
        [answer, caller, request](Writing& writing) { *answer = put_in(writing, caller, request); },
        [answer, done = std::move(done)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            done(std::move(*answer), nullptr);
        });
}

}  // namespace oubliette
