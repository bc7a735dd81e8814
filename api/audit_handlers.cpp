#include <charconv>
#include <map>

#include "api/call.hpp"
#include "crypto/encoding.hpp"

// The audit log: what outsiders verify it with (C2SP tlog-tiles below /v1/audit, open to all) and
// what auditors read. API 4.

namespace oubliette::api {
namespace {

constexpr std::size_t kEntriesDefault = 100;
constexpr std::size_t kEntriesMax = 1'000;  // of one answer
constexpr unsigned kFailedStepCount = 16;   // bits of Entry::failed_steps

// Decimal without leading zeros.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// A query parameter that is a number. Refuses: malformed.
Result<std::optional<std::uint64_t>> query_number(const Call& call, std::string_view name) {
    const auto text = call.query.find(name);
    if (!text) return std::optional<std::uint64_t>{};
    const auto number = parse_number(*text);
    if (!number) return Refusal::malformed;
    return number;
}

void answer_bytes(Call& call, const audit::TileName& name, const Result<Bytes>& bytes) {
    if (!bytes) return call.refuse(bytes.error());
    Response response;
    response.content_type = "application/octet-stream";
    response.is_immutable = name.width == audit::kTileWidth;
    response.body = crypto::SecretBytes{*bytes};
    call.exchange->respond(std::move(response));
}

// What names the numbers of an entry, as far as they still have one.
struct EntryNames {
    explicit EntryNames(const Vault& vault) : gate(vault.gate()) {
        for (ClientRow& row : vault.list_clients()) clients[row.number] = std::move(row.name);
    }
    std::shared_ptr<const policy::Gate> gate;
    std::map<std::uint16_t, std::string> clients;
};

void write_steps(JsonWriter& json, std::uint16_t bits) {
    json.key("failed_steps").begin_array();
    for (unsigned step = 0; step < kFailedStepCount; ++step) {
        if ((bits >> step & 1U) != 0) json.integer(step + 1);
    }
    json.end_array();
}

void write_entry(JsonWriter& json, std::uint64_t index, const audit::Entry& entry,
                 const EntryNames& names) {
    json.begin_object()
        .key("index")
        .integer(index)
        .member("time", time_text(entry.time))
        .member("action", audit::name_of(entry.action))
        .member("result", entry.refusal ? wire_name(*entry.refusal) : "ALLOWED")
        .key("actor")
        .integer(std::uint32_t{entry.actor});
    const auto client = names.clients.find(entry.actor);
    if (client != names.clients.end()) json.member("client", client->second);
    json.key("purpose")
        .integer(std::uint32_t{entry.purpose})
        .key("policy_version")
        .integer(std::uint32_t{entry.policy_version})
        .key("field")
        .integer(std::uint32_t{entry.field});
    const auto field =
        names.gate ? names.gate->name_of(static_cast<policy::FieldId>(entry.field)) : "";
    if (!field.empty()) json.member("field_name", field);
    json.key("recipient").integer(std::uint32_t{entry.recipient});
    json.key("transform")
        .integer(std::uint32_t{entry.transform})
        .member("pseudonym", crypto::hex_encode(entry.pseudonym))
        .member("object", crypto::hex_encode(entry.object));
    write_steps(json, entry.failed_steps);
    json.end_object();
}

void answer_proof(Call& call, std::string_view subject, std::uint64_t number,
                  const Result<Vault::LogProof>& proof) {
    if (!proof) return call.refuse(proof.error());
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object()
        .key(subject)
        .integer(number)
        .key("size")
        .integer(proof->size)
        .member("root", crypto::base64_encode(proof->root))
        .key("hashes")
        .begin_array();
    for (const crypto::Hash& hash : proof->hashes) json.string(crypto::base64_encode(hash));
    json.end_array().end_object();
    call.answer(200, buffer);
}

}  // namespace

void handle_audit_checkpoint(const CallPtr& call) {
    const std::string note = call->vault.log_checkpoint();
    if (note.empty()) {
        return call->fail(Fault{FaultKind::audit_unavailable, "the log has no signed head yet"});
    }
    Response response;
    response.content_type = "text/plain; charset=utf-8";
    response.body = crypto::SecretBytes{bytes_of(note)};
    call->exchange->respond(std::move(response));
}

void handle_audit_keys(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("keys").begin_array();
    for (const std::string& key : call->vault.log_keys()) json.string(key);
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_audit_tile(const CallPtr& call) {
    const auto level = parse_number(call->parameter(0));
    if (!level || *level > audit::kTileLevelMax) return call->refuse(Refusal::not_found);
    const auto name = audit::parse_tile_index(static_cast<unsigned>(*level), call->parameter(1));
    if (!name) return call->refuse(Refusal::not_found);
    answer_bytes(*call, *name, call->vault.log_tile(*name));
}

void handle_audit_entry_bundle(const CallPtr& call) {
    const auto name = audit::parse_tile_index(0, call->parameter(0));
    if (!name) return call->refuse(Refusal::not_found);
    answer_bytes(*call, *name, call->vault.log_entry_bundle(*name));
}

void handle_audit_entries(const CallPtr& call) {
    const auto from = query_number(*call, "from");
    const auto count = query_number(*call, "count");
    if (!from || !count) return call->refuse(Refusal::malformed);
    const std::uint64_t wanted = count->value_or(kEntriesDefault);
    if (wanted > kEntriesMax) return call->refuse(Refusal::too_large);
    std::uint64_t index = from->value_or(0);
    const EntryNames names{call->vault};
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("entries").begin_array();
    for (const audit::Entry& entry : call->vault.log_entries(index, wanted)) {
        write_entry(json, index++, entry, names);
    }
    json.end_array().key("next").integer(index).end_object();
    call->answer(200, buffer);
}

void handle_audit_proof(const CallPtr& call) {
    const auto index = query_number(*call, "index");
    const auto from = query_number(*call, "from");
    const auto size = query_number(*call, "size");
    if (!index || !from || !size) return call->refuse(Refusal::malformed);
    if (index->has_value() == from->has_value()) return call->refuse(Refusal::malformed);
    if (*index) {
        return answer_proof(*call, "index", **index, call->vault.prove_entry(**index, *size));
    }
    answer_proof(*call, "from", **from, call->vault.prove_growth(**from, *size));
}

}  // namespace oubliette::api
