#include "api/call.hpp"
#include "api/openapi_document.hpp"
#include "crypto/encoding.hpp"
#include "vault/policies.hpp"

// What anybody may read of the policy beside its text: whom to ask, its history, its schema. API 4.

namespace oubliette::api {

void handle_get_contact(const CallPtr& call) {
    const auto gate = call->vault.gate();
    if (!gate) return call->refuse(Refusal::version_not_current);
    const policy::Controller& controller = gate->document().head.controller;
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object()
        .member("controller", controller.name)
        .member("country", controller.country)
        .member("contact", controller.contact);
    if (!controller.officer.empty()) json.member("officer", controller.officer);
    if (!controller.complaints.empty()) json.member("complaints", controller.complaints);
    json.end_object();
    call->answer(200, buffer);
}

void handle_list_policy_versions(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("versions").begin_array();
    for (const PolicyVersion& version : call->vault.policy_history()) {
        json.begin_object()
            .key("version")
            .integer(std::uint32_t{version.version})
            .member("published", time_text(version.published));
        if (version.effective) json.member("effective", time_text(*version.effective));
        json.member("sha256", crypto::hex_encode(version.canonical))
            .member("previous", crypto::hex_encode(version.previous))
            .member("link", crypto::hex_encode(version.link))
            .end_object();
    }
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_policy_schema(const CallPtr& call) {
    Response response;
    response.content_type = "application/schema+json";
    response.body = crypto::SecretBytes{bytes_of(policy_schema())};
    call->exchange->respond(std::move(response));
}

}  // namespace oubliette::api
