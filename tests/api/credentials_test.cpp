#include "api/credentials.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace oubliette;
using namespace oubliette::api;

namespace {

std::string text_for(std::uint16_t client, std::uint16_t number) {
    ApiKeyText key;
    key.client = client;
    key.key = number;
    key.secret = crypto::SecretBytes{kApiKeySecretSize};
    for (std::size_t i = 0; i < kApiKeySecretSize; ++i) {
        key.secret.expose_mut()[i] = static_cast<Byte>(i * 7);
    }
    const crypto::SecretBytes text = format_api_key(key);
    return std::string{text_of(text.expose())};
}

}  // namespace

TEST_CASE("an API key's text gives back its numbers and its secret", "[api][credentials]") {
    for (const std::uint16_t client : std::initializer_list<std::uint16_t>{1, 9, 10, 4711, 65535}) {
        for (const std::uint16_t number : std::initializer_list<std::uint16_t>{1, 3, 65535}) {
            const std::string text = text_for(client, number);
            CHECK(
                text.starts_with("obk_c" + std::to_string(client) + "k" + std::to_string(number)));
            const auto key = parse_api_key(text);
            REQUIRE(key);
            CHECK(key->client == client);
            CHECK(key->key == number);
            CHECK(key->secret.expose()[31] == static_cast<Byte>(31 * 7));
            CHECK(parse_authorization("Bearer " + text));
            CHECK(parse_authorization("bearer " + text));
        }
    }
}

TEST_CASE("the check is the low 24 bits of the CRC-32 of all before it", "[api][credentials]") {
    // Checked with zlib: crc32(b"obk_c7k3_" + b"00" * 32) & 0xffffff.
    const std::string body = "obk_c7k3_" + std::string(64, '0');
    CHECK(parse_api_key(body + "_" + "15ff09"));
}

TEST_CASE("a key with any byte changed, lost or added is no key", "[api][credentials]") {
    const std::string text = text_for(7, 3);
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (const char other : {'0', 'f', 'F', '_', 'g', ' ', '\0'}) {
            if (text[at] == other) continue;
            std::string changed = text;
            changed[at] = other;
            CHECK_FALSE(parse_api_key(changed));
        }
        CHECK_FALSE(parse_api_key(text.substr(0, at)));
        CHECK_FALSE(parse_api_key(text.substr(0, at) + text.substr(at + 1)));
        CHECK_FALSE(parse_api_key(text.substr(0, at) + "0" + text.substr(at)));
    }
    CHECK_FALSE(parse_api_key(text + "0"));
    CHECK_FALSE(parse_api_key(text + "\n"));
}

TEST_CASE("only one spelling of a number is a key's", "[api][credentials]") {
    for (const char* const numbers : {"c07k3", "c7k03", "c0k3", "c7k0", "c65536k1", "c1k65536",
                                      "c+7k3", "c-7k3", "ck3", "c7k", "7k3", "C7k3"}) {
        CHECK_FALSE(
            parse_api_key(std::string{"obk_"} + numbers + "_" + std::string(64, '0') + "_000000"));
    }
}

TEST_CASE("other forms of Authorization are refused", "[api][credentials]") {
    const std::string text = text_for(7, 3);
    CHECK_FALSE(parse_authorization(""));
    CHECK_FALSE(parse_authorization("Bearer"));
    CHECK_FALSE(parse_authorization("Bearer "));
    CHECK_FALSE(parse_authorization(text));
    CHECK_FALSE(parse_authorization("Bearer  " + text));
    CHECK_FALSE(parse_authorization("Bearer\t" + text));
    CHECK_FALSE(parse_authorization("Basic " + text));
    CHECK_FALSE(parse_authorization("Bearer " + text + " "));
    CHECK_FALSE(parse_authorization("Bearer " + text + ", Bearer " + text));
}
