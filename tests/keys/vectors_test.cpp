#include <fstream>
#include <map>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crypto/box.hpp"
#include "crypto/encoding.hpp"
#include "crypto/ggm.hpp"
#include "tests/keys/tree_support.hpp"

// The frozen bytes of the tree's formats, computed by tests/vectors/oubliette/generate_tree.py
// from the specification. A failure here means that old data and backups cannot be read.

using namespace oubliette;
using namespace oubliette::keys;

namespace {

nlohmann::json vectors() {
    std::ifstream file{OUBLIETTE_SOURCE_DIR "/tests/vectors/oubliette/tree.json"};
    REQUIRE(file);
    return nlohmann::json::parse(file);
}

Bytes hex(const nlohmann::json& text) {
    auto bytes = crypto::hex_decode(text.get<std::string>());
    REQUIRE(bytes);
    return std::move(*bytes);
}

crypto::Seed key_of(const nlohmann::json& text) {
    const Bytes bytes = hex(text);
    REQUIRE(bytes.size() == 32);
    return crypto::Seed{ByteView{bytes}.first<32>()};
}

Path path_of(const nlohmann::json& text) {
    Path path;
    REQUIRE(Path::decode(hex(text), &path));
    return path;
}

PageId id_of(const nlohmann::json& text) {
    const Bytes bytes = hex(text);
    REQUIRE(is_page_id(bytes));
    PageId id{};
    std::copy(bytes.begin(), bytes.end(), id.begin());
    return id;
}

template <class Range>
Bytes bytes_in(const Range& range) {
    return {range.begin(), range.end()};
}

const TenantId kTenant{7};
const SubjectNumber kNumber{std::uint64_t{3} << 24 | 703'710};

std::map<std::string, Path> our_addresses() {
    const Path person = person_path(kTenant, kNumber);
    std::map<std::string, Path> paths{
        {"tenant 7", tenant_path(kTenant)},
        {"class 7 people", class_path(kTenant, AddressClass::people)},
        {"system 7 1 300 5", system_path(kTenant, 1, 300, 5)},
        {"recipient 7 1 300", system_recipient_path(kTenant, 1, 300)},
        {"bank 7 people 3", bank_path(kTenant, AddressClass::people, 3)},
        {"bank 7 handles 3", bank_path(kTenant, AddressClass::handles, 3)},
        {"person 7 3 703710", person},
        {"retention 7 9 2500", retention_path(kTenant, 9, 2'500)},
        {"retention 7 9 open", retention_path(kTenant, 9, kRetentionDayOpen)},
        {"region 7 81", region_path(kTenant, 81)},
        {"fixed", fixed_path(person)},
        {"marker 0", implicit_marker_path(person, 0)},
        {"marker 127", implicit_marker_path(person, 127)},
    };
    for (const std::uint32_t item :
         {0U, 46U, 47U, 110U, 111U, 686U, 687U, 4'782U, 4'783U, 12'974U, 12'975U, 275'118U}) {
        paths["item " + std::to_string(item)] = item_path(person, item);
    }
    return paths;
}

}  // namespace

TEST_CASE("addresses have the frozen bits and derive the frozen keys", "[vectors]") {
    const auto known = vectors();
    const auto ours = our_addresses();
    const crypto::Seed seed = key_of(known["seed"]);
    const MapTree tree = MapTree::of_seed(seed.expose());
    REQUIRE(known["addresses"].size() == ours.size());
    std::vector<Path> all;
    for (const auto& row : known["addresses"]) {
        const auto name = row["name"].get<std::string>();
        INFO(name);
        const Path& path = ours.at(name);
        CHECK(bytes_in(path.encode()) == hex(row["path"]));
        CHECK(copy_of(tree.derive(path).seed.expose()) == hex(row["key"]));
        all.push_back(path);
    }
    std::sort(all.begin(), all.end());
    CHECK(encode_address_list(all) == hex(known["address_list"]));
    CHECK(encode_address_list({}) == hex(known["empty_address_list"]));
}

TEST_CASE("derivation through pages yields the frozen keys too", "[vectors]") {
    const auto known = vectors();
    MapTree tree = MapTree::of_seed(key_of(known["seed"]).expose());
    const Path person = person_path(kTenant, kNumber);
    REQUIRE(tree.puncture({item_path(person, 45), item_path(person, 200), item_path(person, 9'999),
                           item_path(person, 275'000), implicit_marker_path(person, 60)}));
    for (const auto& row : known["addresses"]) {
        const Path path = path_of(row["path"]);
        const Derived derived = tree.derive(path);
        if (path.is_prefix_of(person)) {
            CHECK(derived.state == NodeState::punctured);
        } else {
            CHECK(derived.state == NodeState::whole);
            CHECK(copy_of(derived.seed.expose()) == hex(row["key"]));
        }
    }
}

TEST_CASE("a GGM step yields the frozen halves", "[vectors]") {
    const auto known = vectors();
    ByteArray<32> left{};
    ByteArray<32> right{};
    crypto::ggm_step(key_of(known["seed"]).expose(), left, right);
    CHECK(bytes_in(left) == hex(known["ggm_step"][0]));
    CHECK(bytes_in(right) == hex(known["ggm_step"][1]));
}

TEST_CASE("page ids are the frozen ones", "[vectors]") {
    const auto known = vectors();
    for (const auto& row : known["page_ids"]) {
        const Path prefix = path_of(row["prefix"]);
        CHECK(bytes_in(page_id(prefix)) == hex(row["id"]));
        CHECK(prefix_of(id_of(row["id"])) == prefix);
    }
}

TEST_CASE("pages are encoded, sealed and opened as frozen", "[vectors]") {
    const auto known = vectors();
    const Path person = person_path(kTenant, kNumber);
    const unsigned leaf = 64 + static_cast<unsigned>(person.slice(48, 6));
    const MapTree tree = MapTree::of_seed(key_of(known["seed"]).expose());
    REQUIRE(known["pages"].size() == 4);
    for (const auto& row : known["pages"]) {
        const auto name = row["name"].get<std::string>();
        INFO(name);
        Page page = Page::of_seed(tree.derive(person.prefix(48)).seed.expose());
        if (name == "leaf of the person dead") {
            REQUIRE(page.materialise(leaf));
            page.set_dead(leaf);
        } else if (name == "page below the person") {
            REQUIRE(page.materialise(leaf));
            page.set_child(leaf, key_of(known["page_child_key"]).expose());
        } else if (name == "upper half dead") {
            REQUIRE(page.materialise(3));
            page.set_dead(3);
        } else {
            for (unsigned node = 64; node < 128; ++node) REQUIRE(page.materialise(node));
        }
        const crypto::SecretBytes plaintext = page.encode();
        CHECK(bytes_in(plaintext.expose()) == hex(row["plaintext"]));

        const PageId id = id_of(row["id"]);
        CHECK(id == page_id(person.prefix(48)));
        const crypto::PageKey key{key_of(row["key"]).expose()};
        const Bytes record = hex(row["record"]);
        CHECK(page_epoch(record) == row["epoch"].get<std::uint64_t>());
        const auto opened = open_page(key, id, record);
        REQUIRE(opened);
        CHECK(bytes_in(opened->encode().expose()) == hex(row["plaintext"]));

        // The same bytes come out of our own box when it is given the salt.
        Bytes associated_data = bytes_in(bytes_of("obl1"));
        associated_data.insert(associated_data.end(), {0x10, 0});
        associated_data.insert(associated_data.end(), id.begin(), id.end());
        const Bytes salt = hex(row["salt"]);
        Bytes box(record.size() - 8);
        crypto::seal_box_into(key.expose(), crypto::Commitment::structural,
                              ByteView{salt}.first<crypto::kBoxSaltSize>(), plaintext.expose(),
                              associated_data, box);
        CHECK(box == bytes_in(ByteView{record}.subspan(8)));
    }
}

TEST_CASE("root slots and their hashes are the frozen ones", "[vectors]") {
    const auto known = vectors();
    for (const auto& row : known["roots"]) {
        const Bytes slot = hex(row["slot"]);
        const auto root = RootSlot::decode(slot);
        REQUIRE(root);
        CHECK(bytes_in(root->encode()) == slot);
        CHECK(bytes_in(root_hash(*root)) == hex(row["hash"]));
    }
}
