#include <charconv>

#include "api/call.hpp"
#include "api/credentials.hpp"
#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "vault/policy/lint.hpp"

// Policy and clients: API 4.

namespace oubliette::api {
namespace {

void write_findings(JsonWriter& json, const std::vector<policy::Finding>& findings) {
    json.key("findings").begin_array();
    for (const policy::Finding& finding : findings) {
        json.begin_object()
            .member("code", finding.code)
            .member("pointer", finding.pointer)
            .key("line")
            .integer(std::uint64_t{finding.line})
            .key("column")
            .integer(std::uint64_t{finding.column})
            .member("message", finding.message)
            .member("severity", finding.severity == policy::Severity::error ? "error" : "warning")
            .end_object();
    }
    json.end_array();
}

void write_change(JsonWriter& json, const policy::Change& change) {
    json.begin_object()
        .member("kind", policy::word_of(change.kind))
        .member("clause", policy::clause_of(change.kind))
        .member("pointer", change.pointer)
        .member("object", change.object)
        .member("text", change.text)
        .key("asks_again")
        .boolean(change.asks_again)
        .key("purposes")
        .begin_array();
    for (const std::string& purpose : change.purposes) json.string(purpose);
    json.end_array().end_object();
}

void write_client(JsonWriter& json, const ClientRow& row, const policy::Gate* gate) {
    json.begin_object().member("id", row.name);
    const auto recipient = gate == nullptr ? std::string_view{} : gate->name_of(row.recipient);
    if (!recipient.empty()) json.member("recipient", recipient);
    json.key("roles").begin_array();
    for (const Role role : {Role::app, Role::privacy_officer, Role::key_operator,
                            Role::policy_admin, Role::auditor, Role::legal, Role::duty_manager}) {
        if ((row.roles & static_cast<RoleMask>(role)) != 0) json.string(name_of(role));
    }
    json.end_array().member("created", time_text(row.enrolled)).end_object();
}

std::optional<NewClient> read_client(JsonValue body) {
    NewClient client;
    const auto id = body.find_text("id");
    const auto roles = body.find("roles");
    if (!id || !roles || !roles->is(JsonType::array) || roles->size() == 0) return std::nullopt;
    client.name = *id;
    for (const JsonValue item : roles->items()) {
        const auto role = find_role(item.as_text().value_or(""));
        if (!role) return std::nullopt;
        client.roles.push_back(*role);
    }
    if (const auto recipient = body.find("recipient")) {
        if (!recipient->as_text()) return std::nullopt;
        client.recipient = *recipient->as_text();
    }
    return client;
}

// The problem of a refused policy, with what is wrong in it.
Response refused_policy(std::string_view request_id, const std::vector<policy::Finding>& findings) {
    const bool is_old = std::ranges::any_of(findings, [](const policy::Finding& finding) {
        return finding.code == wire_name(Refusal::version_not_current);
    });
    const bool is_frozen = std::ranges::any_of(findings, [](const policy::Finding& finding) {
        return finding.code == wire_name(Refusal::version_frozen);
    });
    Response response = problem_response(is_frozen ? Refusal::version_frozen
                                         : is_old  ? Refusal::version_not_current
                                                   : Refusal::value_invalid,
                                         request_id);
    WipedBuffer buffer;
    const ByteView problem = response.body.expose();
    buffer.append(problem.first(problem.size() - 1));  // without its closing brace
    buffer.append(',');
    JsonWriter json{buffer};
    write_findings(json, findings);
    buffer.append('}');
    response.body = crypto::SecretBytes{buffer.bytes()};
    return response;
}

std::optional<std::uint16_t> parse_number(std::string_view text) noexcept {
    std::uint16_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
    if (!is_whole || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    return number;
}

void answer_document(Call& call, std::string_view json) {
    Response response;
    response.body = crypto::SecretBytes{bytes_of(json)};
    call.exchange->respond(std::move(response));
}

}  // namespace

// ---- Policy --------------------------------------------------------------------------------

void handle_get_policy(const CallPtr& call) {
    const auto gate = call->vault.gate();
    if (!gate) return call->refuse(Refusal::version_not_current);
    answer_document(*call, gate->document().json);
}

void handle_get_policy_version(const CallPtr& call) {
    const auto version = parse_number(call->parameter(0));
    const auto text = version ? call->vault.policy_version(*version) : std::nullopt;
    if (!text) return call->refuse(Refusal::not_found);
    answer_document(*call, *text);
}

void handle_lint_policy(const CallPtr& call) {
    const auto outcome = policy::parse_document(text_of(call->request().body.expose()));
    std::vector<policy::Finding> findings = outcome.findings;
    if (outcome.document) {
        std::ranges::move(policy::lint(*outcome.document, SystemClock{}.now()),
                          std::back_inserter(findings));
    }
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object();
    write_findings(json, findings);
    json.end_object();
    call->answer(200, buffer);
}

void handle_diff_policy(const CallPtr& call) {
    const auto diff = call->vault.diff_policy(text_of(call->request().body.expose()));
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object();
    if (diff.from != 0) json.key("from").integer(std::uint64_t{diff.from});
    if (diff.to != 0) json.key("to").integer(std::uint64_t{diff.to});
    json.key("changes").begin_array();
    for (const policy::Change& change : diff.changes) write_change(json, change);
    json.end_array();
    write_findings(json, diff.findings);
    json.end_object();
    call->answer(200, buffer);
}

void handle_publish_policy(const CallPtr& call) {
    call->vault.publish_policy(
        call->caller, text_of(call->request().body.expose()),
        [call](Result<Vault::PublishAnswer> result, const Fault* fault) {
            if (call->is_refused(result, fault)) return;
            if (policy::has_errors(result->findings)) {
                return call->exchange->respond(
                    refused_policy(call->request().request_id, result->findings));
            }
            WipedBuffer buffer;
            JsonWriter json{buffer};
            json.begin_object().key("version").integer(std::uint32_t{result->version});
            write_findings(json, result->findings);
            json.end_object();
            call->answer(200, buffer);
        });
}

// ---- Clients -------------------------------------------------------------------------------

void handle_list_clients(const CallPtr& call) {
    const auto gate = call->vault.gate();
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("clients").begin_array();
    for (const ClientRow& row : call->vault.list_clients()) write_client(json, row, gate.get());
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_enrol_client(const CallPtr& call) {
    const auto body = call->body({"id", "recipient", "roles"});
    if (!body) return call->refuse(body.error());
    const auto client = read_client(*body);
    if (!client) return call->refuse(Refusal::malformed);
    const bool is_own_role =
        std::ranges::find(client->roles, Role::policy_admin) != client->roles.end();
    // Nobody enrols a role for himself.
    if (is_own_role) return call->refuse(Refusal::role_denied);
    call->vault.enrol_client(
        call->caller, *client, [call, client](Result<ApiKey> result, const Fault* fault) {
            if (call->is_refused(result, fault)) return;
            const ApiKeyText text{result->client, result->key,
                                  crypto::SecretBytes{result->secret.expose()}};
            const auto key = format_api_key(text);
            WipedBuffer buffer;
            JsonWriter json{buffer};
            json.begin_object().member("id", client->name).key("roles").begin_array();
            for (const Role role : client->roles) json.string(name_of(role));
            json.end_array();
            if (!client->recipient.empty()) json.member("recipient", client->recipient);
            json.member("key", text_of(key.expose())).end_object();
            call->answer(200, buffer);
        });
}

void handle_revoke_client(const CallPtr& call) {
    call->vault.revoke_client(call->caller, call->parameter(0),
                              [call](Result<bool> result, const Fault* fault) {
                                  if (call->is_refused(result, fault)) return;
                                  WipedBuffer buffer;
                                  JsonWriter json{buffer};
                                  json.begin_object().member("id", call->parameter(0));
                                  json.key("revoked").boolean(true).end_object();
                                  call->answer(200, buffer);
                              });
}

}  // namespace oubliette::api
