#include "vault/policy/transform.hpp"

#include <set>
#include <string>

#include <catch2/catch.hpp>

namespace oubliette::policy {

namespace {

const PseudonymKey& test_key() {
    static const PseudonymKey key = PseudonymKey::generate();
    return key;
}

TransformRule rule_of(TransformKind kind) {
    TransformRule rule;
    rule.kind = kind;
    return rule;
}
constexpr Timestamp kToday{189'388'800};  // 2026-01-01

TransformRule mask_of(MaskKeep keep, std::uint16_t count, std::string with = "*") {
    TransformRule rule = rule_of(TransformKind::mask);
    rule.mask_keep = keep;
    rule.mask_keep_count = count;
    rule.mask_with = std::move(with);
    return rule;
}
TransformRule level_of(GeneraliseLevel level) {
    TransformRule rule = rule_of(TransformKind::generalise);
    rule.generalise_level = level;
    return rule;
}

// What is shown, or the code of the refusal.
std::string shown(const TransformRule& rule, FieldType type, std::string_view value,
                  ValueKind kind = ValueKind::text) {
    const auto result = apply_transform(rule, type, kind, value, test_key(), kToday);
    if (result.has_error()) return std::string{wire_name(result.error())};
    return std::string{text_of(result->value.expose())};
}
std::string masked(const TransformRule& rule, std::string_view value) {
    return shown(rule, FieldType::name, value);
}

}  // namespace

TEST_CASE("plain gives back kind and bytes as they were stored", "[policy][transform]") {
    const std::string value = R"({"city" : "X",  "lines":[]})";
    const auto result = apply_transform(rule_of(TransformKind::plain), FieldType::address,
                                        ValueKind::json, value, test_key(), kToday);
    REQUIRE(result.has_value());
    CHECK(result->kind == ValueKind::json);
    CHECK(text_of(result->value.expose()) == value);
}

TEST_CASE("an age is shown as the band it is in", "[policy][transform]") {
    TransformRule rule = level_of(GeneraliseLevel::date_age);
    rule.generalise_count = 10;
    CHECK(shown(rule, FieldType::date, "1990-12-31") == "30-39");
    CHECK(shown(rule, FieldType::date, "1996-01-01") == "30-39");  // thirty today
    CHECK(shown(rule, FieldType::date, "1996-01-02") == "20-29");
    CHECK(shown(rule, FieldType::date, "2025-06-01") == "0-9");
    CHECK(shown(rule, FieldType::date, "2026-01-02") == "TRANSFORM_UNAVAILABLE");  // not born yet
    CHECK(shown(rule, FieldType::name, "1990-12-31") == "TRANSFORM_UNAVAILABLE");
    rule.generalise_count = 5;
    CHECK(shown(rule, FieldType::date, "1990-12-31") == "35-39");
}

TEST_CASE("a prefix never is the whole value", "[policy][transform]") {
    TransformRule rule = level_of(GeneraliseLevel::prefix);
    rule.generalise_count = 3;
    CHECK(shown(rule, FieldType::string, "518 000") == "518");
    CHECK(shown(rule, FieldType::string, "SW1A") == "SW1");
    CHECK(shown(rule, FieldType::string, "5-1-8") == "TRANSFORM_UNAVAILABLE");
    CHECK(shown(rule, FieldType::string, "51") == "TRANSFORM_UNAVAILABLE");
    CHECK(shown(rule, FieldType::email, "a@example.org") == "TRANSFORM_UNAVAILABLE");
}

TEST_CASE("partial shows the last four or the calling code", "[policy][transform]") {
    TransformRule rule = rule_of(TransformKind::partial);
    rule.partial_part = PartialPart::account_last4;
    CHECK(shown(rule, FieldType::account, "4111 1111 1111 1234") == "1234");
    CHECK(shown(rule, FieldType::national_id, "11010119900101123X") == "123X");
    CHECK(shown(rule, FieldType::account, "1234 5678") == "TRANSFORM_UNAVAILABLE");
    CHECK(shown(rule, FieldType::phone, "+8613900001111") == "TRANSFORM_UNAVAILABLE");
    rule.partial_part = PartialPart::phone_country;
    CHECK(shown(rule, FieldType::phone, "+86 139 0000 1111") == "+86");
    CHECK(shown(rule, FieldType::phone, "0044 20 7946 0958") == "+44");
    CHECK(shown(rule, FieldType::phone, "+1 202 555 0199") == "+1");
    CHECK(shown(rule, FieldType::phone, "+352 621 000 000") == "+352");
    CHECK(shown(rule, FieldType::phone, "13900001111") == "TRANSFORM_UNAVAILABLE");
}

TEST_CASE("exists says true and nothing else", "[policy][transform]") {
    const auto result = apply_transform(rule_of(TransformKind::exists), FieldType::url,
                                        ValueKind::text, "https://example.org", test_key(), kToday);
    REQUIRE(result.has_value());
    CHECK(result->kind == ValueKind::json);
    CHECK(text_of(result->value.expose()) == "true");
}

TEST_CASE("a mask keeps whole characters as people see them", "[policy][transform]") {
    const TransformRule last4 = mask_of(MaskKeep::last, 4);
    const TransformRule first1 = mask_of(MaskKeep::first, 1);
    CHECK(shown(last4, FieldType::phone, "13812345678") == "*******5678");
    CHECK(shown(last4, FieldType::account, "GB82 1234") == "*****1234");
    CHECK(masked(first1, "Anna") == "A***");
    CHECK(masked(first1, "\xE5\xBC\xA0\xE4\xBC\x9F\xE6\x98\x8E") == "\xE5\xBC\xA0**");
    CHECK(masked(first1, "\xD9\x85\xD8\xAD\xD9\x85\xD8\xAF") == "\xD9\x85***");
    CHECK(masked(first1, "e\xCC\x81t\xC3\xA9") == "e\xCC\x81**");  // e + combining acute
    // A woman astronaut is one: woman, joiner, rocket.
    const std::string astronaut = "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80";
    CHECK(masked(first1, astronaut + "ab") == astronaut + "**");
    CHECK(masked(mask_of(MaskKeep::last, 1), "ab" + astronaut) == "**" + astronaut);
    // A flag is two regional letters, Hangul syllables may be three jamo.
    CHECK(masked(first1, "\xF0\x9F\x87\xA8\xF0\x9F\x87\xB3x") ==
          "\xF0\x9F\x87\xA8\xF0\x9F\x87\xB3*");
    CHECK(masked(first1, "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB\xEA\xB8\x80") ==
          "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB*");
    CHECK(masked(mask_of(MaskKeep::last, 2, "\xE2\x80\xA2"), "abc\xC3\xA9") ==
          "\xE2\x80\xA2\xE2\x80\xA2"
          "c\xC3\xA9");
}

TEST_CASE("a mask never shows a whole value", "[policy][transform]") {
    const TransformRule last4 = mask_of(MaskKeep::last, 4);
    CHECK(masked(last4, "12345") == "*2345");
    CHECK(masked(last4, "1234") == "****");
    CHECK(masked(last4, "123") == "***");
    CHECK(masked(mask_of(MaskKeep::first, 1), "\xE5\xBC\xA0") == "*");
    CHECK(masked(mask_of(MaskKeep::first, 0), "abc") == "***");
    CHECK(shown(last4, FieldType::text, "") == "");
    CHECK(masked(mask_of(MaskKeep::last, 64), std::string(65, 'x')) == "*" + std::string(64, 'x'));
    CHECK(masked(mask_of(MaskKeep::last, 64), std::string(64, 'x')) == std::string(64, '*'));
}

TEST_CASE("masking one value leaves nothing for the next", "[policy][transform]") {
    const TransformRule first1 = mask_of(MaskKeep::first, 1);
    const std::string one = masked(first1, "\xE5\xBC\xA0\xE4\xBC\x9F\xE6\x98\x8E");
    CHECK(masked(first1, "\xC3\xA9") == "*");
    CHECK(masked(first1, "\xE5\xBC\xA0\xE4\xBC\x9F\xE6\x98\x8E") == one);
}

TEST_CASE("the domain of a mail is its part behind the @", "[policy][transform]") {
    const TransformRule domain = rule_of(TransformKind::partial);
    CHECK(shown(domain, FieldType::email, "a.b+c@example.org") == "example.org");
    CHECK(shown(domain, FieldType::phone, "13812345678") == "TRANSFORM_UNAVAILABLE");
    CHECK(shown(domain, FieldType::email, "nothing") == "TRANSFORM_UNAVAILABLE");
    CHECK(shown(domain, FieldType::email, "a@") == "TRANSFORM_UNAVAILABLE");
}

TEST_CASE("generalising needs the part it shows", "[policy][transform]") {
    const std::string address =
        R"({"lines":["1 Main St"],"city":"S\u00e3o \"P\"","region":"R","country":"BR"})";
    const auto level = [&](GeneraliseLevel at) {
        return shown(level_of(at), FieldType::address, address, ValueKind::json);
    };
    CHECK(level(GeneraliseLevel::address_city) == "S\xC3\xA3o \"P\"");
    CHECK(level(GeneraliseLevel::address_region) == "R");
    CHECK(level(GeneraliseLevel::address_country) == "BR");
    const TransformRule city = level_of(GeneraliseLevel::address_city);
    CHECK(shown(city, FieldType::address, "1 Main St, Town") == "TRANSFORM_UNAVAILABLE");
    CHECK(shown(city, FieldType::address, R"({"region":"R"})", ValueKind::json) ==
          "TRANSFORM_UNAVAILABLE");
    CHECK(shown(city, FieldType::address, R"({"city":""})", ValueKind::json) ==
          "TRANSFORM_UNAVAILABLE");
    CHECK(shown(city, FieldType::address, R"({"lines":["city"]})", ValueKind::json) ==
          "TRANSFORM_UNAVAILABLE");
    CHECK(shown(city, FieldType::name, "Town") == "TRANSFORM_UNAVAILABLE");
    CHECK(shown(level_of(GeneraliseLevel::date_year), FieldType::date, "1990-12-31") == "1990");
    CHECK(shown(level_of(GeneraliseLevel::date_year), FieldType::name, "1990-12-31") ==
          "TRANSFORM_UNAVAILABLE");
}

TEST_CASE("a long city comes out whole", "[policy][transform]") {
    const std::string name(1'024, 'x');
    CHECK(shown(level_of(GeneraliseLevel::address_city), FieldType::address,
                R"({"city":")" + name + "\"}", ValueKind::json) == name);
}

TEST_CASE("an address object and a json value cannot be masked", "[policy][transform]") {
    const TransformRule last4 = mask_of(MaskKeep::last, 4);
    CHECK(shown(last4, FieldType::address, R"({"city":"X"})", ValueKind::json) ==
          "TRANSFORM_UNAVAILABLE");
    CHECK(shown(last4, FieldType::address, "1 Main Street") == "*********reet");
    CHECK(shown(last4, FieldType::json, "12345") == "TRANSFORM_UNAVAILABLE");
}

TEST_CASE("equal people get equal pseudonyms under one key only", "[policy][transform]") {
    const TransformRule rule = rule_of(TransformKind::pseudonym);
    const std::string anna = shown(rule, FieldType::name, "Anna");
    CHECK(anna.size() == 26);  // 128 bits in base32
    CHECK(anna.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string::npos);
    CHECK(shown(rule, FieldType::name, " ANNA ") == anna);
    CHECK(shown(rule, FieldType::name, "Anne") != anna);
    CHECK(shown(rule, FieldType::string, "Anna") != anna);
    const PseudonymKey other = PseudonymKey::generate();
    const auto elsewhere =
        apply_transform(rule, FieldType::name, ValueKind::text, "Anna", other, kToday);
    REQUIRE(elsewhere.has_value());
    CHECK(text_of(elsewhere->value.expose()) != anna);
}

TEST_CASE("pseudonyms are as long as the rule says", "[policy][transform]") {
    TransformRule rule = rule_of(TransformKind::pseudonym);
    rule.pseudonym_text = PseudonymText::hex;
    std::set<std::string> starts;
    for (const std::uint16_t bits : {std::uint16_t{128}, std::uint16_t{256}, std::uint16_t{512}}) {
        rule.pseudonym_bits = bits;
        const std::string text = shown(rule, FieldType::name, "Anna");
        CHECK(text.size() == bits / 4U);
        starts.insert(text.substr(0, 32));
    }
    CHECK(starts.size() == 3);  // the length is part of the hash
}

TEST_CASE("base32 is that of RFC 4648 in lower case", "[policy][transform]") {
    // Independent of the key: the two texts of one pseudonym must mean the same bytes.
    TransformRule hex = rule_of(TransformKind::pseudonym);
    hex.pseudonym_text = PseudonymText::hex;
    const std::string in_hex = shown(hex, FieldType::name, "Anna");
    const std::string in_base32 = shown(rule_of(TransformKind::pseudonym), FieldType::name, "Anna");
    std::string bits;
    for (const char c : in_base32) {
        const std::size_t value = std::string{"abcdefghijklmnopqrstuvwxyz234567"}.find(c);
        for (int bit = 4; bit >= 0; --bit) bits += (value >> bit & 1) != 0 ? '1' : '0';
    }
    std::string expected;
    for (const char c : in_hex) {
        const std::size_t value = std::string{"0123456789abcdef"}.find(c);
        for (int bit = 3; bit >= 0; --bit) expected += (value >> bit & 1) != 0 ? '1' : '0';
    }
    CHECK(bits == expected + "00");
}

TEST_CASE("the order of strictness is that of the policy model", "[policy][transform]") {
    CHECK(strictness_rank(TransformKind::exists) < strictness_rank(TransformKind::pseudonym));
    CHECK(strictness_rank(TransformKind::pseudonym) < strictness_rank(TransformKind::generalise));
    CHECK(strictness_rank(TransformKind::generalise) < strictness_rank(TransformKind::mask));
    CHECK(strictness_rank(TransformKind::mask) == strictness_rank(TransformKind::partial));
    CHECK(strictness_rank(TransformKind::partial) < strictness_rank(TransformKind::plain));
    CHECK(strictness_rank(TransformKind::exists) > 0);
}

}  // namespace oubliette::policy
