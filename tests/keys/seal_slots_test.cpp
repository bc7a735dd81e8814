#include "vault/keys/seal_slots.hpp"

#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "tests/keys/keeper_directory.hpp"

using namespace oubliette;
using namespace oubliette::keys;
using oubliette::test::KeeperDirectory;

namespace {

constexpr std::size_t kCountOffset = 44;
constexpr std::size_t kHeaderSize = 46;
constexpr std::size_t kSlotSize = 126;
constexpr std::size_t kHashSize = 32;
constexpr crypto::PassphraseCost kCheap{64 * 1024, 1};  // stored in the slot, as any other cost

ByteArray<16> id_of(Byte first) {
    ByteArray<16> id{};
    id[0] = first;
    return id;
}

SealSecret passphrase_of(std::string_view text) {
    return {SealType::passphrase, crypto::SecretBytes{bytes_of(text)}};
}

SealSecret random_secret(SealType type) {
    SealSecret secret{type, crypto::SecretBytes{std::size_t{32}}};
    crypto::random_bytes(secret.secret.expose_mut());
    return secret;
}

bool same(const crypto::Kek& a, const crypto::Kek& b) {
    return crypto::equal_constant_time(a.expose(), b.expose());
}

// Recomputes the check sum, as somebody would who changes the file on purpose.
Bytes with_hash(Bytes file) {
    file.resize(file.size() - kHashSize);
    const crypto::Hash hash = crypto::sha256({file});
    file.insert(file.end(), hash.begin(), hash.end());
    return file;
}

struct Sealed {
    KeeperDirectory directory;
    std::filesystem::path file = directory / "seal.slots";
    VaultId vault = id_of(1);
    KeeperId keeper = id_of(2);
    crypto::Kek kek = crypto::Kek::generate();
    SealSecret keyfile = random_secret(SealType::keyfile);

    Sealed() { write_seal_slot(directory.path(), vault, keeper, 0, kek, keyfile); }

    [[nodiscard]] std::vector<crypto::Kek> open(const SealSecret& secret) const {
        return open_seal_slots(directory.path(), vault, keeper, secret);
    }
    [[nodiscard]] bool is_corrupt() const {
        try {
            static_cast<void>(open(keyfile));
        } catch (const Fault& fault) {
            return fault.kind() == FaultKind::corrupt;
        }
        return false;
    }
};

}  // namespace

TEST_CASE("each secret opens the same KEK and no other secret does", "[seal]") {
    const Sealed sealed;
    const SealSecret credential = random_secret(SealType::credential);
    write_seal_slot(sealed.directory.path(), sealed.vault, sealed.keeper, 0, sealed.kek,
                    passphrase_of("open sesame"), kCheap);
    write_seal_slot(sealed.directory.path(), sealed.vault, sealed.keeper, 0, sealed.kek,
                    credential);
    for (const SealSecret& secret :
         {sealed.keyfile.duplicate(), passphrase_of("open sesame"), credential.duplicate()}) {
        const auto keks = sealed.open(secret);
        REQUIRE(keks.size() == 1);
        CHECK(same(keks[0], sealed.kek));
    }
    CHECK(sealed.open(passphrase_of("open sesamE")).empty());
    CHECK(sealed.open(passphrase_of("open sesame ")).empty());
    CHECK(sealed.open(random_secret(SealType::keyfile)).empty());
    CHECK(sealed.open(random_secret(SealType::credential)).empty());
}

TEST_CASE("a key file's bytes do not open as a credential", "[seal]") {
    const Sealed sealed;
    SealSecret other = sealed.keyfile.duplicate();
    other.type = SealType::credential;
    CHECK(sealed.open(other).empty());
}

TEST_CASE("two generations come newest first, also across the wrap, until one is kept", "[seal]") {
    const KeeperDirectory directory;
    const SealSecret secret = random_secret(SealType::keyfile);
    const auto old_kek = crypto::Kek::generate();
    const auto new_kek = crypto::Kek::generate();
    const auto [older, newer] = GENERATE(std::pair{0, 1}, std::pair{255, 0}, std::pair{200, 45});
    const auto old_generation = static_cast<std::uint8_t>(older);
    const auto new_generation = static_cast<std::uint8_t>(newer);
    write_seal_slot(directory.path(), id_of(1), id_of(2), old_generation, old_kek, secret);
    write_seal_slot(directory.path(), id_of(1), id_of(2), new_generation, new_kek, secret);
    write_seal_slot(directory.path(), id_of(1), id_of(2), new_generation, new_kek, secret);

    auto opened = open_seal_generations(directory.path(), id_of(1), id_of(2), secret);
    REQUIRE(opened.size() == 2);
    CHECK(opened[0].generation == new_generation);
    CHECK(same(opened[0].kek, new_kek));
    CHECK(same(opened[1].kek, old_kek));

    keep_seal_generation(directory.path(), id_of(1), id_of(2), new_generation);
    opened = open_seal_generations(directory.path(), id_of(1), id_of(2), secret);
    REQUIRE(opened.size() == 1);
    CHECK(same(opened[0].kek, new_kek));
}

TEST_CASE("any changed or missing byte of seal.slots is noticed", "[seal]") {
    const Sealed sealed;
    const Bytes good = test::read_file(sealed.file);
    REQUIRE(good.size() == kHeaderSize + kSlotSize + kHashSize);
    for (std::size_t i = 0; i < good.size(); ++i) {
        Bytes bad = good;
        bad[i] ^= 1;
        test::write_file(sealed.file, bad);
        INFO("byte " << i);
        CHECK(sealed.is_corrupt());
        test::write_file(sealed.file, ByteView{good}.first(i));
        CHECK(sealed.is_corrupt());
    }
    Bytes longer = good;
    longer.push_back(0);
    test::write_file(sealed.file, longer);
    CHECK(sealed.is_corrupt());
}

TEST_CASE("a forged file with a right check sum opens nothing", "[seal]") {
    const Sealed sealed;
    const Bytes good = test::read_file(sealed.file);
    for (std::size_t i = 0; i < good.size() - kHashSize; ++i) {
        Bytes bad = good;
        bad[i] ^= 1;
        test::write_file(sealed.file, with_hash(bad));
        INFO("byte " << i);
        bool refused = sealed.is_corrupt();
        if (!refused) {
            const auto opened = open_seal_generations(sealed.directory.path(), sealed.vault,
                                                      sealed.keeper, sealed.keyfile);
            refused = opened.empty();
        }
        CHECK(refused);
    }
}

TEST_CASE("counts, types and costs that no writer makes are refused", "[seal]") {
    const Sealed sealed;
    const Bytes good = test::read_file(sealed.file);
    const auto refused_with = [&](std::size_t offset, Byte value) {
        Bytes bad = good;
        bad[offset] = value;
        test::write_file(sealed.file, with_hash(bad));
        return sealed.is_corrupt();
    };
    CHECK(refused_with(kCountOffset, 0));  // trailing bytes
    CHECK(refused_with(kCountOffset, 2));  // past the end
    CHECK(refused_with(kCountOffset + 1, 255));
    CHECK(refused_with(kHeaderSize, 0));  // reserved types
    CHECK(refused_with(kHeaderSize, 4));
    CHECK(refused_with(kHeaderSize, 1));       // a passphrase without a cost
    CHECK(refused_with(kHeaderSize + 20, 8));  // a key file with one
}

TEST_CASE("a passphrase slot cannot ask for more memory than the limit", "[seal]") {
    const KeeperDirectory directory;
    write_seal_slot(directory.path(), id_of(1), id_of(2), 0, crypto::Kek::generate(),
                    passphrase_of("open sesame"), kCheap);
    Bytes bad = test::read_file(directory / "seal.slots");
    bad[kHeaderSize + 23] = 0x7F;  // high byte of the KiB: 2 TiB
    test::write_file(directory / "seal.slots", with_hash(bad));
    CHECK_THROWS_AS(
        open_seal_slots(directory.path(), id_of(1), id_of(2), passphrase_of("open sesame")), Fault);
}

TEST_CASE("another vault's or keeper's seal.slots is refused", "[seal]") {
    const Sealed sealed;
    const auto& directory = sealed.directory.path();
    CHECK_THROWS_AS(open_seal_slots(directory, id_of(9), sealed.keeper, sealed.keyfile), Fault);
    CHECK_THROWS_AS(open_seal_slots(directory, sealed.vault, id_of(9), sealed.keyfile), Fault);
    // Its ids made to fit: the wraps are bound to the ids.
    Bytes bytes = test::read_file(sealed.file);
    bytes[28] = 9;
    test::write_file(sealed.file, with_hash(bytes));
    CHECK(open_seal_slots(directory, sealed.vault, id_of(9), sealed.keyfile).empty());
}

TEST_CASE("a missing seal.slots is a configuration fault", "[seal]") {
    const KeeperDirectory directory;
    try {
        static_cast<void>(open_seal_slots(directory.path(), id_of(1), id_of(2),
                                          random_secret(SealType::keyfile)));
        FAIL("opened");
    } catch (const Fault& fault) {
        CHECK(fault.kind() == FaultKind::configuration);
    }
}

TEST_CASE("the limit of slots is reached and not passed, and the file stays whole", "[seal]") {
    const Sealed sealed;
    for (std::size_t i = 1; i < kSealSlotCountMax; ++i) {
        write_seal_slot(sealed.directory.path(), sealed.vault, sealed.keeper, 0, sealed.kek,
                        random_secret(SealType::keyfile));
    }
    const Bytes full = test::read_file(sealed.file);
    CHECK_THROWS_AS(write_seal_slot(sealed.directory.path(), sealed.vault, sealed.keeper, 0,
                                    sealed.kek, random_secret(SealType::keyfile)),
                    Fault);
    CHECK(test::read_file(sealed.file) == full);
    CHECK(sealed.open(sealed.keyfile).size() == 1);
}

TEST_CASE("what a crash left aside does not hinder the next write", "[seal]") {
    const Sealed sealed;
    test::write_file(sealed.directory / "seal.slots.new", bytes_of("half a fi"));
    CHECK(sealed.open(sealed.keyfile).size() == 1);
    const SealSecret more = random_secret(SealType::credential);
    write_seal_slot(sealed.directory.path(), sealed.vault, sealed.keeper, 0, sealed.kek, more);
    CHECK(sealed.open(more).size() == 1);
    CHECK(!std::filesystem::exists(sealed.directory / "seal.slots.new"));
}

TEST_CASE("the frozen seal.slots opens with each of its secrets", "[seal][vector]") {
    std::ifstream in(std::string{OUBLIETTE_SOURCE_DIR} + "/tests/vectors/oubliette/keeper.json");
    const auto vector = nlohmann::json::parse(in);
    const auto bytes = [&](const char* name) {
        return *crypto::hex_decode(vector.at(name).get<std::string>());
    };
    const auto id = [&](const char* name) {
        ByteArray<16> out{};
        std::ranges::copy(bytes(name), out.begin());
        return out;
    };
    const KeeperDirectory directory;
    test::write_file(directory / "seal.slots", bytes("seal_slots"));
    const auto open = [&](SealType type, ByteView secret) {
        return open_seal_generations(directory.path(), id("vault"), id("keeper"),
                                     {type, crypto::SecretBytes{secret}});
    };
    const auto by_passphrase =
        open(SealType::passphrase, bytes_of(vector.at("passphrase").get_ref<const std::string&>()));
    REQUIRE(by_passphrase.size() == 1);
    CHECK(std::ranges::equal(by_passphrase[0].kek.expose(), bytes("kek")));
    const auto by_key_file = open(SealType::keyfile, bytes("key_file"));
    REQUIRE(by_key_file.size() == 2);
    CHECK(by_key_file[0].generation == vector.at("generation").get<int>());
    CHECK(std::ranges::equal(by_key_file[0].kek.expose(), bytes("kek")));
    CHECK(std::ranges::equal(by_key_file[1].kek.expose(), bytes("old_kek")));
    REQUIRE(open(SealType::credential, bytes("credential")).size() == 1);
    CHECK(open(SealType::credential, bytes("key_file")).empty());
}
