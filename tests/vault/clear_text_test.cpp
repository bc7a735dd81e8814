#include <fstream>
#include <iterator>

#include "crypto/encoding.hpp"
#include "tests/vault/vault_fixture.hpp"

// Nothing of a person can be found in the files of a vault, in any encoding in which one would
// look.

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;

std::string utf16(const std::string& ascii, bool big_endian) {
    std::string out;
    for (const char c : ascii) out += big_endian ? std::string{'\0', c} : std::string{c, '\0'};
    return out;
}

// The text in base64 at each of its three possible alignments, without the edge characters.
std::vector<std::string> base64_of(const std::string& value, bool is_url) {
    std::vector<std::string> out;
    for (std::size_t shift = 0; shift < 3; ++shift) {
        const std::string padded = std::string(shift, 'x') + value;
        std::string text = crypto::base64url_encode(bytes_of(padded));
        if (!is_url) {
            for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
        }
        out.push_back(text.substr(4, text.size() - 8));
    }
    return out;
}

std::vector<std::string> encodings_of(const std::string& value) {
    std::vector<std::string> all{value, utf16(value, false), utf16(value, true)};
    std::string hex = crypto::hex_encode(bytes_of(value));
    all.push_back(hex);
    for (char& c : hex) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    all.push_back(hex);
    for (const bool is_url : {false, true}) {
        for (std::string& text : base64_of(value, is_url)) all.push_back(std::move(text));
    }
    return all;
}

std::string content(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("the files of a vault show nobody", "[clear]") {
    TestVault vault;
    const std::vector<std::string> secrets{"zacharias-quellwasser", "quellwasser@example.org",
                                           "+4915112345678901", "customer-0815-4711",
                                           "customer-gone-4712"};
    REQUIRE(vault.consent(secrets[3], "policy").empty());
    std::vector<std::string> tokens;
    REQUIRE(vault
                .put(secrets[3],
                     {{"username", secrets[0]}, {"email", secrets[1]}, {"mobile", secrets[2]}},
                     &tokens)
                .empty());
    (void)vault.person(secrets[4], secrets[0]);
    (void)vault.search("email", secrets[1]);
    (void)vault.match(tokens[2], secrets[2]);
    (void)vault.put(secrets[3], {{"email", secrets[0]}});
    (void)vault.delete_field(secrets[3], "mobile");
    (void)vault.erase(secrets[4]);
    vault.close();

    std::size_t files = 0;
    std::uintmax_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator{vault.home()}) {
        if (!entry.is_regular_file()) continue;
        const std::string data = content(entry.path());
        ++files;
        bytes += data.size();
        for (const std::string& secret : secrets) {
            for (const std::string& text : encodings_of(secret)) {
                INFO(entry.path().filename());
                CHECK(data.find(text) == std::string::npos);
            }
        }
        for (const std::string& token : tokens) CHECK(data.find(token) == std::string::npos);
    }
    CHECK(files >= 6);
    CHECK(bytes > 100'000);
}

}  // namespace oubliette::testing
