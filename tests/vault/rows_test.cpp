#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "crypto/ggm.hpp"
#include "crypto/kdf.hpp"
#include "tests/crypto/vector_file.hpp"
#include "vault/audit/audit_log.hpp"
#include "vault/clients.hpp"
#include "vault/erasure_rows.hpp"
#include "vault/people/given_tokens.hpp"
#include "vault/receipt.hpp"
#include "vault/tokens/pointer_token.hpp"
#include "vault/tokens/token_row.hpp"

// The formats of the data plane against answers of an independent program: both directions, so
// that neither a changed encoder nor a decoder that follows it goes unseen.

namespace oubliette {
namespace {

using crypto::testing::hex_of;
using crypto::testing::key_of;
using crypto::testing::pattern;
using nlohmann::json;

const json& vectors() {
    static const json content =
        crypto::testing::read_json(crypto::testing::vectors_folder() / "oubliette" / "rows.json");
    return content;
}

std::string hex(ByteView bytes) {
    return crypto::hex_encode(bytes);
}

std::uint64_t number_of(const json& text) {
    return std::stoull(text.get<std::string>());
}

template <std::size_t N>
ByteArray<N> array_of(const json& text) {
    const Bytes bytes = hex_of(text);
    REQUIRE(bytes.size() == N);
    return ByteReader{bytes}.array<N>();
}

people::RecordPlace place_of(const json& c, std::uint8_t type) {
    return {static_cast<keys::RecordType>(type),
            static_cast<keys::TenantId>(c["tenant"].get<std::uint16_t>()),
            {number_of(c["local"])},
            c["field"].get<std::uint16_t>(),
            c["item"].get<std::uint32_t>()};
}

// The key that a row's plaintext is under, from the person's seed by way of the tree's addresses.
crypto::SubKey record_key(const json& c) {
    const crypto::Seed person = key_of(c["person_seed"]);
    const keys::Path root = keys::person_path(keys::kFirstTenant, {number_of(c["local"])});
    const bool is_fixed = c["key_of"] == "fixed";
    const keys::Path leaf =
        is_fixed ? keys::fixed_path(root) : keys::item_path(root, c["item"].get<std::uint32_t>());
    const unsigned depth = leaf.bits() - root.bits();
    const crypto::Seed key =
        crypto::ggm_descend(person.expose(), leaf.slice(root.bits(), depth), depth);
    const auto context = is_fixed ? crypto::KdfContext::subject : crypto::KdfContext::item;
    return crypto::derive_subkey(key.expose(), context, c["subkey"].get<std::uint64_t>());
}

Bytes plaintext_of(const json& c) {
    using namespace people;
    const std::string record = c["record"];
    const auto bytes = [](const auto& array) { return Bytes(array.begin(), array.end()); };
    if (record == "person_row") {
        return bytes(encode(PersonRow{c["next_item"], c["skipped_from"], c["skipped_to"]}));
    }
    if (record == "hot_row") {
        policy::SubjectState state;
        state.granted = {number_of(c["granted_low"]), number_of(c["granted_high"])};
        state.seen_version = c["seen_version"];
        state.home_region = c["home_region"];
        state.flags = c["flags"];
        state.earliest_expiry = c["earliest_expiry"];
        state.account_closed = c["account_closed"];
        state.last_activity = c["last_activity"];
        state.campaign_ended = c["campaign_ended"];
        return bytes(encode(state));
    }
    if (record == "marker") {
        return bytes(encode(Marker{c["slot"], c["version"],
                                   static_cast<policy::ConsentKind>(c["kind"].get<int>()),
                                   c["told"], Timestamp{c["granted"]}, Timestamp{c["expires"]},
                                   array_of<32>(c["evidence"])}));
    }
    if (record == "index_truth") {
        return bytes(encode(IndexTruth{array_of<16>(c["fingerprint"]), c["normaliser"], c["kid"]}));
    }
    const auto secret = encode_external_id(c["id"].get<std::string>());
    return Bytes(secret.expose().begin(), secret.expose().end());
}

// Decoded and encoded again; empty if the decoder refuses.
Bytes recoded(const std::string& record, ByteView plaintext) {
    using namespace people;
    const auto again = [](const auto& decoded) {
        if (!decoded) return Bytes{};
        const auto array = encode(*decoded);
        return Bytes(array.begin(), array.end());
    };
    if (record == "person_row") return again(decode_person_row(plaintext));
    if (record == "hot_row") return again(decode_subject_state(plaintext));
    if (record == "marker") return again(decode_marker(plaintext));
    if (record == "index_truth") return again(decode_index_truth(plaintext));
    const auto id = decode_external_id(plaintext);
    if (!id) return {};
    const auto secret = encode_external_id(*id);
    return Bytes(secret.expose().begin(), secret.expose().end());
}

}  // namespace

TEST_CASE("row keys: as the independent program writes them, and back") {
    using people::RowKind;
    for (const json& c : vectors()["keys"]) {
        const auto tenant = static_cast<keys::TenantId>(c["tenant"].get<std::uint16_t>());
        const keys::SubjectNumber number{number_of(c["local"])};
        const std::uint16_t field = c["field"];
        const std::uint32_t item = c["item"];
        CHECK(hex(people::person_prefix(tenant, number)) == c["prefix"]);
        const std::pair<const char*, RowKind> fixed[] = {{"person", RowKind::person},
                                                         {"hot", RowKind::hot},
                                                         {"audit_counter", RowKind::audit_counter},
                                                         {"external_id", RowKind::external_id}};
        for (const auto& [name, kind] : fixed) {
            const people::RowKey key = people::row_key(tenant, number, kind);
            CHECK(hex(key) == c[name]);
            CHECK(people::subject_of(key) == number);
            CHECK(people::kind_of(key) == kind);
        }
        const std::pair<const char*, RowKind> items[] = {{"value", RowKind::value},
                                                         {"marker", RowKind::marker}};
        for (const auto& [name, kind] : items) {
            const people::RowKey key = people::row_key(tenant, number, kind, field, item);
            CHECK(hex(key) == c[name]);
            CHECK(people::subject_of(key) == number);
            CHECK(people::kind_of(key) == kind);
            CHECK(people::field_item_of(key).field == field);
            CHECK(people::field_item_of(key).item == item);
        }
    }
}

TEST_CASE("headers and associated data") {
    for (const json& c : vectors()["headers"]) {
        people::Header header{c["format"], c["schema"], c["retention_class"],
                              c["day"],    c["region"], c["generation"]};
        CHECK(hex(header.encode()) == c["header"]);
        const auto decoded = people::Header::decode(hex_of(c["header"]));
        REQUIRE(decoded);
        CHECK(hex(decoded->encode()) == c["header"]);
        CHECK(decoded->generation == header.generation);
    }
    for (const json& c : vectors()["associated_data"]) {
        const auto data = people::associated_data(place_of(c, c["type"]),
                                                  array_of<people::kHeaderSize>(c["header"]));
        CHECK(hex(data) == c["data"]);
    }
}

TEST_CASE("plaintexts of values") {
    for (const json& c : vectors()["value_plaintexts"]) {
        const std::size_t size = c["size"];
        std::string text(size, ' ');
        const Bytes seed = pattern(size, c["text_seed"]);
        for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(0x20 + seed[i] % 0x5F);
        const auto kind = static_cast<policy::ValueKind>(c["kind"].get<int>());
        const Timestamp collected{c["collected"]};
        const auto plaintext = people::encode_value(kind, collected, text);
        CHECK(plaintext.size() == c["plaintext_size"]);
        CHECK(hex(crypto::sha256({plaintext.expose()})) == c["plaintext_sha256"]);
        if (c["plaintext"] != "") CHECK(hex(plaintext.expose()) == c["plaintext"]);
        const auto value = people::decode_value(plaintext.expose());
        REQUIRE(value);
        CHECK(value->kind == kind);
        CHECK(value->collected == collected);
        CHECK(value->text == text);
    }
}

TEST_CASE("plaintexts of records") {
    for (const json& c : vectors()["record_plaintexts"]) {
        INFO(c["record"]);
        CHECK(hex(plaintext_of(c)) == c["plaintext"]);
        CHECK(hex(recoded(c["record"], hex_of(c["plaintext"]))) == c["plaintext"]);
    }
}

TEST_CASE("rows of one person open under keys from the person's seed") {
    for (const json& c : vectors()["rows"]) {
        const Bytes row = hex_of(c["row"]);
        const people::RecordPlace place = place_of(c, c["type"]);
        const auto opened = people::open_record(record_key(c), place, row);
        REQUIRE(opened);
        CHECK(hex(opened->expose()) == c["plaintext"]);
        const auto header = people::Header::decode(row);
        const Bytes own = people::seal_record(record_key(c), *header, place, opened->expose());
        const auto again = people::open_record(record_key(c), place, own);
        REQUIRE(again);
        CHECK(hex(again->expose()) == c["plaintext"]);
        CHECK(own.size() == row.size());
        CHECK(own != row);  // a fresh salt
    }
}

TEST_CASE("rows of values: key, both boxes, salt") {
    for (const json& c : vectors()["value_rows"]) {
        const auto key = people::derive_value_key(key_of(c["item_key"]).expose(),
                                                  key_of(c["retention_key"]).expose(),
                                                  key_of(c["region_key"]).expose());
        CHECK(hex(key.expose()) == c["value_key"]);
        const Bytes row = hex_of(c["row"]);
        const people::RecordPlace place = place_of(c, 1);
        const auto opened = people::open_value_row(key, place, row);
        REQUIRE(opened);
        CHECK(hex(opened->expose()) == c["plaintext"]);
        CHECK(people::salt32_of(row) == c["salt32"].get<std::uint32_t>());
        const auto truth = people::open_index_truth(key, place, row);
        REQUIRE(truth.has_value() == (c["index_truth"] != ""));
        if (truth) CHECK(hex(encode(*truth)) == c["index_truth"]);

        const auto header = people::Header::decode(row);
        const Bytes own =
            people::seal_value_row(key, *header, place, array_of<crypto::kBoxSaltSize>(c["salt"]),
                                   opened->expose(), truth);
        const std::size_t same_from =
            people::kHeaderSize + (truth ? people::kIndexTruthBoxSize : 0);
        REQUIRE(own.size() == row.size());
        CHECK(hex(ByteView{own}.first(people::kHeaderSize)) == c["header"]);
        CHECK(hex(ByteView{own}.subspan(same_from)) == hex(ByteView{row}.subspan(same_from)));
        if (truth) CHECK(people::open_index_truth(key, place, own).has_value());
    }
}

TEST_CASE("pointer tokens of both kinds") {
    for (const json& c : vectors()["tokens"]) {
        const auto keys = tokens::TokenKeys::derive(key_of(c["leaf"]).expose());
        CHECK(hex(keys.mac.expose()) == c["mac"]);
        CHECK(hex(keys.encryption.expose()) == c["encryption"]);
        const tokens::TokenScope scope{
            static_cast<keys::TenantId>(c["tenant"].get<std::uint16_t>()), c["recipient"],
            c["kid"]};
        tokens::TokenPayload payload;
        payload.subject.local = number_of(c["local"]);
        payload.field = c["field"];
        payload.salt32 = c["salt32"];
        payload.recipient = c["recipient"];
        payload.kind = static_cast<tokens::TokenKind>(c["kind"].get<int>());
        payload.expiry.seconds = c["expiry"];
        payload.nonce = array_of<8>(c["nonce"]);
        std::array<char, tokens::kTokenSize> text{};
        tokens::seal_token(keys, scope, payload, text);
        CHECK(std::string(text.data(), text.size()) == c["token"]);
        CHECK(tokens::parse_kid(c["token"].get<std::string>()) == scope.kid);
        CHECK(tokens::open_token(keys, scope, c["token"].get<std::string>()) == payload);
    }
}

TEST_CASE("rows of table tokens, and counts") {
    for (const json& c : vectors()["table_tokens"]) {
        const auto keys = tokens::TokenRowKeys::derive(key_of(c["leaf"]).expose());
        tokens::TokenRowPlace place{static_cast<keys::TenantId>(c["tenant"].get<std::uint16_t>()),
                                    c["recipient"], c["kid"],
                                    tokens::find_key(keys, c["text"].get<std::string>())};
        CHECK(hex(place.find) == c["find"]);
        CHECK(tokens::class_of(place.find) == c["class"].get<unsigned>());
        CHECK(hex(tokens::token_row_key(place)) == c["key"]);
        tokens::TokenRow row;
        row.kind = static_cast<tokens::TableKind>(c["kind"].get<int>());
        row.state = static_cast<tokens::TableState>(c["state"].get<int>());
        row.field = c["field"];
        row.expiry.seconds = c["expiry"];
        for (const json& member : c["members"]) {
            row.members.push_back({{member[0].get<std::uint64_t>()}, member[1]});
        }
        tokens::TokenRowHead head;
        head.generation = c["generation"];
        crypto::SubKey key = keys.box.duplicate();
        if (row.kind == tokens::TableKind::handle) {
            head.handle = keys::SubjectNumber{c["handle"].get<std::uint64_t>()};
            key = tokens::handle_box_key(key_of(c["handle_leaf"]).expose());
        }
        const Bytes stored = hex_of(c["row"]);
        CHECK(tokens::token_row_head(stored) == head);
        CHECK(tokens::open_token_row(key.expose(), place, stored) == row);
        const Bytes own = tokens::seal_token_row(key.expose(), place, head, row);
        CHECK(own.size() == stored.size());
        CHECK(tokens::open_token_row(key.expose(), place, own) == row);
        const Bytes count_key =
            tokens::count_row_key(place, array_of<8>(c["shape"]), c["generation"]);
        CHECK(hex(count_key) == c["count_key"]);
        CHECK(tokens::open_count_row(keys, count_key, hex_of(c["count_row"])) ==
              c["count"].get<std::uint64_t>());
    }
}

TEST_CASE("what people's rows remember of table tokens") {
    for (const json& c : vectors()["given_tokens"]) {
        const crypto::Seed seed = key_of(c["seed"]);
        const people::GivenTokenPlace place{
            static_cast<keys::TenantId>(c["tenant"].get<std::uint16_t>()),
            {number_of(c["local"])},
            c["field"],
            c["item"],
            c["recipient"],
            c["kind"]};
        CHECK(hex(people::given_token_key(place)) == c["key"]);
        const auto key = people::given_token_box_key(place, seed.expose());
        const people::GivenToken token{c["kid"], c["text"]};
        CHECK(people::open_given_token(key, place, hex_of(c["row"])) == token);
        people::Header header;
        header.region = 2;
        header.generation = c["n"];
        const Bytes own = people::seal_given_token(key, header, place, token);
        CHECK(hex(ByteView{own}.first(people::kHeaderSize)) ==
              c["row"].get<std::string>().substr(0, 2 * people::kHeaderSize));
        CHECK(hex(people::given_handle_key(place.tenant, place.number, c["n"])) == c["handle_key"]);
        CHECK(people::open_given_handle(seed, place.tenant, place.number, c["n"],
                                        hex_of(c["handle_row"])) ==
              keys::SubjectNumber{c["handle"].get<std::uint64_t>()});
    }
}

TEST_CASE("audit entries and pseudonyms") {
    for (const json& c : vectors()["audit_entries"]) {
        CHECK(hex(audit::pseudonym_of(
                  crypto::derive_subkey(key_of(c["fixed_key"]).expose(), crypto::KdfContext::audit,
                                        keys::subkey::kAuditPseudonym),
                  number_of(c["n"]))) == c["pseudonym"]);
        audit::Entry entry;
        entry.action = static_cast<audit::Action>(c["action"].get<int>());
        if (c["result"] != 0) entry.refusal = static_cast<Refusal>(c["result"].get<int>());
        entry.transform = c["transform"];
        entry.time.seconds = c["minutes"].get<std::uint32_t>() * 60 + 59;  // only minutes are kept
        entry.actor = c["actor"];
        entry.purpose = c["purpose"];
        entry.policy_version = c["policy_version"];
        entry.field = c["field"];
        entry.pseudonym = array_of<16>(c["pseudonym"]);
        entry.failed_steps = c["failed_steps"];
        entry.recipient = c["recipient"];
        entry.object = array_of<16>(c["object"]);
        Bytes bytes;
        encode(entry, bytes);
        CHECK(hex(bytes) == c["entry"]);
        const auto decoded = audit::decode_entry(hex_of(c["entry"]));
        REQUIRE(decoded);
        CHECK(decoded->refusal == entry.refusal);
        CHECK(decoded->time.seconds == c["minutes"].get<std::uint32_t>() * 60);
        Bytes again;
        encode(*decoded, again);
        CHECK(hex(again) == c["entry"]);
    }
}

TEST_CASE("erasure rows and queue rows") {
    for (const json& c : vectors()["erasures"]) {
        const auto row = decode_erasure_row(array_of<16>(c["id"]), hex_of(c["row"]));
        REQUIRE(row);
        CHECK(static_cast<int>(row->scope) == c["scope"]);
        CHECK(static_cast<int>(row->ground) == c["ground"]);
        CHECK(row->accepted.seconds == c["accepted"]);
        CHECK(hex(row->commitment) == c["commitment"]);
        CHECK(hex(row->blind) == c["blind"]);
        CHECK(row->addresses == std::vector{keys::person_path(
                                    static_cast<keys::TenantId>(c["tenant"].get<std::uint16_t>()),
                                    {c["local"].get<std::uint64_t>()})});
        const bool is_final = c["what"] == "final";
        CHECK((row->state == ErasureState::final) == is_final);
        REQUIRE(row->finality.has_value() == is_final);
        CHECK(hex(encode(*row)) == c["row"]);
        if (!is_final) continue;
        CHECK(row->finality->request_proof.size() == 3);
        CHECK(row->finality->request_count == 5);
        REQUIRE(row->finality->acknowledgements.size() == 1);
        CHECK(row->finality->acknowledgements[0].term == 4);
        CHECK(hex(row->finality->acknowledgements[0].signature) == hex(pattern(64, 66)));
        REQUIRE(row->finality->chain.size() == 1);
        CHECK(row->finality->chain[0].epoch == 12);
        CHECK(hex(row->finality->chain[0].hash) == hex(pattern(32, 74)));
        CHECK(hex(row->finality->members) == hex(pattern(5, 75)));
        REQUIRE(row->log);
        CHECK(row->log->index == c["audit_index"]);
        CHECK(hex(row->log->entry) == c["audit_entry"]);
        CHECK(row->log->checkpoint == c["checkpoint"]);
        CHECK(has_receipt(*row) == !row->log->checkpoint.empty());
        CHECK(row->finality->irrecoverable_after.seconds == c["irrecoverable_after"]);
        Bytes entry;
        encode(receipt_entry(array_of<16>(c["vault"]), *row, {118 * 60}), entry);
        CHECK(hex(entry) == c["audit_entry"]);
    }
    for (const json& c : vectors()["queue"]) {
        QueueRow row;
        row.revocation.id = array_of<16>(c["id"]);
        row.revocation.scope = static_cast<keys::RevocationScope>(c["scope"].get<int>());
        row.revocation.ground = c["ground"];
        row.revocation.opening_commitment = array_of<32>(c["commitment"]);
        row.revocation.blind = array_of<32>(c["blind"]);
        row.due.seconds = c["due"];
        const keys::Path person =
            keys::person_path(static_cast<keys::TenantId>(c["tenant"].get<std::uint16_t>()),
                              {c["local"].get<std::uint64_t>()});
        row.revocation.addresses = {person, keys::item_path(person, c["item"])};
        const auto key = crypto::derive_subkey(key_of(c["leaf"]).expose(),
                                               crypto::KdfContext::system, keys::subkey::kQueueTag);
        row.tag = queue_tag(row, key.expose());
        CHECK(hex(row.tag) == c["tag"]);
        CHECK(hex(encode(row)) == c["row"]);
        const auto decoded = decode_queue_row(row.revocation.id, hex_of(c["row"]));
        REQUIRE(decoded);
        CHECK(decoded->revocation.addresses == row.revocation.addresses);
        CHECK(hex(encode(*decoded)) == c["row"]);
    }
}

TEST_CASE("fingerprints, verifiers of API keys, commitments of receipts") {
    for (const json& c : vectors()["fingerprints"]) {
        const auto fingerprint = people::fingerprint_of(
            key_of(c["leaf"]).expose(), c["field"], bytes_of(c["normalised"].get<std::string>()));
        CHECK(hex(fingerprint) == c["fingerprint"]);
        CHECK(ByteReader{fingerprint}.le64() == number_of(c["index_key"]));
    }
    for (const json& c : vectors()["verifiers"]) {
        const auto key = verifier_key_of(key_of(c["leaf"]).expose());
        CHECK(hex(verifier_of(key, hex_of(c["secret"]))) == c["verifier"]);
    }
    for (const json& c : vectors()["commitments"]) {
        CHECK(hex(commitment_of(array_of<32>(c["opening"]), c["external_id"].get<std::string>())) ==
              c["commitment"]);
    }
}

}  // namespace oubliette
