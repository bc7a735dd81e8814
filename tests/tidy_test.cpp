// The house rules, as tests over the source tree; and tests of the rules on planted bad snippets.
// Exceptions are in tests/tidy/lists.hpp.

#include <algorithm>
#include <filesystem>

#include <catch2/catch.hpp>

#include "tests/tidy/lists.hpp"
#include "tests/tidy/rules.hpp"

using namespace oubliette::tidy;

namespace {

const std::vector<Source>& tree() {
    static const std::vector<Source> sources = read_tree(OUBLIETTE_SOURCE_DIR);
    return sources;
}

void require_none(const std::vector<Finding>& findings) {
    for (const Finding& finding : findings) {
        UNSCOPED_INFO(finding.path << ":" << finding.line << ": " << finding.rule);
    }
    CHECK(findings.empty());
}

std::vector<Finding> check_all(std::vector<Finding> (*rule)(const Source&)) {
    std::vector<Finding> all;
    for (const Source& source : tree()) {
        const auto findings = rule(source);
        all.insert(all.end(), findings.begin(), findings.end());
    }
    return all;
}

std::size_t found(const std::string& path, const std::string& text) {
    return check_source(make_source(path, text)).size();
}

std::string function_of(std::size_t lines, const std::string& head) {
    std::string text = head + " {\n";
    for (std::size_t i = 0; i < lines; ++i) text += "    f();\n";
    return text + "}\n";
}

}  // namespace

TEST_CASE("the tree is read whole", "[tidy]") {
    CHECK(tree().size() > 20);
    for (const std::string_view folder : {"crypto/", "vault/", "tests/"}) {
        CHECK(std::ranges::any_of(
            tree(), [&](const Source& source) { return source.path.starts_with(folder); }));
    }
}

TEST_CASE("no banned word, leftover or undue expose( and co_await in the tree", "[tidy]") {
    require_none(check_all(check_words));
}

TEST_CASE("no long line or file, tab or missing #pragma once in the tree", "[tidy]") {
    require_none(check_all(check_shape));
}

TEST_CASE("no function of the tree is over 70 lines", "[tidy]") {
    require_none(check_all(check_functions));
}

TEST_CASE("includes of the tree point left only, and libraries stay in their files", "[tidy]") {
    require_none(check_all(check_includes));
    require_none(check_circles(tree()));
    require_none(check_targets(tree()));
}

TEST_CASE("every source file of the tree is built", "[tidy]") {
    require_none(check_built(tree(), OUBLIETTE_SOURCE_DIR));
}

TEST_CASE("Beast is seen by one file of api/, OpenSSL by two", "[tidy]") {
    CHECK(std::ranges::count_if(kBeastOrOpenSsl, [](std::string_view entry) {
              return entry.starts_with("api/") && !entry.ends_with('/');
          }) == 3);
}

// ---- The rules themselves, on planted snippets.

TEST_CASE("a clean file has no findings", "[tidy][self]") {
    CHECK(found("vault/keys/a.cpp",
                "#include \"crypto/box.hpp\"\n#include \"vault/result.hpp\"\n\n"
                "// A comment may say memcmp( and rand( and expose( and std::cout.\n"
                "void f() { g(\"memcmp(\", 'x', 65'536); }\n") == 0);
    CHECK(found("vault/keys/a.hpp", "#pragma once\nvoid f();\n") == 0);
}

TEST_CASE("banned words are found in code and not in longer names", "[tidy][self]") {
    CHECK(found("vault/a.cpp", "int x = memcmp(a, b, 3);\n") == 1);
    CHECK(found("vault/a.cpp", "int x = std::memcmp(a, b, 3);\n") == 1);
    CHECK(found("vault/a.cpp", "int x = sodium_memcmp(a, b, 3);\n") == 0);
    CHECK(found("tests/a.cpp", "int x = rand();\n") == 1);
    CHECK(found("tests/a.cpp", "int x = strand();\n") == 0);
    CHECK(found("vault/a.cpp", "auto x = reinterpret_cast<char*>(y);\n") == 1);
    CHECK(found("crypto/bytes.hpp", "#pragma once\nauto x = reinterpret_cast<char*>(y);\n") == 0);
    CHECK(found("vault/a.cpp", "void f() { std::cout << 1; }\n") == 1);
    CHECK(found("tools/a.cpp", "void f() { std::cout << 1; }\n") == 0);
    CHECK(found("vault/a.cpp", "auto k = key.expose();\n") == 1);
    CHECK(found("vault/a.cpp", "auto k = key.expose_mut();\n") == 1);
    CHECK(found("vault/keys/cell.cpp", "auto k = key.expose();\n") == 0);
    CHECK(found("vault/a.cpp", "co_await x;\n") == 1);
    CHECK(found("api/a.cpp", "co_await x;\n") == 0);
}

TEST_CASE("code after a literal or comment is still seen", "[tidy][self]") {
    CHECK(found("vault/a.cpp", "g(\"a\\\"b\"); memcmp(a, b, 3);\n") == 1);
    CHECK(found("vault/a.cpp", "/* x */ memcmp(a, b, 3);\n") == 1);
    CHECK(found("vault/a.cpp", "char q = '\"'; memcmp(a, b, 3); char r = '\"';\n") == 1);
    CHECK(found("vault/a.cpp", "g(R\"x(\" memcmp()x\"); memcmp(a, b, 3);\n") == 1);
    CHECK(found("vault/a.cpp", "int n = 1'000; memcmp(a, b, 3);\n") == 1);
}

TEST_CASE("leftovers are found in comments too", "[tidy][self]") {
    CHECK(found("vault/a.cpp", std::string{"// TO"} + "DO: later\n") == 1);
    CHECK(found("vault/a.cpp", std::string{"int a; // FIX"} + "ME\n") == 1);
    CHECK(found("vault/a.cpp", "char name[] = \"oubliette-XXXXXX\";\n") == 0);
}

TEST_CASE("headers need #pragma once and may not open namespaces", "[tidy][self]") {
    CHECK(found("vault/a.hpp", "void f();\n") == 1);
    CHECK(found("vault/a.hpp", "// #pragma once\nvoid f();\n") == 1);
    CHECK(found("vault/a.hpp", "#pragma once\nusing namespace std;\n") == 1);
    CHECK(found("vault/a.cpp", "using namespace std;\n") == 0);
}

TEST_CASE("100 columns pass and 101 do not, counted in characters", "[tidy][self]") {
    CHECK(found("vault/a.cpp", "//" + std::string(98, 'x') + "\n") == 0);
    CHECK(found("vault/a.cpp", "//" + std::string(99, 'x') + "\n") == 1);
    std::string wide = "//";
    for (unsigned i = 0; i < 98; ++i) wide += "\xC3\xA9";
    CHECK(found("vault/a.cpp", wide + "\n") == 0);
    CHECK(found("vault/a.cpp", "\tint a;\n") == 1);
}

TEST_CASE("functions of 70 lines pass and of 71 do not, wherever they stand", "[tidy][self]") {
    for (const std::string head :
         {"void f()", "int C::f(int a) const noexcept", "C::C(int a) : a_{a}, b_(2)",
          "auto f() -> int", "TEST_CASE(\"x\")", "namespace a { namespace { class B { void f()"}) {
        const auto braces = static_cast<std::size_t>(std::ranges::count(head, '{')) -
                            (head.find("a_{") != head.npos ? 1 : 0);
        const std::string close(braces, '}');
        INFO(head);
        CHECK(found("vault/a.cpp", function_of(70, head) + close + "\n") == 0);
        CHECK(found("vault/a.cpp", function_of(71, head) + close + "\n") == 1);
    }
    CHECK(found("vault/a.cpp", function_of(200, "class C")) == 0);
    CHECK(found("vault/a.cpp", function_of(200, "namespace")) == 0);
    CHECK(found("vault/a.cpp", "void f() {\n") == 1);
}

TEST_CASE("files of 450 lines pass and of 451 do not", "[tidy][self]") {
    std::string text;
    for (std::size_t i = 0; i < kFileLinesMax; ++i) text += "int a;\n";
    CHECK(found("vault/a.cpp", text) == 0);
    CHECK(found("vault/a.cpp", text + "int a;\n") == 1);
    CHECK(found("tests/a.cpp", text + "int a;\n") == 0);
}

TEST_CASE("includes point left only", "[tidy][self]") {
    const auto including = [](const std::string& from, const std::string& to) {
        return found(from, "#include \"" + to + "\"\n");
    };
    CHECK(including("crypto/a.cpp", "vault/result.hpp") == 1);
    CHECK(including("vault/result.cpp", "crypto/assert.hpp") == 0);
    CHECK(including("vault/result.cpp", "vault/store/store.hpp") == 1);
    CHECK(including("vault/store/a.cpp", "vault/result.hpp") == 0);
    CHECK(including("vault/store/a.cpp", "vault/keys/cell.hpp") == 1);
    CHECK(including("vault/keys/a.cpp", "vault/store/store.hpp") == 0);
    CHECK(including("vault/keys/a.cpp", "vault/policy/gate.hpp") == 1);
    CHECK(including("vault/committer.cpp", "vault/store/store.hpp") == 0);
    CHECK(including("vault/committer.cpp", "vault/keys/cell.hpp") == 1);
    CHECK(including("vault/store/a.cpp", "vault/committer.hpp") == 1);
    CHECK(including("vault/people/a.cpp", "vault/committer.hpp") == 1);
    CHECK(including("vault/policy/a.cpp", "vault/keys/cell.hpp") == 1);
    CHECK(including("vault/policy/a.cpp", "vault/vault.hpp") == 1);
    CHECK(including("vault/erase.cpp", "vault/policy/gate.hpp") == 0);
    CHECK(including("vault/erase.cpp", "api/exchange.hpp") == 1);
    CHECK(including("api/a.cpp", "vault/vault.hpp") == 0);
    CHECK(including("api/a.cpp", "tools/cli.hpp") == 1);
    CHECK(including("tools/a.cpp", "api/exchange.hpp") == 0);
    CHECK(including("tools/a.cpp", "tests/support/a.hpp") == 1);
    CHECK(including("tests/a.cpp", "bench/a.hpp") == 0);
    CHECK(including("vault/mystery/a.cpp", "vault/result.hpp") == 1);
    CHECK(including("api/a.cpp", "vault/mystery/a.hpp") == 1);
}

TEST_CASE("libraries stay in their files", "[tidy][self]") {
    CHECK(found("api/handler.cpp", "#include <boost/beast/http.hpp>\n") == 1);
    CHECK(found("vault/a.cpp", "#include <openssl/ssl.h>\n") == 1);
    CHECK(found("tools/https_client.cpp", "#include <boost/beast/http.hpp>\n") == 0);
    CHECK(found("vault/keys/a.cpp", "#include <lmdb.h>\n") == 1);
    CHECK(found("vault/store/lmdb_rows.hpp", "#pragma once\n#include <lmdb.h>\n") == 0);
}

TEST_CASE("folders in a circle and missing files are found", "[tidy][self]") {
    std::vector<Source> planted;
    planted.push_back(make_source("vault/policy/a.hpp", "#include \"vault/tokens/b.hpp\"\n"));
    planted.push_back(make_source("vault/tokens/b.hpp", "#include \"vault/audit/c.hpp\"\n"));
    CHECK(check_circles(planted).empty());
    CHECK(check_targets(planted).size() == 1);
    planted.push_back(make_source("vault/audit/c.hpp", "#include \"vault/policy/a.hpp\"\n"));
    std::ranges::sort(planted, {}, &Source::path);
    CHECK(check_circles(planted).size() == 3);
    CHECK(check_targets(planted).empty());
}

TEST_CASE("a source file that no CMakeLists.txt names is found", "[tidy][self]") {
    std::vector<Source> planted;
    planted.push_back(make_source("tests/tidy_test.cpp", ""));
    planted.push_back(make_source("vault/keys/cell.cpp", ""));
    CHECK(check_built(planted, OUBLIETTE_SOURCE_DIR).empty());
    planted.push_back(make_source("vault/keys/ell.cpp", ""));
    CHECK(check_built(planted, OUBLIETTE_SOURCE_DIR).size() == 1);
}
