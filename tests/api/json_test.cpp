#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "api/json_request.hpp"
#include "api/json_writer.hpp"

using namespace oubliette;
using namespace oubliette::api;
using namespace std::string_literals;

namespace {

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

Result<JsonValue> parse(JsonDocument& document, const std::string& text,
                        const JsonLimits& limits = {}) {
    return document.parse(bytes_of(text), limits);
}

}  // namespace

TEST_CASE("valid JSON is accepted", "[api][json]") {
    JsonDocument document;
    const std::string text = GENERATE(
        "[]"s, "{}"s, " [ ] "s, "\t{\r\n}\n"s, "null"s, "true"s, "false"s, "0"s, "-0"s, "\"\""s,
        "\"a\""s, "[0]"s, "[1,2]"s, "[-1]"s, "[123]"s, "[1.5]"s, "[1E22]"s, "[1e-2]"s, "[1e+2]"s,
        "[0e1]"s, "[0e+1]"s, "[123.456e78]"s, "[-0.0000000000000000000000000000000001]"s,
        "[\"\\u0060\\u012a\\u12AB\"]"s, "[\"\\uD801\\udc37\"]"s,
        "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"s, "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"s,
        "[\"\\\\u0000\"]"s, "[\"a/*b*/c\"]"s, "[\"\\\\a\"]"s, "[\"\\u0000\"]"s, "[\"\\uFFFF\"]"s,
        "[\"\xE2\x80\xA8\"]"s, "[\"\xF4\x8F\xBF\xBF\"]"s, "[\"\x7F\"]"s, "{\"a\":{\"b\":[]}}"s,
        "{\"\":0}"s, "{\"a\\u0000b\":1}"s, "{\"a\":1,\"A\":2}"s, "[null, 1, \"1\", {}]"s, "[[] ]"s,
        "[18446744073709551615]"s, "[1e400e]"s.substr(0, 5) + "]"s);
    INFO(text);
    CHECK(parse(document, text).has_value());
    CHECK(parse(document, text)->raw().size() <= text.size());
}

TEST_CASE("invalid JSON is refused", "[api][json]") {
    JsonDocument document;
    const std::string text = GENERATE(
        ""s, " "s, "[1 true]"s, "[a]"s, "[\"\": 1]"s, "[\"\"],"s, "[,1]"s, "[1,,2]"s, "[\"x\",,]"s,
        "[\"x\"]]"s, "[\"\",]"s, "[\"x\""s, "[x"s, "[3[4]]"s, "[1:2]"s, "[,]"s, "[-]"s, "[1,]"s,
        "[1,\n1\n,1"s, "[*]"s, "[fals]"s, "[nul]"s, "[tru]"s, "[++1]"s, "[+1]"s, "[-01]"s,
        "[-1.0.]"s, "[-2.]"s, "[.-1]"s, "[.2e-3]"s, "[0.1.2]"s, "[0.3e+]"s, "[0.e1]"s, "[0E]"s,
        "[1 000.0]"s, "[1eE2]"s, "[2.e3]"s, "[9.e+]"s, "[Inf]"s, "[NaN]"s, "[-NaN]"s, "[0x1]"s,
        "[1+2]"s, "[-foo]"s, "[012]"s, "[1ea]"s, "[1.]"s, "[.1]"s, "[1]x"s, "[1]\0"s, "[1]\0x"s,
        "\0"s, "[\"a\0b\"]"s, "{\"x\"}"s, "{\"x\", null}"s, "{1:1}"s, "{\"a\":}"s, "{\"a\" b}"s,
        "{:\"b\"}"s, "{\"a\":\"a\" 123}"s, "{key: 'value'}"s, "{\"id\":0,,}"s, "{'a':0}"s,
        "{\"id\":0,}"s, "{\"a\":\"b\",,\"c\":\"d\"}"s, "{\"a\":true} \"x\""s, "{\"a\":1}/**/"s,
        "{\"a\":1}//"s, "/**/{}"s, "[\"\\uD800\"]"s, "[\"\\uD800\\u\"]"s, "[\"\\uD800\\u1\"]"s,
        "[\"\\uD800\\n\"]"s, "[\"\\uDd1e\\uD834\"]"s, "[\"\\udc00\"]"s, "[\"\\u00A\"]"s,
        "[\"\\u00G0\"]"s, "[\"\\x00\"]"s, "[\"\\a\"]"s, "[\"\\U0061\"]"s, "[\\n]"s, "[\"\\"s,
        "[\"\\\"]"s, "\"a"s, "'a'"s, "[\"a\nb\"]"s, "[\"a\tb\"]"s, "[\"\x1F\"]"s, "\"\"x"s,
        "<null>"s, "[<null>]"s, "[1}"s, "{]"s, "{}}"s, "[][]"s, "[True]"s, "\xEF\xBB\xBF{}"s,
        "\xEF\xBB\xBF"s, "[\xE5]"s, "[\"\xE5\"]"s, "[\"\xC0\xAF\"]"s, "[\"\xED\xA0\x80\"]"s,
        "[\"\xF4\xBF\xBF\xBF\"]"s, "[\"\xF8\x80\x80\x80\x80\"]"s, "[\"\xE0\x80\x80\"]"s,
        "[\"\x80\"]"s, "[\"\xFF\"]"s, "[1e400]"s, "[-1e400]"s, "[\xE2\x81\xA0]"s, "\xE2\x81\xA0[]"s,
        "\x0C[]"s, "[\x0C]"s, "1\xA0"s, "{\"a\":1 \"b\":2}"s);
    INFO(text);
    const auto refused = parse(document, text);
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Refusal::malformed);
}

TEST_CASE("a name may occur once in an object, however it is written", "[api][json]") {
    JsonDocument document;
    const auto refusal = [&](const std::string& text) {
        const auto result = parse(document, text);
        return result.has_error() ? result.error() : Refusal::not_found;
    };
    CHECK(refusal(R"({"a":1,"a":1})") == Refusal::malformed);
    CHECK(refusal(R"({"a":1,"\u0061":2})") == Refusal::malformed);
    CHECK(refusal(R"({"\u0061":1,"\u0061":2})") == Refusal::malformed);
    CHECK(refusal(R"({"x":{"b":1,"c":2,"b":3}})") == Refusal::malformed);
    CHECK(refusal(R"([{"":1,"":1}])") == Refusal::malformed);
    CHECK(refusal(R"({"\uD83D\uDE39":1,"😹":1})") == Refusal::malformed);
    CHECK(refusal(R"([{"a":1},{"a":1}])") == Refusal::not_found);
    CHECK(refusal(R"({"a":{"a":1}})") == Refusal::not_found);
    const auto object = [](int count, const std::string& last) {
        std::string text = "{";
        for (int i = 0; i < count; ++i) text += "\"k" + std::to_string(i) + "\":0,";
        return text + "\"" + last + "\":0}";
    };
    for (const int count : {15, 16, 17, 1000}) {
        CHECK(refusal(object(count, "k7")) == Refusal::malformed);
        CHECK(refusal(object(count, "k\\u0037")) == Refusal::malformed);
        CHECK(refusal(object(count, "other")) == Refusal::not_found);
    }
}

TEST_CASE("depth and nodes are limited", "[api][json]") {
    JsonDocument document;
    CHECK(parse(document, nested(16)).has_value());
    CHECK(parse(document, nested(17)).error() == Refusal::malformed);
    CHECK(parse(document, nested(1'000'000)).error() == Refusal::malformed);
    CHECK(parse(document, std::string(1'000'000, '[')).error() == Refusal::malformed);
    std::string objects;
    for (int i = 0; i < 16; ++i) objects += "{\"a\":";
    CHECK(parse(document, objects + "1" + std::string(16, '}')).has_value());
    CHECK(parse(document, "[" + objects + "1" + std::string(16, '}') + "]").has_error());

    const JsonLimits limits{16, 5};
    CHECK(parse(document, "[1,2,3,4]", limits).has_value());
    CHECK(parse(document, "[1,2,3,4,5]", limits).error() == Refusal::too_large);
    CHECK(parse(document, R"({"a":1,"b":2})", limits).has_value());
    CHECK(parse(document, R"({"a":1,"b":[2]})", limits).error() == Refusal::too_large);
    std::string many = "[0";
    for (int i = 0; i < 79'998; ++i) many += ",0";
    CHECK(parse(document, many + "]").has_value());
    CHECK(parse(document, many + ",0]").error() == Refusal::too_large);
}

TEST_CASE("no truncation of a request is accepted", "[api][json]") {
    JsonDocument document;
    const std::string whole =
        R"({"items":[{"subject":"c-1","field":"email","value":"\u00e9\ud83d\ude39x"},)"
        R"({"n":-1.5e3,"t":true,"z":null}],"purpose":"own"})";
    REQUIRE(parse(document, whole).has_value());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::string exact = whole.substr(0, size);  // ASan watches the end
        CHECK(parse(document, exact).has_error());
    }
}

TEST_CASE("values are found, typed and kept byte for byte", "[api][json]") {
    JsonDocument document;
    const std::string text =
        R"( {"s":"plain","e":"a\n\u00e9\ud83d\ude39\"","n": -12 ,"f":1.50,"b":true,"z":null,)"
        R"( "o": { "x" : [ 1 , "]}" ] } ,"big":18446744073709551615} )";
    const JsonValue root = *parse(document, text);
    CHECK(root.size() == 8);
    CHECK(root.find_text("s") == "plain");
    CHECK(root.find_text("e") == "a\n\xC3\xA9\xF0\x9F\x98\xB9\"");
    CHECK(root.find("e")->raw() == R"("a\n\u00e9\ud83d\ude39\"")");
    CHECK(root.find("n")->as_integer() == -12);
    CHECK(root.find("n")->raw() == "-12");
    CHECK(root.find("f")->raw() == "1.50");
    CHECK_FALSE(root.find("f")->as_integer());
    CHECK_FALSE(root.find("big")->as_integer());
    CHECK(root.find("b")->as_boolean() == true);
    CHECK_FALSE(root.find("s")->as_boolean());
    CHECK(root.find("z")->is(JsonType::null));
    CHECK_FALSE(root.find("z")->as_text());
    CHECK_FALSE(root.find("none"));
    CHECK(root.find("o")->raw() == R"({ "x" : [ 1 , "]}" ] })");
    std::vector<std::string> items;
    for (const JsonValue item : root.find("o")->find("x")->items()) items.emplace_back(item.raw());
    CHECK(items == std::vector<std::string>{"1", "\"]}\""});
    std::string names;
    for (const auto& [name, value] : root.members()) names += std::string{name} + ",";
    CHECK(names == "s,e,n,f,b,z,o,big,");
    CHECK(root.has_only({"s", "e", "n", "f", "b", "z", "o", "big", "spare"}));
    CHECK_FALSE(root.has_only({"s", "e", "n", "f", "b", "z", "o"}));
    CHECK_FALSE(root.find("n")->has_only({}));
}

TEST_CASE("random bytes never break the decoder, and what it accepts it can walk", "[api][json]") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random{seed};
    const std::string alphabet = "{}[]\",:\\u0aD8dC1e+-.ntf \x80\xE2";
    const std::string base = R"({"a":[1,"\u0061",{"b":null}],"c":"d"})";
    JsonDocument document;
    std::size_t accepted = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text = base;
        for (auto flips = 1 + random() % 3; flips > 0; --flips) {
            text[random() % text.size()] = alphabet[random() % alphabet.size()];
        }
        const auto result = parse(document, text);
        if (!result.has_value()) continue;
        ++accepted;
        if (result->is(JsonType::object)) {
            for (const auto& [name, value] : result->members()) {
                CHECK(text.find(value.raw()) != std::string::npos);
            }
        }
    }
    CHECK(accepted > 0);
}

TEST_CASE("what the writer writes the decoder reads", "[api][json]") {
    std::string all;
    for (int letter = 0; letter < 128; ++letter) all.push_back(static_cast<char>(letter));
    all += "\xC3\xA9";
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object()
        .member("text", all)
        .key("items")
        .begin_array()
        .integer(-1)
        .integer(std::uint64_t{18446744073709551615U})
        .boolean(true)
        .null()
        .begin_object()
        .end_object()
        .begin_array()
        .end_array()
        .raw("1.50")
        .end_array()
        .member("last", "")
        .end_object();
    JsonDocument document;
    const auto root = document.parse(buffer.bytes());
    REQUIRE(root.has_value());
    CHECK(root->find_text("text") == all);
    CHECK(root->find("items")->raw() == "[-1,18446744073709551615,true,null,{},[],1.50]");
    CHECK(root->find_text("last") == "");
}

TEST_CASE("only JSON in UTF-8 is a JSON media type", "[api][json]") {
    CHECK(is_json_media_type("application/json"));
    CHECK(is_json_media_type("Application/JSON; charset=UTF-8"));
    for (const char* const type :
         {"", "text/json", "application/json; charset=latin1", "application/jsonx",
          "application/problem+json", "application/json;", "application/json, text/plain"}) {
        CHECK_FALSE(is_json_media_type(type));
    }
}
