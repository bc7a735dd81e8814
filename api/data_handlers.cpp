#include "api/call.hpp"
#include "crypto/encoding.hpp"
#include "vault/policy/calendar.hpp"

// put, tokenize, detokenize, read, search, match: API 2.

namespace oubliette::api {
namespace {

// A JSON string is a text value; any other value is stored as the JSON text that was sent.
std::optional<ValueInput> read_value(JsonValue value) {
    if (value.is(JsonType::null)) return std::nullopt;
    if (const auto text = value.as_text()) return ValueInput{policy::ValueKind::text, *text};
    return ValueInput{policy::ValueKind::json, value.raw()};
}

void write_disclosed(JsonWriter& json, const Disclosed& disclosed) {
    const std::string_view text = text_of(disclosed.value.value.expose());
    json.key("value");
    if (disclosed.value.kind == policy::ValueKind::text) {
        json.string(text);
    } else {
        json.raw(text);
    }
    json.member("transform", disclosed.transform);
}

// {"items":[...],"failed":n}: each item what `write` makes of it, or its refusal, in order.
template <class Item, class Write>
void answer_items(Call& call, const std::vector<std::variant<Item, Refusal>>& items, Write write,
                  std::uint32_t retry_after = 0) {
    WipedBuffer buffer;
    buffer.reserve(items.size() * 96 + 64);
    JsonWriter json{buffer};
    std::uint64_t failed = 0;
    json.begin_object().key("items").begin_array();
    for (const auto& item : items) {
        json.begin_object();
        if (const auto* const result = std::get_if<Item>(&item)) {
            write(json, *result);
        } else {
            ++failed;
            json.key("error");
            write_error(json, std::get<Refusal>(item));
        }
        json.end_object();
    }
    json.end_array().key("failed").integer(failed).end_object();
    call.answer(200, buffer, retry_after);
}

std::optional<std::vector<std::string_view>> read_texts(const std::optional<JsonValue>& array) {
    std::vector<std::string_view> texts;
    if (!array || !array->is(JsonType::array)) return std::nullopt;
    for (const JsonValue item : array->items()) {
        const auto text = item.as_text();
        if (!text) return std::nullopt;
        texts.push_back(*text);
    }
    return texts;
}

Result<TokenOptions> read_token_options(JsonValue value) {
    if (!value.is(JsonType::object) || !value.has_only({"kind", "expires_in", "recipient"})) {
        return Refusal::malformed;
    }
    TokenOptions options;
    if (const auto kind = value.find("kind")) {
        const auto name = kind->as_text();
        if (!name) return Refusal::malformed;
        options.kind = policy::find_token_kind(*name);
        if (!options.kind) return Refusal::token_kind_unknown;
    }
    if (const auto seconds = value.find("expires_in")) {
        const auto number = seconds->as_integer();
        if (!number || *number < 1 || *number > 0xFFFF'FFFFLL / 2) return Refusal::malformed;
        options.expires_in_seconds = static_cast<std::uint32_t>(*number);
    }
    if (const auto recipient = value.find("recipient")) {
        const auto name = recipient->as_text();
        if (!name || name->empty()) return Refusal::malformed;
        options.recipient = *name;
    }
    return options;
}

std::optional<std::vector<TokenizeItem>> read_items(const std::optional<JsonValue>& array) {
    if (!array || !array->is(JsonType::array)) return std::nullopt;
    std::vector<TokenizeItem> items;
    items.reserve(array->size());
    for (const JsonValue value : array->items()) {
        if (!value.is(JsonType::object) || !value.has_only({"subject", "field", "value"})) {
            return std::nullopt;
        }
        const auto subject = value.find_text("subject");
        const auto field = value.find_text("field");
        if (!subject || !field) return std::nullopt;
        TokenizeItem item{*subject, *field, std::nullopt};
        if (const auto input = value.find("value")) {
            item.value = read_value(*input);
            // null is no value: the item is answered VALUE_INVALID.
            if (!item.value) item.value = ValueInput{policy::ValueKind::json, "null"};
        }
        items.push_back(item);
    }
    return items;
}

std::optional<std::vector<ConsentInput>> read_consents(JsonValue array) {
    if (!array.is(JsonType::array)) return std::nullopt;
    std::vector<ConsentInput> consents;
    for (const JsonValue value : array.items()) {
        auto consent = read_consent(
            value, {"slot", "granted", "policy_version", "kind", "evidence_sha256", "told"});
        if (!consent || !value.find_text("slot")) return std::nullopt;
        consent->slot = *value.find_text("slot");
        // In a batch a consent is given, never taken back.
        if (value.find("granted") && !consent->granted) return std::nullopt;
        consent->granted = true;
        consents.push_back(std::move(*consent));
    }
    return consents;
}

// {"real_name":{"public_source":"<SHA-256>","found":"2026-01-02"}}: fields of this same request
// that were public before. False for anything else.
bool read_sources(JsonValue sources, PutRequest& put) {
    if (!sources.is(JsonType::object)) return false;
    for (const auto& [name, value] : sources.members()) {
        const auto field = std::ranges::find(put.fields, name, &FieldInput::field);
        const bool is_object =
            value.is(JsonType::object) && value.has_only({"public_source", "found"});
        if (field == put.fields.end() || !is_object) return false;
        const auto hash = crypto::hex_decode(value.find_text("public_source").value_or(""));
        PublicSourceInput source;
        if (!hash || hash->size() != source.source.size()) return false;
        std::ranges::copy(*hash, source.source.begin());
        if (value.find("found")) {
            const auto found = policy::parse_date(value.find_text("found").value_or(""));
            if (!found) return false;
            source.found = *found;
        }
        field->public_source = source;
    }
    return true;
}

}  // namespace

void handle_put_subject(const CallPtr& call) {
    const auto body = call->body({"fields", "purpose", "sources"});
    if (!body) return call->refuse(body.error());
    const auto fields = body->find("fields");
    const auto purpose = body->find_text("purpose");
    if (!fields || !fields->is(JsonType::object) || fields->size() == 0 || !purpose) {
        return call->refuse(Refusal::malformed);
    }
    PutRequest put{call->parameter(0), *purpose, {}};
    for (const auto& [name, value] : fields->members()) {
        const auto input = read_value(value);
        put.fields.push_back({name, input.value_or(ValueInput{policy::ValueKind::json, "null"})});
    }
    const auto sources = body->find("sources");
    if (sources && !read_sources(*sources, put)) return call->refuse(Refusal::malformed);
    call->vault.put(call->caller, put, [call](Result<PutAnswer> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        if (!result->errors.empty()) {
            std::vector<FieldProblem> errors;
            const auto gate = call->vault.gate();
            for (const FieldRefusal& error : result->errors) {
                // Only names of the policy are repeated.
                const auto field = gate ? gate->find_field(error.field) : std::nullopt;
                errors.push_back({field ? error.field : std::string_view{}, error.refusal});
            }
            return call->refuse(result->errors.front().refusal, errors);
        }
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().member("subject", call->parameter(0)).key("tokens").begin_object();
        for (const FieldToken& token : result->tokens) {
            json.member(token.field, token.token.view());
        }
        json.end_object().end_object();
        call->answer(200, buffer);
    });
}

void handle_tokenize(const CallPtr& call) {
    const auto body = call->body({"items", "purpose", "token", "consents"});
    if (!body) return call->refuse(body.error());
    auto items = read_items(body->find("items"));
    const auto purpose = body->find_text("purpose");
    if (!items || !purpose) return call->refuse(Refusal::malformed);
    if (items->size() > call->limits.items_max) return call->refuse(Refusal::too_large);
    TokenizeRequest tokenize{*purpose, std::move(*items), {}, {}};
    if (const auto token = body->find("token")) {
        const auto options = read_token_options(*token);
        if (!options) return call->refuse(options.error());
        tokenize.token = *options;
    }
    if (const auto consents = body->find("consents")) {
        auto given = read_consents(*consents);
        if (!given) return call->refuse(Refusal::malformed);
        tokenize.consents = std::move(*given);
    }
    call->vault.tokenize(
        call->caller, tokenize, [call](Result<TokenizeAnswer> result, const Fault* fault) {
            if (call->is_refused(result, fault)) return;
            answer_items(*call, *result, [](JsonWriter& json, const TokenText& token) {
                json.member("token", token.view());
            });
        });
}

void handle_detokenize(const CallPtr& call) {
    const auto body = call->body({"purpose", "tokens", "want", "order"});
    if (!body) return call->refuse(body.error());
    auto tokens = read_texts(body->find("tokens"));
    const auto purpose = body->find_text("purpose");
    const auto want = body->find("want");
    const bool is_want_valid = !want || (want->as_text() && !want->as_text()->empty());
    const bool is_order_valid = !body->find("order") || body->find_text("order");
    if (!tokens || !purpose || !is_want_valid || !is_order_valid)
        return call->refuse(Refusal::malformed);
    if (tokens->size() > call->limits.items_max) return call->refuse(Refusal::too_large);
    const DetokenizeRequest detokenize{*purpose, want ? *want->as_text() : std::string_view{},
                                       std::move(*tokens), body->find_text("order").value_or("")};
    call->vault.detokenize(call->caller, detokenize,
                           [call](Result<DetokenizeAnswer> result, const Fault* fault) {
                               if (call->is_refused(result, fault)) return;
                               answer_items(
                                   *call, result->items,
                                   [](JsonWriter& json, const Disclosed& shown) {
                                       json.member("field", shown.field);
                                       write_disclosed(json, shown);
                                   },
                                   result->retry_after);
                           });
}

void handle_get_subject(const CallPtr& call) {
    const auto purpose = call->query.find("purpose");
    const auto fields = call->query.find("fields");
    if (!purpose || !fields || fields->empty()) return call->refuse(Refusal::malformed);
    ReadRequest read{call->parameter(0), *purpose, {}, call->query.find("order").value_or("")};
    for (std::string_view rest = *fields;;) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        read.fields.push_back(rest.substr(0, comma));
        if (comma == rest.size()) break;
        rest.remove_prefix(comma + 1);
    }
    if (read.fields.size() > policy::kFieldCountMax) return call->refuse(Refusal::too_large);
    call->vault.read(call->caller, read, [call](Result<ReadAnswer> result, const Fault* fault) {
        if (call->is_refused(result, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().key("fields").begin_object();
        for (const ReadItem& item : result->items) {
            // A name that the policy does not have is not repeated.
            if (item.refusal == Refusal::field_unknown) continue;
            json.key(item.field);
            if (item.values.size() > 1) json.begin_array();
            for (const Disclosed& value : item.values) {
                json.begin_object();
                write_disclosed(json, value);
                json.end_object();
            }
            if (item.values.size() > 1) json.end_array();
            if (item.values.empty()) {
                json.begin_object().key("error");
                write_error(json, item.refusal.value_or(Refusal::not_found));
                json.end_object();
            }
        }
        json.end_object().end_object();
        call->answer(200, buffer);
    });
}

void handle_search(const CallPtr& call) {
    const auto body = call->body({"field", "value", "purpose"});
    if (!body) return call->refuse(body.error());
    const auto field = body->find_text("field");
    const auto value = body->find_text("value");
    const auto purpose = body->find_text("purpose");
    if (!field || !value || !purpose) return call->refuse(Refusal::malformed);
    call->vault.search(call->caller, {*field, *value, *purpose},
                       [call](Result<SearchAnswer> result, const Fault* fault) {
                           if (call->is_refused(result, fault)) return;
                           WipedBuffer buffer;
                           JsonWriter json{buffer};
                           json.begin_object().key("subjects").begin_array();
                           for (const std::string& subject : result->subjects) {
                               json.string(subject);
                           }
                           json.end_array().end_object();
                           call->answer(200, buffer);
                       });
}

void handle_match(const CallPtr& call) {
    const auto body = call->body({"token", "candidate", "purpose"});
    if (!body) return call->refuse(body.error());
    const auto token = body->find_text("token");
    const auto candidate = body->find_text("candidate");
    const auto purpose = body->find_text("purpose");
    if (!token || !candidate || !purpose) return call->refuse(Refusal::malformed);
    call->vault.match(
        call->caller, {*token, *candidate, *purpose},
        [call](Result<bool> result, const Fault* fault) {
            if (call->is_refused(result, fault)) return;
            WipedBuffer buffer;
            JsonWriter{buffer}.begin_object().key("match").boolean(*result).end_object();
            call->answer(200, buffer);
        });
}

}  // namespace oubliette::api
