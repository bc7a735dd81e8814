#include "vault/policy/value.hpp"

#include <string>

#include <catch2/catch.hpp>

namespace oubliette::policy {

namespace {

bool takes(FieldType type, std::string_view text) {
    return check_value(type, ValueKind::text, text).has_value();
}
bool takes_json(FieldType type, std::string_view text) {
    return check_value(type, ValueKind::json, text).has_value();
}
std::string normal(FieldType type, std::string_view value) {
    const auto form = normalise(type, value);
    return form ? std::string{text_of(form->expose())} : "(none)";
}

constexpr FieldType kAllTypes[] = {FieldType::string,      FieldType::name,    FieldType::phone,
                                   FieldType::email,       FieldType::url,     FieldType::address,
                                   FieldType::enumeration, FieldType::account, FieldType::text,
                                   FieldType::json,        FieldType::date};

}  // namespace

TEST_CASE("strings and names take any script, and no control character", "[policy][value]") {
    for (const FieldType type : {FieldType::string, FieldType::name}) {
        CHECK(takes(type, "Anna"));
        CHECK(takes(type, "\xE5\xBC\xA0\xE4\xBC\x9F"));          // Chinese
        CHECK(takes(type, "\xD9\x85\xD8\xAD\xD9\x85\xD8\xAF"));  // Arabic
        CHECK(takes(type, "e\xCC\x81 \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80"));
        CHECK(takes(type, " "));
        CHECK(takes(type, std::string(4'096, 'a')));
        CHECK_FALSE(takes(type, std::string(4'097, 'a')));
        CHECK_FALSE(takes(type, ""));
        CHECK_FALSE(takes(type, "a\nb"));
        CHECK_FALSE(takes(type, "a\tb"));
        CHECK_FALSE(takes(type, std::string_view{"a\0b", 3}));
        CHECK_FALSE(takes(type, "a\x7F"));
        CHECK_FALSE(takes(type, "a\xC2\x85"));  // C1
        CHECK(takes(type, "a\xC2\xA0"));        // the first behind C1
    }
}

TEST_CASE("every type refuses what is not UTF-8", "[policy][value]") {
    for (const FieldType type : kAllTypes) {
        for (const char* bad : {"abcd12345\xFF", "abcd12345\xC3", "abcd12345\xC0\xAF",
                                "abcd12345\xED\xA0\x80", "abcd12345\xF4\x90\x80\x80"}) {
            CHECK_FALSE(takes(type, bad));
            CHECK_FALSE(takes_json(type, bad));
        }
    }
}

TEST_CASE("only addresses and json take anything but a string", "[policy][value]") {
    for (const FieldType type : kAllTypes) {
        const bool is_json = type == FieldType::json;
        CHECK(takes_json(type, "{}") == (is_json || type == FieldType::address));
        CHECK(takes_json(type, "12") == is_json);
        CHECK(takes_json(type, "true") == is_json);
        CHECK_FALSE(takes_json(type, "null"));
    }
}

TEST_CASE("phones are 5 to 17 digits with what people write between", "[policy][value]") {
    CHECK(takes(FieldType::phone, "+86 138 1234-5678"));
    CHECK(takes(FieldType::phone, "(010) 8073 1234"));
    CHECK(takes(FieldType::phone, "0086[138]12345678"));
    CHECK(takes(FieldType::phone, "\xEF\xBC\x8B\xEF\xBC\x94\xEF\xBC\x99\x31\x32\x33\x34\x35"));
    CHECK(takes(FieldType::phone, "12345"));
    CHECK_FALSE(takes(FieldType::phone, "1234"));
    CHECK(takes(FieldType::phone, "12345678901234567"));
    CHECK_FALSE(takes(FieldType::phone, "123456789012345678"));
    CHECK(takes(FieldType::phone, "+12345678901234567"));
    CHECK(takes(FieldType::phone, "0012345678901234567"));  // the 00 counts for none
    CHECK_FALSE(takes(FieldType::phone, "001234"));
    for (const char* bad : {"", "+", "00", "call me", "12345x", "1+23456", "++123456", "12345,6",
                            "+86;13812345678", "123\n456", "   "}) {
        INFO(bad);
        CHECK_FALSE(takes(FieldType::phone, bad));
    }
    CHECK_FALSE(takes(FieldType::phone, "12345" + std::string(124, ' ')));
}

TEST_CASE("mails have one @ and a domain of labels", "[policy][value]") {
    CHECK(takes(FieldType::email, "a@example.org"));
    CHECK(takes(FieldType::email, "first.last+tag@sub.example.org"));
    CHECK(takes(FieldType::email, "o'brien!#$%&*/=?^_`{|}~-@example.org"));
    CHECK(
        takes(FieldType::email, "\xE5\xBC\xA0@\xE4\xBE\x8B\xE5\xAD\x90.\xE4\xB8\xAD\xE5\x9B\xBD"));
    CHECK(takes(FieldType::email, "a@xn--fsqu00a.xn--0zwm56d"));
    CHECK(takes(FieldType::email, "root@localhost"));
    for (const char* bad : {"",
                            "@",
                            "a@",
                            "@b",
                            "a.example.org",
                            "a@@b.org",
                            "a@b@c.org",
                            ".a@b.org",
                            "a.@b.org",
                            "a..b@c.org",
                            "a b@c.org",
                            "a@b c.org",
                            "a@.org",
                            "a@b..org",
                            "a@b.org.",
                            "a@-b.org",
                            "a@b-.org",
                            "a@b_c.org",
                            "\"a b\"@c.org",
                            "a@[127.0.0.1]",
                            "a(x)@b.org",
                            "a@b.org\n",
                            "<a@b.org>",
                            "a@b.org,c@d.org",
                            "a\xC2\xA0@b.org"}) {
        INFO(bad);
        CHECK_FALSE(takes(FieldType::email, bad));
    }
    CHECK(takes(FieldType::email, std::string(64, 'a') + "@b.org"));
    CHECK_FALSE(takes(FieldType::email, std::string(65, 'a') + "@b.org"));
    CHECK(takes(FieldType::email, "a@" + std::string(63, 'b') + ".org"));
    CHECK_FALSE(takes(FieldType::email, "a@" + std::string(64, 'b') + ".org"));
    std::string longest = "a@";
    while (longest.size() < 250) longest += "bb.";
    longest.resize(253, 'c');
    CHECK(takes(FieldType::email, longest + "d"));
    CHECK_FALSE(takes(FieldType::email, longest + "de"));
}

TEST_CASE("URLs are those of the web", "[policy][value]") {
    CHECK(takes(FieldType::url, "https://example.org"));
    CHECK(takes(FieldType::url, "http://example.org:8080/a?b=c#d"));
    CHECK(takes(FieldType::url, "HTTPS://EXAMPLE.ORG/"));
    CHECK(takes(FieldType::url, "https://[2001:db8::1]/"));
    for (const char* bad :
         {"", "example.org", "//example.org", "ftp://example.org", "javascript:alert(1)",
          "https:", "https://", "https:///path", "https://a b.org", "https://example.org/ ",
          "mailto:a@b.org", "https://example.org/\xE4\xB8\xAD"}) {
        INFO(bad);
        CHECK_FALSE(takes(FieldType::url, bad));
    }
    CHECK(takes(FieldType::url, "https://a/" + std::string(4'086, 'x')));
    CHECK_FALSE(takes(FieldType::url, "https://a/" + std::string(4'087, 'x')));
}

TEST_CASE("addresses are a string or an object of known parts", "[policy][value]") {
    CHECK(takes(FieldType::address, "1 Main Street\nTown"));
    CHECK_FALSE(takes(FieldType::address, ""));
    CHECK(takes(FieldType::address, std::string(8'192, 'a')));
    CHECK_FALSE(takes(FieldType::address, std::string(8'193, 'a')));
    CHECK(takes_json(FieldType::address, R"({"lines":["1 Main St","Flat 2"],"city":"Town",
        "region":"R","postal_code":"12345","country":"CN"})"));
    CHECK(takes_json(FieldType::address, R"({"city":"\u4e0a\u6d77"})"));
    CHECK(takes_json(FieldType::address, "{} "));
    for (const char* bad : {R"({"street":"x"})",
                            R"({"city":1})",
                            R"({"city":null})",
                            R"({"city":["x"]})",
                            R"({"lines":"x"})",
                            R"({"lines":[["x"]]})",
                            R"({"lines":[1]})",
                            R"({"city":"a","city":"b"})",
                            R"({"\u0063ity":"a","city":"b"})",
                            R"({"city":{"a":"b"}})",
                            R"([])",
                            R"(["x"])",
                            R"("x")",
                            R"(12)",
                            R"({"city":"a"}x)",
                            R"({"city":"a"}{})",
                            R"({"city":"a",})",
                            R"({"city":"a")",
                            R"({"city":"a\u0000b"})",
                            R"({"City":"a"})",
                            "",
                            "{",
                            R"({"lines":[],"lines":[]})"}) {
        INFO(bad);
        CHECK_FALSE(takes_json(FieldType::address, bad));
    }
    const auto with_city = [](std::size_t size) {
        return R"({"city":")" + std::string(size, 'x') + "\"}";
    };
    CHECK(takes_json(FieldType::address, with_city(1'024)));
    CHECK_FALSE(takes_json(FieldType::address, with_city(1'025)));
    const auto with_lines = [](std::size_t count) {
        std::string text = R"({"lines":["x")";
        for (std::size_t i = 1; i < count; ++i) text += R"(,"x")";
        return text + "]}";
    };
    CHECK(takes_json(FieldType::address, with_lines(16)));
    CHECK_FALSE(takes_json(FieldType::address, with_lines(17)));
}

TEST_CASE("enums, accounts and dates keep to their limits", "[policy][value]") {
    CHECK(takes(FieldType::enumeration, std::string(64, 'x')));
    CHECK_FALSE(takes(FieldType::enumeration, std::string(65, 'x')));
    CHECK_FALSE(takes(FieldType::enumeration, ""));
    CHECK(takes(FieldType::account, "GB82 WEST-1234"));
    CHECK(takes(FieldType::account, "1234"));
    CHECK_FALSE(takes(FieldType::account, "123"));
    CHECK_FALSE(takes(FieldType::account, "1 2 3"));
    CHECK(takes(FieldType::account, std::string(34, '1')));
    CHECK_FALSE(takes(FieldType::account, std::string(35, '1')));
    CHECK_FALSE(takes(FieldType::account, "12/34"));
    CHECK_FALSE(takes(FieldType::account, "123\xE4\xB8\xAD"));
    CHECK(takes(FieldType::account, "DE89 3704 0044 0532 0130 00"));
    CHECK_FALSE(takes(FieldType::account, "DE88 3704 0044 0532 0130 00"));  // a check digit
    CHECK_FALSE(takes(FieldType::account, "de88370400440532013000"));
    CHECK(takes(FieldType::account, "DE88 3704"));  // too short to be an IBAN
    CHECK(takes(FieldType::national_id, "11010519491231002X"));
    CHECK(takes(FieldType::national_id, "123-45-6789"));
    CHECK_FALSE(takes(FieldType::national_id, "1-2"));
    CHECK_FALSE(takes(FieldType::national_id, "12345;6789"));
    CHECK_FALSE(takes(FieldType::national_id, std::string(41, '1')));
    CHECK(takes(FieldType::binary, "AAEC"));
    CHECK(takes(FieldType::binary, "AA=="));
    CHECK_FALSE(takes(FieldType::binary, "AA="));
    CHECK_FALSE(takes(FieldType::binary, "A==="));
    CHECK_FALSE(takes(FieldType::binary, "AA==AA=="));
    CHECK_FALSE(takes(FieldType::binary, "AA-_"));
    CHECK(takes(FieldType::date, "1990-12-31"));
    CHECK(takes(FieldType::date, "2024-02-29"));
    CHECK_FALSE(takes(FieldType::date, "2023-02-29"));
    CHECK_FALSE(takes(FieldType::date, "31.12.1990"));
}

TEST_CASE("texts and json values end at 60,000 bytes", "[policy][value]") {
    CHECK(takes(FieldType::text, "a\r\n\tb"));
    CHECK(takes(FieldType::text, ""));
    CHECK_FALSE(takes(FieldType::text, "a\x01"));
    CHECK(takes(FieldType::text, std::string(60'000, 'a')));
    CHECK_FALSE(takes(FieldType::text, std::string(60'001, 'a')));
    CHECK(takes(FieldType::json, "any string"));
    CHECK(takes_json(FieldType::json, "\"" + std::string(59'998, 'a') + "\""));
    CHECK_FALSE(takes_json(FieldType::json, "\"" + std::string(59'999, 'a') + "\""));
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    CHECK(takes_json(FieldType::json, nested(16)));
    CHECK_FALSE(takes_json(FieldType::json, nested(17)));
    CHECK_FALSE(takes_json(FieldType::json, std::string(60'000, '[')));
    for (const char* good : {"-0", "1e5", "false", "[]", R"({"a":[1,null]})", " 1 "}) {
        INFO(good);
        CHECK(takes_json(FieldType::json, good));
    }
    for (const char* bad : {"", " ", "nul", "01", "[1,]", "{\"a\"}", "1 2", "'a'", "NaN", "/**/1",
                            "\xEF\xBB\xBF"
                            "1",
                            "null", " null "}) {
        INFO(bad);
        CHECK_FALSE(takes_json(FieldType::json, bad));
    }
}

TEST_CASE("each type says what it takes", "[policy][value]") {
    for (const FieldType type : kAllTypes) CHECK(value_rule(type).size() > 20);
}

TEST_CASE("normalising makes one form of many spellings", "[policy][value]") {
    CHECK(normal(FieldType::name, "  Anna \t Maria ") == "anna maria");
    CHECK(normal(FieldType::name, "STRASSE") == normal(FieldType::name,
                                                       "Stra\xC3\x9F"
                                                       "e"));
    CHECK(normal(FieldType::name, "\xEF\xBC\xA1nna") == "anna");  // full width
    CHECK(normal(FieldType::name, "Jose\xCC\x81") == normal(FieldType::name, "JOS\xC3\x89"));
    CHECK(normal(FieldType::name, "\xE3\x80\x80\xE5\xBC\xA0\xC2\xA0\xE4\xBC\x9F") ==
          "\xE5\xBC\xA0 \xE4\xBC\x9F");  // ideographic and no-break space
    CHECK(normal(FieldType::name, "\xEF\xAC\x81") == "fi");
    CHECK(normal(FieldType::email, " A.B+c@EXAMPLE.org") == "a.b+c@example.org");
    CHECK(normal(FieldType::account, "gb82 WEST-1234") == "gb82west1234");
    CHECK(normal(FieldType::phone, "+86 (138) 1234-5678") == "+8613812345678");
    CHECK(normal(FieldType::phone, "0086 138 1234 5678") == "+8613812345678");
    CHECK(normal(FieldType::phone, "138 1234 5678") == "13812345678");
    CHECK(normal(FieldType::phone, "\xEF\xBC\x8B\xEF\xBC\x98\xEF\xBC\x96 1") == "+861");
    CHECK(normal(FieldType::phone, "0") == "0");
    CHECK(normal(FieldType::json, " {\"A\": 1}") == " {\"A\": 1}");
    CHECK(normal(FieldType::address, "{\"city\":\"X\"}") == "{\"city\":\"X\"}");
    CHECK(normal(FieldType::address, "1 Main\nStreet") == "1 main street");
}

TEST_CASE("what has no form has none", "[policy][value]") {
    CHECK_FALSE(normalise(FieldType::name, ""));
    CHECK_FALSE(normalise(FieldType::name, " \t\n "));
    CHECK_FALSE(normalise(FieldType::name, "a\xFF"));
    CHECK_FALSE(normalise(FieldType::phone, "abc"));
    CHECK_FALSE(normalise(FieldType::phone, "+"));
    CHECK_FALSE(normalise(FieldType::account, " - "));
    CHECK_FALSE(normalise(FieldType::text, std::string(60'001, 'a')));
    // U+FDFA grows eighteenfold: the longest growth there is.
    std::string grows;
    for (int i = 0; i < 20'000; ++i) grows += "\xEF\xB7\xBA";
    const auto form = normalise(FieldType::text, grows);
    REQUIRE(form);
    CHECK(form->size() == 20'000 * 33);
}

TEST_CASE("normalising what is normal changes nothing", "[policy][value]") {
    for (const char* value : {"Anna Maria",
                              "Stra\xC3\x9F"
                              "e",
                              "\xC4\xB0stanbul", "\xCE\xA3\xCE\x91\xCE\xA3", "e\xCC\x81",
                              "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80"}) {
        const std::string once = normal(FieldType::name, value);
        CHECK(normal(FieldType::name, once) == once);
    }
}

}  // namespace oubliette::policy
