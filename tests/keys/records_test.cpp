#include "vault/keys/records.hpp"

#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "vault/keys/path.hpp"

// The frozen bytes of a keeper's records, from an encoder that shares no code with ours. A failure
// means that keepers and receipts which exist cannot be read.

namespace oubliette::keys {
namespace {

const nlohmann::json& vectors() {
    static const nlohmann::json read = [] {
        std::ifstream file{OUBLIETTE_SOURCE_DIR "/tests/vectors/oubliette/plane.json"};
        REQUIRE(file);
        return nlohmann::json::parse(file);
    }();
    return read;
}

Bytes hex(const nlohmann::json& text) {
    auto bytes = crypto::hex_decode(text.get<std::string>());
    REQUIRE(bytes);
    return std::move(*bytes);
}

template <std::size_t N>
ByteArray<N> array(const nlohmann::json& text) {
    const Bytes bytes = hex(text);
    REQUIRE(bytes.size() == N);
    ByteArray<N> out{};
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
}

KeeperName name() {
    return {array<16>(vectors()["vault"]), array<16>(vectors()["keepers"][0])};
}

crypto::Kek kek() {
    return crypto::Kek{array<32>(vectors()["kek"])};
}

Revocation request(std::size_t i) {
    const nlohmann::json& from = vectors()["requests"][i];
    Revocation out;
    out.id = array<16>(from["id"]);
    out.blind = array<32>(from["blind"]);
    auto paths = decode_address_list(hex(from["addresses"]));
    REQUIRE(paths);
    out.addresses = std::move(*paths);
    return out;
}

// Every prefix, one byte more, and every flipped bit of `bytes` is refused.
template <class Opens>
void check_refusals(const Bytes& bytes, const Opens& opens) {
    REQUIRE(opens(bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        REQUIRE_FALSE(opens(Bytes{bytes.begin(), bytes.begin() + static_cast<long>(size)}));
    }
    Bytes longer = bytes;
    longer.push_back(0);
    REQUIRE_FALSE(opens(longer));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        Bytes flipped = bytes;
        flipped[i] = static_cast<Byte>(flipped[i] ^ (1U << (i % 8)));
        INFO("byte " << i);
        REQUIRE_FALSE(opens(flipped));
    }
}

}  // namespace

TEST_CASE("member list, chain and request root are the frozen ones") {
    const nlohmann::json& v = vectors();
    const auto members = decode_members(hex(v["member_list"]));
    REQUIRE(members);
    REQUIRE(members->size() == 2);
    CHECK((*members)[1].status == MemberStatus::active);
    CHECK((*members)[1].last_epoch == 7);
    CHECK(encode_members(*members) == hex(v["member_list"]));
    CHECK(members_hash(*members) == array<32>(v["members"]));
    Members swapped = *members;
    std::swap(swapped[0], swapped[1]);
    CHECK_FALSE(decode_members(encode_members(swapped)));

    std::vector<RequestLeaf> leaves;
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(request_digest(request(i)) == array<32>(v["requests"][i]["digest"]));
        leaves.push_back({request(i).id, request_digest(request(i))});
    }
    CHECK(request_root(leaves) == array<32>(v["request_root"]));
    CHECK(request_root({}) == array<32>(v["empty_request_root"]));
    Revocation shuffled = request(0);
    std::reverse(shuffled.addresses.begin(), shuffled.addresses.end());
    CHECK(request_digest(shuffled) == request_digest(request(0)));

    const auto root = RootSlot::decode(hex(v["root_slot"]));
    REQUIRE(root);
    CHECK(root_hash(*root) == array<32>(v["root_hash"]));
    CHECK(plane_hash(name().vault, v["epoch"], array<32>(v["previous"]), array<32>(v["root_hash"]),
                     array<32>(v["members"])) == array<32>(v["hash"]));
    const auto row = decode_row(v["epoch"], hex(v["chain_row"]));
    REQUIRE(row);
    CHECK(is_consistent(name().vault, row->row));
    CHECK(row->is_signed);
    CHECK(row->signed_request_root == array<32>(v["signed_request_root"]));
    CHECK(encode_row(*row) == hex(v["chain_row"]));
}

TEST_CASE("an acknowledgement is 192 frozen bytes under a frozen signature") {
    const nlohmann::json& v = vectors();
    Acknowledgement ack;
    ack.keeper = name().keeper;
    ack.cell_class = CellClass::software;
    ack.term = v["term"];
    ack.epoch = v["epoch"];
    ack.previous_hash = array<32>(v["previous"]);
    ack.hash = array<32>(v["hash"]);
    ack.request_root = array<32>(v["request_root"]);
    ack.members = array<32>(v["members"]);
    const Bytes bytes = acknowledgement_bytes(name().vault, ack);
    CHECK(bytes.size() == 192);
    CHECK(bytes == hex(v["acknowledgement"]));
    CHECK(crypto::verify(array<32>(v["public_keys"][0]), bytes, array<64>(v["signature"])));
}

TEST_CASE("a frozen root record opens with its anchor and with nothing else") {
    const nlohmann::json& v = vectors();
    const crypto::Anchor anchor{array<32>(v["anchor"])};
    const auto opens = [&](const Bytes& record) {
        const auto head = decode_head(record);
        // h binds previous hash and members, and the box binds h; nothing binds the clear term.
        return head && open_root(anchor, name(), record) && head->term == v["term"] &&
               head->previous_hash == array<32>(v["previous"]) &&
               head->members == array<32>(v["members"]);
    };
    check_refusals(hex(v["root_record"]), opens);
    const auto root = open_root(anchor, name(), hex(v["root_record"]));
    REQUIRE(root);
    CHECK(root_hash(*root) == array<32>(v["root_hash"]));
    CHECK_FALSE(open_root(crypto::Anchor::generate(), name(), hex(v["root_record"])));
    KeeperName other = name();
    other.keeper[0] ^= 1;
    CHECK_FALSE(open_root(anchor, other, hex(v["root_record"])));
}

TEST_CASE("frozen boxes beside the tree open for their keeper, key and place alone") {
    const nlohmann::json& v = vectors();
    const std::uint64_t epoch = v["epoch"];
    const RequestId id = request(0).id;
    check_refusals(hex(v["request_box"]), [&](const Bytes& box) {
        return open_request(kek(), name(), epoch, id, {box}).has_value();
    });
    const auto opened = open_request(kek(), name(), epoch, id, {hex(v["request_box"])});
    REQUIRE(opened);
    CHECK(opened->scope == RevocationScope::category);
    CHECK(opened->ground == 0x0102);
    CHECK(opened->opening_commitment == array<32>(v["opening_commitment"]));
    CHECK(opened->blind == request(0).blind);
    CHECK(opened->addresses == request(0).addresses);
    const crypto::SecretBytes again = encode_request(*opened);
    CHECK(std::ranges::equal(again.expose(), hex(v["request_record"])));
    CHECK_FALSE(open_request(kek(), name(), 0, id, {hex(v["request_box"])}));
    CHECK_FALSE(open_request(kek(), name(), epoch, request(1).id, {hex(v["request_box"])}));

    const RegisterKey key{RegisterKind::kid, TenantId{1}, 2, 3};
    CHECK(encode_register_key(key) == hex(v["register_key"]));
    CHECK(open_register(kek(), name(), key, hex(v["register"])) == v["register_value"]);
    const RegisterKey next{RegisterKind::kid, TenantId{1}, 2, 4};
    CHECK_FALSE(open_register(kek(), name(), next, hex(v["register"])));
    check_refusals(hex(v["register"]), [&](const Bytes& box) {
        return open_register(kek(), name(), key, box).has_value();
    });

    const auto state = open_state(kek(), name(), hex(v["state"]));
    REQUIRE(state);
    CHECK(*state == StateRecord{2, 99, 1'000, array<32>(v["log_root"])});

    check_refusals(hex(v["signing_file"]),
                   [&](const Bytes& file) { return decode_signing_file(file).has_value(); });
    const auto file = decode_signing_file(hex(v["signing_file"]));
    REQUIRE(file);
    const auto signing = open_signing_key(kek(), *file);
    REQUIRE(signing);
    CHECK(signing->public_key() == array<32>(v["public_keys"][0]));
    CHECK_FALSE(open_signing_key(crypto::Kek::generate(), *file));
}

TEST_CASE("a request of many pieces comes back whole, and not with a piece missing or swapped") {
    Revocation many = request(0);
    many.addresses.clear();
    for (std::uint64_t n = 0; n < 9'000; ++n) {
        many.addresses.push_back(person_path(kFirstTenant, SubjectNumber{n}));
    }
    std::vector<Bytes> pieces = seal_request(kek(), name(), 5, many);
    REQUIRE(pieces.size() == 4);
    const auto opened = open_request(kek(), name(), 5, many.id, pieces);
    REQUIRE(opened);
    CHECK(opened->addresses == many.addresses);
    std::swap(pieces[0], pieces[1]);
    CHECK_FALSE(open_request(kek(), name(), 5, many.id, pieces));
    std::swap(pieces[0], pieces[1]);
    pieces.pop_back();
    CHECK_FALSE(open_request(kek(), name(), 5, many.id, pieces));
}

}  // namespace oubliette::keys
