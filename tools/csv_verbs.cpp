#include "tools/csv_verbs.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace oubliette::tools {

namespace {

CommandError strange_answer() {
    return {Exit::failed, "the vault's answer does not match the request; is --url right?"};
}

// Codes are upper-case words; anything else from a server must not reach a terminal or a file.
std::string safe_code(const std::string& code) {
    const bool is_code =
        !code.empty() && code.size() <= 64 && std::all_of(code.begin(), code.end(), [](char c) {
            return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        });
    return is_code ? code : "REFUSED";
}

// The items of an answer. Throws if there are not `count`.
const boost::json::array& items_of(const boost::json::value& answer, std::size_t count) {
    const auto* const object = answer.if_object();
    const auto* const items = object == nullptr ? nullptr : object->if_contains("items");
    if (items == nullptr || !items->is_array() || items->get_array().size() != count) {
        throw strange_answer();
    }
    return items->get_array();
}

std::string code_of(const boost::json::value& item) {
    const auto* const object = item.if_object();
    const auto* const error = object == nullptr ? nullptr : object->if_contains("error");
    return error == nullptr ? std::string() : safe_code(string_member(*error, "code"));
}

bool is_plain_token(const std::string& token) {
    return !token.empty() && std::all_of(token.begin(), token.end(), [](char c) {
        return c > ' ' && c < '\x7f' && c != '"' && c != ',' && c != ';' && c != '|';
    });
}

// A JSON value as a cell holds it: strings as they are, the rest as JSON.
std::string cell_text(const boost::json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    return boost::json::serialize(value);
}

CellResult part_of(const boost::json::value& item, const boost::json::value& value,
                   const std::string& part) {
    const auto* const object = value.if_object();
    if (object == nullptr) {
        if (string_member(item, "transform") == part) return {cell_text(value), {}};
        return {{}, "PART_UNAVAILABLE"};
    }
    const auto* const found = object->if_contains({part.data(), part.size()});
    if (found == nullptr) return {{}, "PART_UNAVAILABLE"};
    if (!found->is_array()) return {cell_text(*found), {}};
    std::string lines;
    bool is_first = true;
    for (const boost::json::value& line : found->get_array()) {
        if (!std::exchange(is_first, false)) lines.push_back('\n');
        lines += cell_text(line);
    }
    return {std::move(lines), {}};
}

CellResult value_of(const boost::json::value& item, const ColumnMap& map) {
    if (std::string code = code_of(item); !code.empty()) return {{}, std::move(code)};
    const auto* const object = item.if_object();
    const auto* const value = object == nullptr ? nullptr : object->if_contains("value");
    if (value == nullptr) throw strange_answer();
    if (!map.field.empty() && string_member(item, "field") != map.field) {
        return {{}, "FIELD_DIFFERS"};
    }
    if (!map.part.empty()) return part_of(item, *value, map.part);
    return {cell_text(*value), {}};
}

// Records the consents of people who have no value in this batch, one by one: a request for values
// does not name them.
void put_consents(HttpsClient& client, const Batch& batch, const boost::json::array& consents) {
    for (const std::string& subject : batch.subjects_without_items) {
        for (const boost::json::value& consent : consents) {
            boost::json::object body = consent.get_object();
            const std::string slot = string_member(consent, "slot");
            body.erase("slot");
            body["granted"] = true;
            HttpRequest request;
            request.method = HttpMethod::put;
            request.path =
                "/v1/subjects/" + percent_encode(subject) + "/consents/" + percent_encode(slot);
            request.body = boost::json::serialize(body);
            expect_accepted(call_patiently(client, request));
        }
    }
}

std::string options_text(const CsvOptions& options, std::span<const ColumnMap> maps) {
    std::string text = options.server.url + "\n" + std::string(1, options.delimiter) + "\n" +
                       options.purpose + "\n" + std::to_string(options.batch_items) + "\n";
    for (const ColumnMap& map : maps) {
        text += map.column + "\x1f" + map.field + "\x1f" + map.part + "\n";
    }
    return text;
}

void check_limits(const CsvOptions& options) {
    if (options.batch_items < 1 || options.batch_items > kBatchItemsMax) {
        throw CommandError(Exit::usage, "--batch must be 1 to 10000");
    }
    if (options.connections < 1 || options.connections > kConnectionsMax) {
        throw CommandError(Exit::usage, "--connections must be 1 to 64");
    }
}

}  // namespace

std::string PolicyFacts::consents_json(const std::vector<std::string>& slots,
                                       const std::string& evidence_sha256) const {
    boost::json::array consents;
    for (const std::string& slot : slots) {
        const auto known = std::find_if(asks.begin(), asks.end(),
                                        [&slot](const auto& ask) { return ask.first == slot; });
        if (known == asks.end()) {
            std::vector<std::string> names;
            for (const auto& ask : asks) names.push_back(ask.first);
            const std::string meant = nearest(slot, names);
            throw CommandError(Exit::usage,
                               "the policy in force has no consent slot '" + slot + "'" +
                                   (meant.empty() ? "" : "; did you mean '" + meant + "'?"));
        }
        consents.push_back(boost::json::object{{"slot", slot},
                                               {"policy_version", version},
                                               {"kind", known->second},
                                               {"evidence_sha256", evidence_sha256}});
    }
    return boost::json::serialize(consents);
}

PolicyFacts read_policy_facts(const boost::json::value& document) {
    const CommandError strange(Exit::failed,
                               "GET /v1/policy did not answer a policy; is --url right?");
    boost::json::error_code error;
    const auto* const version = document.find_pointer("/policy/version", error);
    const auto* const fields = document.find_pointer("/fields", error);
    const auto* const slots = document.find_pointer("/consents", error);
    if (version == nullptr || fields == nullptr || !fields->is_object()) throw strange;
    PolicyFacts facts;
    facts.version = version->to_number<std::uint64_t>(error);
    if (error) throw strange;
    for (const auto& field : fields->get_object()) {
        if (string_member(field.value(), "owners") == "many" ||
            string_member(field.value(), "type") == "json") {
            facts.many.insert(std::string(field.key()));
        }
    }
    if (slots == nullptr || !slots->is_object()) return facts;
    for (const auto& slot : slots->get_object()) {
        facts.asks.emplace_back(std::string(slot.key()), string_member(slot.value(), "ask"));
    }
    return facts;
}

std::vector<CellResult> read_tokens(const boost::json::value& answer, const Batch& batch) {
    const boost::json::array& items = items_of(answer, batch.item_count);
    std::vector<CellResult> results;
    results.reserve(batch.edits.size());
    for (const CellEdit& edit : batch.edits) {
        const boost::json::value& item = items.at(edit.item);
        CellResult result{string_member(item, "token"), code_of(item)};
        if (result.code.empty() && !is_plain_token(result.text)) throw strange_answer();
        if (!result.code.empty()) result.text.clear();
        results.push_back(std::move(result));
    }
    return results;
}

std::vector<CellResult> read_values(const boost::json::value& answer, const Batch& batch,
                                    const BoundColumns& columns) {
    const boost::json::array& items = items_of(answer, batch.item_count);
    std::vector<CellResult> results;
    results.reserve(batch.edits.size());
    for (const CellEdit& edit : batch.edits) {
        CellResult result = value_of(items.at(edit.item), columns.mapped[edit.column].map);
        if (result.text.find('\0') != std::string::npos) result = {{}, "VALUE_NOT_TEXT"};
        results.push_back(std::move(result));
    }
    return results;
}

CsvSummary tokenize_table(const TokenizeOptions& options) {
    check_limits(options.csv);
    const CsvInput input(options.csv.input, options.csv.output);
    HttpsClient client = make_client(options.csv.server);
    HttpRequest ask_policy;
    ask_policy.path = "/v1/policy";
    const PolicyFacts policy = read_policy_facts(accepted_json(client.call(ask_policy)));
    // Unknown slots are found before the table is read.
    (void)policy.consents_json(options.consent_slots, {});

    const TableFacts facts = check_input(input,
                                         {.name = options.csv.input,
                                          .delimiter = options.csv.delimiter,
                                          .subject = options.subject_column,
                                          .maps = options.maps,
                                          .many = policy.many,
                                          .permits_replacing = options.permits_replacing},
                                         options.csv.talk);
    const std::string consents = policy.consents_json(options.consent_slots, facts.sha256);
    const boost::json::value consents_value = boost::json::parse(consents);

    CsvVerb verb;
    verb.name = "tokenize";
    verb.options_text = options_text(options.csv, options.maps) + options.subject_column + "\n";
    for (const std::string& slot : options.consent_slots) verb.options_text += slot + "\n";
    verb.consents = consents;
    verb.add = [&](Batch& batch, const CsvRow& row) {
        return add_to_tokenize(batch, row, facts.columns,
                               {.item_count_max = options.csv.batch_items});
    };
    std::string head = R"({"purpose":)";
    append_json_string(head, options.csv.purpose);
    head += R"(,"token":{"kind":"deterministic"},)";
    if (!options.consent_slots.empty()) head += R"("consents":)" + consents + ",";
    verb.send = [&](HttpsClient& connection, const Batch& batch, const std::string& key) {
        put_consents(connection, batch, consents_value.get_array());
        if (batch.item_count == 0) return std::vector<CellResult>{};
        HttpRequest request;
        request.method = HttpMethod::post;
        request.path = "/v1/tokenize";
        request.idempotency_key = key;
        request.body = head + R"("items":[)" + batch.items + "]}";
        return read_tokens(accepted_json(call_patiently(connection, request)), batch);
    };
    CsvOptions csv = options.csv;
    // "The last one wins" needs one after the other.
    if (options.permits_replacing) csv.connections = 1;
    return run_csv_job(csv, verb, input, facts);
}

CsvSummary detokenize_table(const DetokenizeOptions& options) {
    check_limits(options.csv);
    const CsvInput input(options.csv.input, options.csv.output);
    const TableFacts facts = check_input(input,
                                         {.name = options.csv.input,
                                          .delimiter = options.csv.delimiter,
                                          .subject = {},
                                          .maps = options.columns,
                                          .many = {}},
                                         options.csv.talk);
    HttpsClient client = make_client(options.csv.server);
    HttpRequest knock;
    knock.path = "/livez";
    // Only to learn at once that nobody is there: batches are sent with patience.
    (void)client.call(knock);

    CsvVerb verb;
    verb.name = "detokenize";
    verb.options_text = options_text(options.csv, options.columns) + options.want + "\n";
    verb.privacy = CsvPrivacy::owner_only;
    verb.add = [&](Batch& batch, const CsvRow& row) {
        return add_to_detokenize(batch, row, facts.columns,
                                 {.item_count_max = options.csv.batch_items});
    };
    std::string head = R"({"purpose":)";
    append_json_string(head, options.csv.purpose);
    if (!options.want.empty()) {
        head += R"(,"want":)";
        append_json_string(head, options.want);
    }
    verb.send = [&](HttpsClient& connection, const Batch& batch, const std::string& /*key*/) {
        if (batch.item_count == 0) return std::vector<CellResult>{};
        HttpRequest request;
        request.method = HttpMethod::post;
        request.path = "/v1/detokenize";
        request.is_repeatable = true;
        request.body = head + R"(,"tokens":[)" + batch.items + "]}";
        return read_values(accepted_json(call_patiently(connection, request)), batch,
                           facts.columns);
    };
    return run_csv_job(options.csv, verb, input, facts);
}

}  // namespace oubliette::tools
