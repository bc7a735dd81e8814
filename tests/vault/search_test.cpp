#include "tests/vault/vault_fixture.hpp"

// Search and match: finding and comparing without showing.

namespace oubliette::testing {

TEST_CASE("search finds people by the normalised value", "[search]") {
    TestVault vault;
    (void)vault.person("c-1", "Ann@Example.org", "email");
    (void)vault.person("c-2", "ann@example.ORG", "email");
    (void)vault.person("c-3", "bob@example.org", "email");
    CHECK(vault.search("email", "ANN@example.org") == "c-1|c-2");
    CHECK(vault.search("email", "eve@example.org").empty());
    CHECK(vault.search("username", "ann") == "FIELD_NOT_SEARCHABLE");
    CHECK(vault.search("nothing", "ann") == "FIELD_UNKNOWN");
    CHECK(vault.search("email", "ann@example.org", "finance", "accounting") ==
          "FIELD_NOT_NECESSARY");
    CHECK(vault.search("email", "ann@example.org", "web", "nothing") == "PURPOSE_UNKNOWN");
    vault.reopen();
    CHECK(vault.search("email", "ann@example.org") == "c-1|c-2");
}

TEST_CASE("a phone is found in every common spelling", "[search]") {
    TestVault vault;  // its home region is China
    (void)vault.person("c-1", "+86 139-0000-1234", "mobile");
    (void)vault.person("c-2", "010 8073 1234", "mobile");
    (void)vault.person("c-3", "+49 (0)30 901820", "mobile");
    for (const char* const spelling :
         {"+8613900001234", "008613900001234", "13900001234", "0 139 0000 1234", "139-0000-1234",
          "[139] 0000 1234", "+86 (139) 00001234", "１３９００００１２３４",
          "＋８６－１３９－００００－１２３４"}) {
        CAPTURE(spelling);
        CHECK(vault.search("mobile", spelling) == "c-1");
    }
    for (const char* const spelling : {"+861080731234", "01080731234", "(010) 8073-1234"}) {
        CAPTURE(spelling);
        CHECK(vault.search("mobile", spelling) == "c-2");
    }
    // Another country's number is found as it is dialled from everywhere.
    CHECK(vault.search("mobile", "0049 030 901820") == "c-3");
    CHECK(vault.search("mobile", "+49 13900001234").empty());
    vault.reopen();
    CHECK(vault.search("mobile", "13900001234") == "c-1");
    const std::string token = vault.tokenize("c-1", "mobile", std::nullopt);
    CHECK(vault.match(token, "139 0000 1234") == "yes");
    CHECK(vault.detokenize(token) == "+86 139-0000-1234");  // as it was stored
}

TEST_CASE("search leaves out whom the purpose may not see", "[search]") {
    TestVault vault;
    (void)vault.person("c-1", "ann@example.org", "email");
    (void)vault.person("c-2", "ann@example.org", "email");
    REQUIRE(vault.consent("c-2", "policy", false).empty());
    CHECK(vault.search("email", "ann@example.org") == "c-1");
    CHECK(vault.search("email", "ann@example.org", "marketing", "promote").empty());
    REQUIRE(vault.consent("c-1", "promote").empty());
    CHECK(vault.search("email", "ann@example.org", "marketing", "promote") == "c-1");
    REQUIRE(vault.erase("c-1").empty());
    CHECK(vault.search("email", "ann@example.org").empty());
}

TEST_CASE("a replaced or deleted value is not found any more", "[search]") {
    TestVault vault;
    (void)vault.person("c-1", "ann@example.org", "email");
    REQUIRE(vault.put("c-1", {{"email", "ann@example.net"}}).empty());
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(vault.search("email", "ann@example.net") == "c-1");
    vault.reopen();
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(vault.search("email", "ann@example.net") == "c-1");
    REQUIRE(vault.delete_field("c-1", "email").empty());
    CHECK(vault.search("email", "ann@example.net").empty());
}

TEST_CASE("the same value written and taken back in turn stays findable once", "[search]") {
    TestVault vault;
    (void)vault.person("c-1", "a@example.org", "email");
    for (int i = 0; i < 3; ++i) {
        REQUIRE(vault.put("c-1", {{"email", "b@example.org"}}).empty());
        REQUIRE(vault.put("c-1", {{"email", "a@example.org"}}).empty());
    }
    // Upper case is another value with the same normal form.
    REQUIRE(vault.put("c-1", {{"email", "A@example.org"}}).empty());
    CHECK(vault.search("email", "a@example.org") == "c-1");
    CHECK(vault.search("email", "b@example.org").empty());
}

TEST_CASE("match compares without showing, five wrong tries an hour", "[search]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "+8613900001234", "mobile");
    CHECK(vault.match(token, "0086 139 0000 1234") == "yes");
    CHECK(vault.match(token, "+8613900001235") == "no");
    CHECK(vault.match(token, "", "web", "nothing") == "PURPOSE_UNKNOWN");
    CHECK(vault.match("obl1.x", "+8613900001235") == "NOT_FOUND");
    for (int i = 0; i < 4; ++i) CHECK(vault.match(token, "+1000000" + std::to_string(i)) == "no");
    CHECK(vault.match(token, "+8613900001235") == "MATCH_LIMIT");
    CHECK(vault.match(token, "+8613900001234") == "MATCH_LIMIT");
    vault.clock.advance(kHour);
    CHECK(vault.match(token, "+8613900001234") == "yes");
}

}  // namespace oubliette::testing
