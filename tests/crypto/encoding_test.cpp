#include "crypto/encoding.hpp"

#include <random>

#include <catch2/catch.hpp>

#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

Bytes text_bytes(std::string_view text) {
    const ByteView view = bytes_of(text);
    return {view.begin(), view.end()};
}

}  // namespace

TEST_CASE("encodings are those of RFC 4648, section 10") {
    struct Case {
        std::string_view text, base64, base64url, hex;
    };
    const std::array<Case, 7> cases{Case{"", "", "", ""},
                                    Case{"f", "Zg==", "Zg", "66"},
                                    Case{"fo", "Zm8=", "Zm8", "666f"},
                                    Case{"foo", "Zm9v", "Zm9v", "666f6f"},
                                    Case{"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
                                    Case{"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
                                    Case{"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"}};
    for (const Case& test : cases) {
        CHECK(base64_encode(bytes_of(test.text)) == test.base64);
        CHECK(base64url_encode(bytes_of(test.text)) == test.base64url);
        CHECK(hex_encode(bytes_of(test.text)) == test.hex);
        CHECK(base64_decode(test.base64) == text_bytes(test.text));
        CHECK(base64url_decode(test.base64url) == text_bytes(test.text));
        CHECK(hex_decode(test.hex) == text_bytes(test.text));
        CHECK(base64url_size(test.text.size()) == test.base64url.size());
    }
    CHECK(base64_encode(Bytes{0xFB, 0xFF, 0xBF}) == "+/+/");
    CHECK(base64url_encode(Bytes{0xFB, 0xFF, 0xBF}) == "-_-_");
}

TEST_CASE("every byte string survives every encoding") {
    const auto seed = std::random_device{}();
    WARN("seed " << seed);
    std::mt19937 random{seed};
    for (std::size_t size = 0; size < 300; ++size) {
        Bytes bytes(size);
        for (Byte& byte : bytes) byte = static_cast<Byte>(random());
        CHECK(base64url_decode(base64url_encode(bytes)) == bytes);
        CHECK(base64_decode(base64_encode(bytes)) == bytes);
        CHECK(hex_decode(hex_encode(bytes)) == bytes);
        Bytes out(size);
        CHECK(base64url_decode_into(base64url_encode(bytes), out));
        CHECK(out == bytes);
    }
}

TEST_CASE("one byte has one text: of all texts of two characters, 256 are base64url and hex") {
    std::size_t url = 0;
    std::size_t hex = 0;
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            const std::string text{static_cast<char>(first), static_cast<char>(second)};
            const auto from_url = base64url_decode(text);
            if (from_url) CHECK(base64url_encode(*from_url) == text);
            url += from_url ? 1U : 0U;
            const auto from_hex = hex_decode(text);
            if (from_hex) CHECK(hex_encode(*from_hex) == text);
            hex += from_hex ? 1U : 0U;
        }
    }
    CHECK(url == 256);
    CHECK(hex == 256);
}

TEST_CASE("two bytes have one text of three characters") {
    constexpr std::string_view kSome =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n.~";
    std::size_t decoded = 0;
    for (const char a : kSome) {
        for (const char b : kSome) {
            for (const char c : kSome) decoded += base64url_decode(std::string{a, b, c}) ? 1U : 0U;
        }
    }
    CHECK(decoded == 65'536);
}

TEST_CASE("base64url refuses padding, spare bits, the other alphabet and white space") {
    for (const std::string_view bad :
         {"A", "Zg==", "Zg=", "Zm9vYg==", "Zh", "Zm9", "+/+/", "Zm9v ", " Zm9v", "Zm 9v", "Zm9v\n",
          "Zm\r\n9v", "Zm9vA", "Z", "Zm9v=", "=", "Zm9v\xC3\xA4"}) {
        CAPTURE(bad);
        CHECK_FALSE(base64url_decode(bad));
    }
    CHECK_FALSE(base64url_decode(std::string_view{"Zg\0", 3}));
    CHECK_FALSE(base64url_decode(std::string_view{"\0\0\0\0", 4}));
    Bytes out(3);
    CHECK(base64url_decode_into("Zm9v", out));
    CHECK_FALSE(base64url_decode_into("Zm9", out));
    CHECK_FALSE(base64url_decode_into("Zm8", out));
    CHECK_FALSE(base64url_decode_into("Zm9vZm9v", out));
    CHECK_FALSE(base64url_decode_into("", out));
}

TEST_CASE("base64 demands its padding and refuses spare bits and white space") {
    for (const std::string_view bad :
         {"Zg", "Zg=", "Zg===", "Zm8", "Zm8==", "Zh==", "Zm9=", "-_-_", "Zm9v====", "====", "=",
          "Zg==Zg==", "Zm9v\n", "Zm9vZm9v ", "Z=g=", "Zg=A", "==Zg", "A===", "Zm 9v   "}) {
        CAPTURE(bad);
        CHECK_FALSE(base64_decode(bad));
    }
}

TEST_CASE("hex refuses upper case, odd length, prefixes and separators") {
    for (const std::string_view bad :
         {"A0", "aB", "a", "abc", "0x12", " 12", "12 ", "1 2 ", "12:34", "12:34:", "gg", "1\n"}) {
        CAPTURE(bad);
        CHECK_FALSE(hex_decode(bad));
    }
    CHECK_FALSE(hex_decode(std::string_view{"12\0\0", 4}));
}

TEST_CASE("crc32 is that of zlib") {
    CHECK(crc32({}) == 0);
    CHECK(crc32(bytes_of("123456789")) == 0xCBF43926);
    CHECK(crc32(bytes_of("The quick brown fox jumps over the lazy dog")) == 0x414FA339);
}

}  // namespace oubliette::crypto::testing
