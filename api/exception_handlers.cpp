#include "api/call.hpp"
#include "crypto/encoding.hpp"
#include "vault/holds.hpp"
#include "vault/orders.hpp"
#include "vault/policy/calendar.hpp"

// Disclosure orders and legal holds: MISSION 3.4, 5.5.

namespace oubliette::api {
namespace {

std::optional<Timestamp> parse_moment(std::string_view text) {
    if (const auto time = policy::parse_time(text)) return time;
    return policy::parse_date(text);
}

// Members that may be left out: false when one is there and is not what it should be.
bool read_text(JsonValue body, std::string_view name, std::string_view& out) {
    const auto value = body.find(name);
    if (!value) return true;
    if (!value->as_text()) return false;
    out = *value->as_text();
    return true;
}

bool read_flag(JsonValue body, std::string_view name, bool& out) {
    const auto value = body.find(name);
    if (!value) return true;
    if (!value->as_boolean()) return false;
    out = *value->as_boolean();
    return true;
}

bool read_moment(JsonValue body, std::string_view name, std::optional<Timestamp>& out) {
    const auto value = body.find(name);
    if (!value) return true;
    out = parse_moment(value->as_text().value_or(""));
    return out.has_value();
}

bool read_hash(JsonValue body, std::string_view name, crypto::Hash& out) {
    const auto value = body.find(name);
    if (!value) return true;
    const auto bytes = crypto::hex_decode(value->as_text().value_or(""));
    if (!bytes || bytes->size() != out.size()) return false;
    std::ranges::copy(*bytes, out.begin());
    return true;
}

bool read_texts(JsonValue body, std::string_view name, std::vector<std::string_view>& out) {
    const auto array = body.find(name);
    if (!array) return true;
    if (!array->is(JsonType::array)) return false;
    for (const JsonValue item : array->items()) {
        const auto text = item.as_text();
        if (!text) return false;
        out.push_back(*text);
    }
    return true;
}

void write_time(JsonWriter& json, std::string_view name, Timestamp time) {
    if (time.seconds != 0) json.member(name, time_text(time));
}

void write_hash(JsonWriter& json, std::string_view name, const crypto::Hash& hash) {
    if (hash != crypto::Hash{}) json.member(name, crypto::hex_encode(hash));
}

void write_approvals(JsonWriter& json, std::string_view name, const Approvals& approvals,
                     const std::vector<ClientRow>& clients) {
    json.key(name).begin_array();
    for (const Approval& approval : approvals.given()) {
        const auto client = std::ranges::find(clients, approval.client, &ClientRow::number);
        json.begin_object();
        if (client != clients.end()) json.member("client", client->name);
        json.member("role", oubliette::name_of(approval.role))
            .member("at", time_text(approval.at))
            .end_object();
    }
    json.end_array();
}

void write_fields(JsonWriter& json, const policy::Gate* gate,
                  const std::vector<std::uint16_t>& fields) {
    json.key("fields").begin_array();
    for (const std::uint16_t field : fields) {
        if (gate != nullptr) json.string(gate->name_of(policy::FieldId{field}));
    }
    json.end_array();
}

// ---- Orders --------------------------------------------------------------------------------

std::string_view state_of(const Order& order) noexcept {
    const bool is_closed = order.row.state == OrderState::closed;
    return order.has_expired && !is_closed ? "expired" : oubliette::name_of(order.row.state);
}

void write_order(JsonWriter& json, const Vault& vault, const Order& order) {
    const OrderRow& row = order.row;
    const auto clients = vault.list_clients();
    const auto gate = vault.gate();
    json.begin_object()
        .member("id", exception_id_text(ExceptionKind::order, order.id))
        .member("state", state_of(order))
        .member("basis", row.basis)
        .member("clause", row.clause)
        .member("authority", row.authority)
        .key("public")
        .boolean(row.is_public)
        .key("subjects")
        .integer(row.subjects);
    write_fields(json, gate.get(), row.fields);
    write_time(json, "opened_at", row.opened);
    write_time(json, "expires", row.expires);
    write_time(json, "closed_at", row.closed);
    write_hash(json, "paper_sha256", row.paper);
    write_hash(json, "permit_sha256", row.permit);
    json.key("approvals_needed").integer(std::uint64_t{row.approvals.needed()});
    write_approvals(json, "approvals", row.approvals, clients);
    if (row.state == OrderState::waiting) {
        json.member("blocked_by", oubliette::wire_name(Refusal::order_needs_approval));
    }
    if (!row.tell.empty()) json.member("tell_subject", row.tell);
    write_time(json, "notice_due", row.notice_due);
    write_time(json, "notice_given", row.notice_given);
    json.end_object();
}

Done<Order> answer_order(const CallPtr& call, unsigned status) {
    return [call, status](Result<Order> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        write_order(json, call->vault, *result);
        call->answer(status, buffer);
    };
}

bool read_order(JsonValue body, OrderRequest& request) {
    return read_text(body, "basis", request.basis) &&
           read_text(body, "authority", request.authority) &&
           read_text(body, "country", request.country) &&
           read_texts(body, "subjects", request.subjects) &&
           read_texts(body, "fields", request.fields) &&
           read_moment(body, "expires", request.expires) &&
           read_hash(body, "paper_sha256", request.paper) &&
           read_hash(body, "permit_sha256", request.permit) &&
           read_flag(body, "public", request.is_public);
}

std::optional<ExceptionId> order_id(const CallPtr& call) {
    return parse_exception_id(ExceptionKind::order, call->parameter(0));
}

// ---- Holds ---------------------------------------------------------------------------------

void write_hold(JsonWriter& json, const Vault& vault, const Hold& hold, bool with_subject) {
    const HoldRow& row = hold.row;
    const auto clients = vault.list_clients();
    const auto gate = vault.gate();
    json.begin_object()
        .member("id", exception_id_text(ExceptionKind::hold, hold.id))
        .member("state", oubliette::name_of(row.state))
        .member("ground", row.ground)
        .member("clause", row.clause);
    if (with_subject && !hold.subject.empty()) json.member("subject", hold.subject);
    json.key("categories").begin_array();
    for (const std::uint16_t category : row.categories) {
        if (gate) json.string(gate->name_of(policy::RetentionClassId{category}));
    }
    json.end_array();
    write_fields(json, gate.get(), row.fields);
    if (!row.law.empty()) json.member("law", row.law);
    write_time(json, "placed_at", row.placed);
    write_time(json, "review", row.review);
    write_time(json, "ended_at", row.ended);
    write_hash(json, "evidence_sha256", row.evidence);
    json.key("bars_telling").boolean(row.bars_telling);
    if (row.extension > 0) {
        json.member("extends", exception_id_text(ExceptionKind::hold, row.extends));
    }
    json.key("approvals_needed").integer(std::uint64_t{row.approvals.needed()});
    write_approvals(json, "approvals", row.approvals, clients);
    write_approvals(json, "releases", row.release, clients);
    if (row.state == HoldState::waiting) {
        json.member("blocked_by", oubliette::wire_name(Refusal::needs_second));
    }
    json.end_object();
}

Done<Hold> answer_hold(const CallPtr& call, unsigned status) {
    return [call, status](Result<Hold> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        write_hold(json, call->vault, *result, true);
        call->answer(status, buffer);
    };
}

bool read_hold(JsonValue body, HoldRequest& request) {
    std::string_view extends;
    const bool is_good =
        read_text(body, "subject", request.subject) && read_text(body, "ground", request.ground) &&
        read_texts(body, "categories", request.categories) &&
        read_texts(body, "fields", request.fields) && read_moment(body, "review", request.review) &&
        read_text(body, "law", request.law) &&
        read_hash(body, "evidence_sha256", request.evidence) &&
        read_text(body, "extends", extends) &&
        read_flag(body, "bars_telling", request.bars_telling);
    if (!extends.empty()) request.extends = parse_exception_id(ExceptionKind::hold, extends);
    return is_good && (extends.empty() || request.extends);
}

std::optional<ExceptionId> hold_id(const CallPtr& call) {
    return parse_exception_id(ExceptionKind::hold, call->parameter(0));
}

// Auditors see what is held and why, not whose.
bool sees_subjects(const Call& call) {
    return call.caller.has(Role::privacy_officer) || call.caller.has(Role::legal);
}

}  // namespace

void handle_open_order(const CallPtr& call) {
    const auto body = call->body({"basis", "authority", "country", "subjects", "fields", "expires",
                                  "paper_sha256", "permit_sha256", "public"});
    if (!body) return call->refuse(body.error());
    OrderRequest request;
    if (!read_order(*body, request)) return call->refuse(Refusal::malformed);
    call->vault.orders().open(call->caller, request, answer_order(call, 201));
}

void handle_list_orders(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("orders").begin_array();
    for (const Order& order : call->vault.orders().list()) write_order(json, call->vault, order);
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_get_order(const CallPtr& call) {
    const auto id = order_id(call);
    answer_order(call, 200)(id ? call->vault.orders().find(*id) : Refusal::not_found, nullptr);
}

void handle_approve_order(const CallPtr& call) {
    const auto body = call->body({});
    if (!body) return call->refuse(body.error());
    const auto id = order_id(call);
    if (!id) return call->refuse(Refusal::not_found);
    call->vault.orders().approve(call->caller, *id, answer_order(call, 200));
}

void handle_close_order(const CallPtr& call) {
    const auto body = call->body({});
    if (!body) return call->refuse(body.error());
    const auto id = order_id(call);
    if (!id) return call->refuse(Refusal::not_found);
    call->vault.orders().close(call->caller, *id, answer_order(call, 200));
}

void handle_notice_order(const CallPtr& call) {
    const auto body = call->body({"evidence_sha256"});
    if (!body) return call->refuse(body.error());
    crypto::Hash evidence{};
    if (!read_hash(*body, "evidence_sha256", evidence)) return call->refuse(Refusal::malformed);
    const auto id = order_id(call);
    if (!id) return call->refuse(Refusal::not_found);
    call->vault.orders().give_notice(call->caller, *id, evidence, answer_order(call, 200));
}

void handle_place_hold(const CallPtr& call) {
    const auto body = call->body({"subject", "ground", "categories", "fields", "review", "law",
                                  "evidence_sha256", "extends", "bars_telling"});
    if (!body) return call->refuse(body.error());
    HoldRequest request;
    if (!read_hold(*body, request)) return call->refuse(Refusal::malformed);
    call->vault.holds().place(call->caller, request, answer_hold(call, 201));
}

void handle_list_holds(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("holds").begin_array();
    for (const Hold& hold : call->vault.holds().list()) {
        write_hold(json, call->vault, hold, sees_subjects(*call));
    }
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_get_hold(const CallPtr& call) {
    const auto id = hold_id(call);
    const Result<Hold> hold = id ? call->vault.holds().find(*id) : Refusal::not_found;
    if (!hold) return call->refuse(hold.error());
    WipedBuffer buffer;
    JsonWriter json{buffer};
    write_hold(json, call->vault, *hold, sees_subjects(*call));
    call->answer(200, buffer);
}

void handle_approve_hold(const CallPtr& call) {
    const auto body = call->body({});
    if (!body) return call->refuse(body.error());
    const auto id = hold_id(call);
    if (!id) return call->refuse(Refusal::not_found);
    call->vault.holds().approve(call->caller, *id, answer_hold(call, 200));
}

void handle_release_hold(const CallPtr& call) {
    const auto body = call->body({});
    if (!body) return call->refuse(body.error());
    const auto id = hold_id(call);
    if (!id) return call->refuse(Refusal::not_found);
    call->vault.holds().release(call->caller, *id, answer_hold(call, 200));
}

}  // namespace oubliette::api
