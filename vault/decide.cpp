#include "vault/disclosing.hpp"

namespace oubliette {

// The decision without the data: what the next read would answer, and an audit entry of its own.
void Vault::decide(const Caller& caller, const ReadRequest& request, Done<Decision> done) {
    OBL_ASSERT(request.fields.size() == 1);
    Disclosing disclosing{*core_,          caller, audit::Action::decide,
                          request.purpose, {},     request.order};
    Decision decision;
    std::optional<keys::SubjectNumber> subject;
    const auto field = disclosing.gate()->find_field(request.fields.front());
    if (!field) {
        decision.refusal = Refusal::field_unknown;
    } else {
        decision.refusal = disclosing.check_field(*field);
    }
    if (!decision.refusal) {
        const auto number = core_->find_number(disclosing.view(), request.subject);
        if (!number) {
            decision.refusal = number.error();
        } else {
            subject = *number;
            const auto shown = disclosing.disclose(*number, *field, 0);
            if (shown) {
                decision.transform = shown->transform;
            } else {
                decision.refusal = shown.error();
            }
        }
    }
    disclosing.note(subject, field ? static_cast<std::uint16_t>(*field) : std::uint16_t{0},
                    decision.refusal);
    disclosing.finish(
        [decision, done = std::move(done)](const Fault* fault, const std::vector<std::size_t>&) {
            done(fault == nullptr ? decision : Decision{}, fault);
        });
}

}  // namespace oubliette
