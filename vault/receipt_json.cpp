#include "vault/receipt_json.hpp"

#include <set>

#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "crypto/patient_memory.hpp"
#include "vault/audit/checkpoint.hpp"
#include "vault/keys/records.hpp"
#include "vault/time_text.hpp"

namespace oubliette {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;
using crypto::hex_encode;

constexpr std::uint32_t kFormat = 1;
// Those that end with a receipt.
constexpr keys::RevocationScope kScopes[] = {
    keys::RevocationScope::subject,   keys::RevocationScope::field,
    keys::RevocationScope::category,  keys::RevocationScope::region,
    keys::RevocationScope::recipient, keys::RevocationScope::bank,
    keys::RevocationScope::tenant};

// A member that is missing, of another type, or not a text of ours.
class Unreadable : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

std::string_view name_of(keys::MemberStatus status) noexcept {
    switch (status) {
    case keys::MemberStatus::joining: return "joining";
    case keys::MemberStatus::active: return "active";
    case keys::MemberStatus::expelled: return "expelled";
    }
    return "";
}

std::string class_letter(keys::CellClass cell_class) {
    return {static_cast<char>(cell_class)};
}

OrderedJson hashes_json(const std::vector<crypto::Hash>& hashes) {
    OrderedJson json = OrderedJson::array();
    for (const crypto::Hash& hash : hashes) json.push_back(hex_encode(hash));
    return json;
}

// ---- Writing

OrderedJson members_json(ByteView encoded) {
    const auto members = keys::decode_members(encoded);
    if (!members) throw Fault{FaultKind::corrupt, "the member list of an erasure is damaged"};
    OrderedJson json = OrderedJson::array();
    for (const keys::Member& member : *members) {
        json.push_back({{"id", hex_encode(member.id)},
                        {"public_key", hex_encode(member.public_key)},
                        {"class", class_letter(member.cell_class)},
                        {"cell", words_of(member.cell_class)},
                        {"status", name_of(member.status)},
                        {"last_epoch", member.last_epoch}});
    }
    return json;
}

OrderedJson acknowledgement_json(const keys::Acknowledgement& ack) {
    return {{"keeper", hex_encode(ack.keeper)},
            {"public_key", hex_encode(ack.public_key)},
            {"class", class_letter(ack.cell_class)},
            {"term", ack.term},
            {"epoch", ack.epoch},
            {"prev_h", hex_encode(ack.previous_hash)},
            {"h", hex_encode(ack.hash)},
            {"req_root", hex_encode(ack.request_root)},
            {"members", hex_encode(ack.members)},
            {"signature", hex_encode(ack.signature)}};
}

OrderedJson chain_row_json(const keys::ChainRow& row) {
    return {{"epoch", row.epoch},
            {"term", row.term},
            {"prev_h", hex_encode(row.previous_hash)},
            {"root_hash", hex_encode(row.root_hash)},
            {"members", hex_encode(row.members)},
            {"req_root", hex_encode(row.request_root)},
            {"h", hex_encode(row.hash)}};
}

void write_finality(OrderedJson& json, const keys::Finality& finality) {
    json["epoch"] = finality.epoch;
    json["h_before"] = hex_encode(finality.hash_before);
    json["h_after"] = hex_encode(finality.hash_after);
    json["request_index"] = finality.request_index;
    json["request_count"] = finality.request_count;
    json["request_proof"] = hashes_json(finality.request_proof);
    json["keepers"] = members_json(finality.members);
    json["acknowledgements"] = OrderedJson::array();
    for (const auto& ack : finality.acknowledgements) {
        json["acknowledgements"].push_back(acknowledgement_json(ack));
    }
    json["chain"] = OrderedJson::array();
    for (const auto& row : finality.chain) json["chain"].push_back(chain_row_json(row));
}

OrderedJson to_json(const Receipt& receipt) {
    const ErasureRow& row = receipt.erasure;
    OrderedJson json{{"format", kFormat},
                     {"vault", hex_encode(receipt.vault)},
                     {"request_id", hex_encode(row.id)},
                     {"scope", oubliette::name_of(row.scope)},
                     {"ground", oubliette::name_of(row.ground)},
                     {"accepted_at", time_text(row.accepted)},
                     {"commitment", hex_encode(row.commitment)},
                     {"r2", hex_encode(row.blind)}};
    json["addresses"] = OrderedJson::array();
    for (const keys::Path& path : row.addresses) {
        json["addresses"].push_back(hex_encode(path.encode()));
    }
    if (!row.kept.empty()) {
        json["held"] =
            oubliette::name_of(row.is_all_kept ? ErasureState::held : ErasureState::partly_held);
        json["kept"] = OrderedJson::array();
        for (const KeptCategory& kept : row.kept) {
            json["kept"].push_back({{"category", kept.category},
                                    {"code", kept.code},
                                    {"until", time_text(kept.until)}});
        }
    }
    write_finality(json, *row.finality);
    json["audit_index"] = row.log->index;
    json["audit_entry"] = hex_encode(row.log->entry);
    json["inclusion_proof"] = hashes_json(receipt.log_proof);
    json["checkpoint"] = row.log->checkpoint;
    json["log_keys"] = OrderedJson::array();
    const std::string name = audit::log_name(receipt.vault);
    for (const auto& key : row.log->keys) {
        json["log_keys"].push_back(audit::encode_vkey({name, key}));
    }
    json["irrecoverable_after"] = time_text(irrecoverable_after(*row.log));
    json["notes"] = notes_of(row);
    return json;
}

// ---- Reading

const Json& member(const Json& object, const char* name) {
    const auto found = object.is_object() ? object.find(name) : object.end();
    if (!object.is_object() || found == object.end()) throw Unreadable{name};
    return *found;
}

const std::string& text(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (!value.is_string()) throw Unreadable{name};
    return value.get_ref<const std::string&>();
}

std::uint64_t number(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (!value.is_number_unsigned()) throw Unreadable{name};
    return value.get<std::uint64_t>();
}

const Json& list(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (!value.is_array()) throw Unreadable{name};
    return value;
}

template <std::size_t N>
ByteArray<N> bytes_from(const Json& value, const char* name) {
    const auto bytes =
        value.is_string() ? crypto::hex_decode(value.get_ref<const std::string&>()) : std::nullopt;
    if (!bytes || bytes->size() != N) throw Unreadable{name};
    return ByteReader{*bytes}.array<N>();
}

template <std::size_t N>
ByteArray<N> hex(const Json& object, const char* name) {
    return bytes_from<N>(member(object, name), name);
}

keys::CellClass cell_class(const Json& object) {
    const std::string& letter = text(object, "class");
    for (const auto known : {keys::CellClass::software, keys::CellClass::besteffort}) {
        if (letter == class_letter(known)) return known;
    }
    throw Unreadable{"class"};
}

std::vector<crypto::Hash> hashes(const Json& object, const char* name) {
    std::vector<crypto::Hash> out;
    for (const Json& value : list(object, name)) out.push_back(bytes_from<32>(value, name));
    return out;
}

keys::Acknowledgement read_acknowledgement(const Json& json) {
    keys::Acknowledgement ack;
    ack.keeper = hex<16>(json, "keeper");
    ack.public_key = hex<32>(json, "public_key");
    ack.cell_class = cell_class(json);
    ack.term = number(json, "term");
    ack.epoch = number(json, "epoch");
    ack.previous_hash = hex<32>(json, "prev_h");
    ack.hash = hex<32>(json, "h");
    ack.request_root = hex<32>(json, "req_root");
    ack.members = hex<32>(json, "members");
    ack.signature = hex<64>(json, "signature");
    return ack;
}

keys::ChainRow read_chain_row(const Json& json) {
    keys::ChainRow row;
    row.epoch = number(json, "epoch");
    row.term = number(json, "term");
    row.previous_hash = hex<32>(json, "prev_h");
    row.root_hash = hex<32>(json, "root_hash");
    row.members = hex<32>(json, "members");
    row.request_root = hex<32>(json, "req_root");
    row.hash = hex<32>(json, "h");
    return row;
}

keys::Members read_members(const Json& json) {
    keys::Members members;
    for (const Json& value : list(json, "keepers")) {
        keys::Member member;
        member.id = hex<16>(value, "id");
        member.public_key = hex<32>(value, "public_key");
        member.cell_class = cell_class(value);
        for (const auto status : {keys::MemberStatus::joining, keys::MemberStatus::active,
                                  keys::MemberStatus::expelled}) {
            if (text(value, "status") == name_of(status)) member.status = status;
        }
        member.last_epoch = number(value, "last_epoch");
        members.push_back(member);
    }
    return members;
}

keys::Finality read_finality(const Json& json) {
    keys::Finality finality;
    finality.epoch = number(json, "epoch");
    finality.hash_before = hex<32>(json, "h_before");
    finality.hash_after = hex<32>(json, "h_after");
    finality.request_index = number(json, "request_index");
    finality.request_count = number(json, "request_count");
    finality.request_proof = hashes(json, "request_proof");
    finality.members = keys::encode_members(read_members(json));
    for (const Json& value : list(json, "acknowledgements")) {
        finality.acknowledgements.push_back(read_acknowledgement(value));
    }
    for (const Json& value : list(json, "chain")) finality.chain.push_back(read_chain_row(value));
    return finality;
}

LogRecord read_log_record(const Json& json) {
    LogRecord log;
    log.index = number(json, "audit_index");
    log.entry = hex<audit::kEntrySize>(json, "audit_entry");
    log.checkpoint = text(json, "checkpoint");
    for (const Json& value : list(json, "log_keys")) {
        const auto key = value.is_string() ? audit::parse_vkey(value.get_ref<const std::string&>())
                                           : std::nullopt;
        if (!key) throw Unreadable{"log_keys"};
        log.keys.push_back(key->key);
    }
    return log;
}

void read_kept(const Json& json, ErasureRow& row) {
    row.is_all_kept = text(json, "held") == oubliette::name_of(ErasureState::held);
    for (const Json& value : list(json, "kept")) {
        const auto until = parse_time_text(text(value, "until"));
        if (!until) throw Unreadable{"kept"};
        row.kept.push_back({text(value, "category"), text(value, "code"), *until});
    }
    const bool is_sane = !row.kept.empty() && row.kept.size() <= kKeptCategoriesMax;
    const auto is_long = [](const KeptCategory& kept) {
        return kept.category.size() > 0xFF || kept.code.size() > 0xFF;
    };
    if (!is_sane || std::ranges::any_of(row.kept, is_long)) throw Unreadable{"kept"};
}

Receipt read_receipt(const Json& json) {
    if (number(json, "format") != kFormat) throw Unreadable{"format"};
    Receipt receipt;
    receipt.vault = hex<16>(json, "vault");
    ErasureRow& row = receipt.erasure;
    row.state = ErasureState::final;
    row.id = hex<16>(json, "request_id");
    row.ground = parse_ground(text(json, "ground"));
    for (const auto scope : kScopes) {
        if (text(json, "scope") == oubliette::name_of(scope)) row.scope = scope;
    }
    const auto accepted = parse_time_text(text(json, "accepted_at"));
    if (!accepted) throw Unreadable{"accepted_at"};
    row.accepted = *accepted;
    row.commitment = hex<32>(json, "commitment");
    row.blind = hex<32>(json, "r2");
    for (const Json& value : list(json, "addresses")) {
        keys::Path path;
        if (!keys::Path::decode(bytes_from<11>(value, "addresses"), &path)) {
            throw Unreadable{"addresses"};
        }
        row.addresses.push_back(path);
    }
    if (json.contains("kept")) read_kept(json, row);
    row.finality = read_finality(json);
    row.log = read_log_record(json);
    row.finality->irrecoverable_after = irrecoverable_after(*row.log);
    receipt.log_proof = hashes(json, "inclusion_proof");
    // Names that are read loosely, words that are for people, members nobody knows: all must be
    // what this receipt says.
    if (Json(to_json(receipt)) != json) throw Unreadable{"receipt"};
    return receipt;
}

// Members that stand around the receipt must say the same.
void check_frame(const Json& frame, const ReceiptFile& file) {
    const ErasureRow& row = file.receipt.erasure;
    // One that waited for a hold: what became of the rest is an erasure with a receipt of its own.
    std::string state{oubliette::name_of(row.state)};
    Json shown = frame;
    if (!row.kept.empty()) {
        shown.erase("rest");
        const auto waiting = row.is_all_kept ? ErasureState::held : ErasureState::partly_held;
        if (frame.at("state") == oubliette::name_of(waiting)) {
            state = oubliette::name_of(waiting);
        }
    }
    Json expected{
        {"id", erasure_id_text(row.id)},          {"state", state},
        {"scope", oubliette::name_of(row.scope)}, {"ground", oubliette::name_of(row.ground)},
        {"accepted_at", time_text(row.accepted)}, {"receipt", frame.at("receipt")}};
    if (file.opening) expected["r"] = hex_encode(*file.opening);
    if (expected != shown) throw Unreadable{"receipt"};
}

// nullopt unless `text` is one JSON text without repeated members.
std::optional<Json> parse(std::string_view text) {
    if (text.size() > kReceiptFileSizeMax) return std::nullopt;
    std::vector<std::set<std::string>> names;
    bool is_repeated = false;
    const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
        if (event == Json::parse_event_t::object_start) names.emplace_back();
        if (event == Json::parse_event_t::object_end) names.pop_back();
        if (event == Json::parse_event_t::key) {
            is_repeated = is_repeated || !names.back().insert(parsed.get<std::string>()).second;
        }
        return true;
    };
    Json json = Json::parse(text.begin(), text.end(), watch, false);
    if (json.is_discarded() || is_repeated) return std::nullopt;
    return json;
}

std::string why_not_final(const Json& frame) {
    std::string why = "the erasure is not final, so that there is no receipt yet";
    const auto missing = frame.find("waiting_for");
    if (missing == frame.end() || !missing->is_array() || missing->empty()) return why;
    return why + "; " + std::to_string(missing->size()) + " keepers have not acknowledged";
}

}  // namespace

std::string receipt_json(const Receipt& receipt) {
    const crypto::PatientMemory patient;  // nlohmann::json allocates in its destructor
    OBL_ASSERT(has_receipt(receipt.erasure));
    return to_json(receipt).dump();
}

std::variant<ReceiptFile, std::string> read_receipt_file(std::string_view text) {
    const auto json = parse(text);
    if (!json || !json->is_object()) return "the file is no JSON object";
    try {
        if (json->contains("request_id")) return ReceiptFile{read_receipt(*json), std::nullopt};
        if (!json->contains("receipt")) {
            if (json->contains("state")) return why_not_final(*json);
            return "the file holds no receipt";
        }
        ReceiptFile file{read_receipt(json->at("receipt")), std::nullopt};
        if (json->contains("r")) file.opening = hex<32>(*json, "r");
        check_frame(*json, file);
        return file;
    } catch (const Unreadable& unreadable) {
        return std::string{"the receipt is not as a vault writes it, at \""} + unreadable.what() +
               "\"";
    } catch (const Fault&) {  // members that no vault has
        return "the receipt is not as a vault writes it, at \"keepers\"";
    }
}

}  // namespace oubliette
