#include "tools/demo_receipt.hpp"

#include <map>
#include <stdexcept>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "vault/keys/key_plane.hpp"

namespace oubliette::tools {
namespace {

namespace json = boost::json;

template <std::size_t N>
ByteArray<N> hex(const json::value& object, const char* name) {
    const json::string& text = object.at(name).as_string();
    const auto bytes = crypto::hex_decode({text.data(), text.size()});
    if (!bytes || bytes->size() != N) throw std::invalid_argument{name};
    return ByteReader{*bytes}.array<N>();
}

keys::Acknowledgement acknowledgement_of(const json::value& value) {
    keys::Acknowledgement ack;
    ack.keeper = hex<16>(value, "keeper");
    ack.public_key = hex<32>(value, "public_key");
    ack.cell_class = static_cast<keys::CellClass>(value.at("class").as_string().at(0));
    ack.term = value.at("term").to_number<std::uint64_t>();
    ack.epoch = value.at("epoch").to_number<std::uint64_t>();
    ack.previous_hash = hex<32>(value, "prev_h");
    ack.hash = hex<32>(value, "h");
    ack.request_root = hex<32>(value, "req_root");
    ack.members = hex<32>(value, "members");
    ack.signature = hex<64>(value, "signature");
    return ack;
}

ReceiptCheck check(const json::value& erasure, const json::value& status,
                   std::string_view external_id) {
    if (erasure.at("state").as_string() != "final") return {false, "the erasure is not final"};
    const json::value& receipt = erasure.at("receipt");
    const auto vault = hex<16>(status, "vault");
    std::map<keys::KeeperId, crypto::PublicKey> keepers;
    for (const json::value& keeper : status.at("keepers").as_array()) {
        keepers.emplace(hex<16>(keeper, "id"), hex<32>(keeper, "public_key"));
    }
    const std::size_t keeper_count = keepers.size();
    const auto hash_after = hex<32>(receipt, "h_after");
    std::string classes;
    for (const json::value& value : receipt.at("acknowledgements").as_array()) {
        const keys::Acknowledgement ack = acknowledgement_of(value);
        const auto known = keepers.find(ack.keeper);
        if (known == keepers.end() || known->second != ack.public_key) {
            return {false, "an acknowledgement is of no keeper of this vault"};
        }
        if (ack.hash != hash_after ||
            !crypto::verify(ack.public_key, keys::acknowledgement_bytes(vault, ack),
                            ack.signature)) {
            return {false, "a keeper's signature does not verify"};
        }
        classes.push_back(static_cast<char>(ack.cell_class));
        keepers.erase(known);
    }
    if (!keepers.empty()) return {false, "a keeper did not acknowledge"};
    const auto commitment =
        crypto::sha256({bytes_of("obl/rcpt/1"), hex<32>(erasure, "r"), bytes_of(external_id)});
    if (commitment != hex<32>(receipt, "commitment")) {
        return {false, "the receipt is not about this person"};
    }
    return {true, std::to_string(keeper_count) +
                      " keepers signed that the key is destroyed (class " + classes.substr(0, 1) +
                      "), signatures and receipt verified"};
}

}  // namespace

ReceiptCheck check_receipt(const json::value& erasure, const json::value& status,
                           std::string_view external_id) {
    try {
        return check(erasure, status, external_id);
    } catch (const std::exception&) {  // a member is missing or of another type
        return {false, "the answer holds no whole receipt"};
    }
}

}  // namespace oubliette::tools
