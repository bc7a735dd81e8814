#include "vault/policy/canonical.hpp"

#include <bit>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

namespace oubliette::policy {
namespace {

std::string file_text(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    REQUIRE(file);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string canonical(std::string_view json) {
    const JsonParse parse = parse_json(json, 16);
    REQUIRE(parse.mistakes.empty());
    return canonical_json(parse.root);
}

}  // namespace

TEST_CASE("the third-party vectors of RFC 8785 come out byte for byte", "[policy][canonical]") {
    const std::filesystem::path folder =
        std::filesystem::path{OUBLIETTE_SOURCE_DIR} / "tests/vectors/jcs";
    unsigned count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{folder / "input"}) {
        CAPTURE(entry.path().filename());
        CHECK(canonical(file_text(entry.path())) ==
              file_text(folder / "output" / entry.path().filename()));
        ++count;
    }
    CHECK(count == 6);
}

TEST_CASE("numbers are written as RFC 8785, appendix B, says", "[policy][canonical]") {
    const auto [bits, text] = GENERATE(
        table<std::uint64_t, std::string>({{0x0000000000000000, "0"},
                                           {0x8000000000000000, "0"},
                                           {0x0000000000000001, "5e-324"},
                                           {0x8000000000000001, "-5e-324"},
                                           {0x7fefffffffffffff, "1.7976931348623157e+308"},
                                           {0xffefffffffffffff, "-1.7976931348623157e+308"},
                                           {0x4340000000000000, "9007199254740992"},
                                           {0xc340000000000000, "-9007199254740992"},
                                           {0x4430000000000000, "295147905179352830000"},
                                           {0x44b52d02c7e14af5, "9.999999999999997e+22"},
                                           {0x44b52d02c7e14af6, "1e+23"},
                                           {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
                                           {0x444b1ae4d6e2ef4e, "999999999999999700000"},
                                           {0x444b1ae4d6e2ef4f, "999999999999999900000"},
                                           {0x444b1ae4d6e2ef50, "1e+21"},
                                           {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
                                           {0x3eb0c6f7a0b5ed8d, "0.000001"},
                                           {0x41b3de4355555553, "333333333.3333332"},
                                           {0x41b3de4355555554, "333333333.33333325"},
                                           {0x41b3de4355555555, "333333333.3333333"},
                                           {0x41b3de4355555556, "333333333.3333334"},
                                           {0x41b3de4355555557, "333333333.33333343"},
                                           {0xbecbf647612f3696, "-0.0000033333333333333333"},
                                           {0x43143ff3c1cb0959, "1424953923781206.2"}}));
    CHECK(canonical_number(std::bit_cast<double>(bits)) == text);
}

TEST_CASE("spelling does not matter, data does", "[policy][canonical]") {
    CHECK(canonical("{ \"b\" : 1.0, \"a\" : \"\\u0041\" }") == canonical("{\"a\":\"A\",\"b\":1}"));
    CHECK(canonical("{\"a\":\"A\",\"b\":1}") != canonical("{\"a\":\"A\",\"b\":2}"));
    CHECK(canonical("[{},[],null]") == "[{},[],null]");
}

}  // namespace oubliette::policy
