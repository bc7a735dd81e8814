#include "api/call.hpp"
#include "vault/token_desk.hpp"

// What officers and operators may ask about tokens: API 5 (`token inspect`).

namespace oubliette::api {

void handle_inspect_token(const CallPtr& call) {
    const auto body = call->body({"token"});
    if (!body) return call->refuse(body.error());
    const auto token = body->find_text("token");
    if (!token) return call->refuse(Refusal::malformed);
    call->vault.token_desk().inspect(call->caller, *token,
                                     [call](Result<TokenFacts> facts, const Fault* fault) {
                                         if (call->is_refused(facts, fault)) return;
                                         WipedBuffer buffer;
                                         JsonWriter json{buffer};
                                         json.begin_object()
                                             .member("kind", facts->kind)
                                             .key("kid")
                                             .integer(facts->kid)
                                             .member("recipient", facts->recipient);
                                         if (!facts->field.empty())
                                             json.member("field", facts->field);
                                         if (facts->expiry.seconds != 0)
                                             json.member("expires", time_text(facts->expiry));
                                         json.member("state", name_of(facts->state)).end_object();
                                         call->answer(200, buffer);
                                     });
}

void handle_plant_poison(const CallPtr& call) {
    const auto body = call->body({"field", "ends_client"});
    if (!body) return call->refuse(body.error());
    const auto field = body->find_text("field");
    const auto ends_client = body->find("ends_client");
    if (!field || (ends_client && !ends_client->as_boolean())) {
        return call->refuse(Refusal::malformed);
    }
    const PoisonOrder order{call->parameter(0), *field, ends_client && *ends_client->as_boolean()};
    call->vault.token_desk().plant_poison(
        call->caller, order, [call](Result<TokenText> token, const Fault* fault) {
            if (call->is_refused(token, fault)) return;
            WipedBuffer buffer;
            JsonWriter{buffer}.begin_object().member("token", token->view()).end_object();
            call->answer(200, buffer);
        });
}

}  // namespace oubliette::api
