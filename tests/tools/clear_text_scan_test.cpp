#include "tools/clear_text_scan.hpp"

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "tests/tools/temp_folder.hpp"

namespace oubliette::tools {

TEST_CASE("a scan finds a value in each spelling, and nothing where there is none") {
    const ClearTextScan scan{{"ann@example.org", "+2125551234567", "short"}};
    CHECK(scan.value_count() == 2);
    CHECK(scan.finds_in("ann@example.org"));
    CHECK(scan.finds_in("x+2125551234567y"));
    CHECK(scan.finds_in(crypto::hex_encode(bytes_of("ann@example.org"))));
    std::string wide = "\x01";
    for (const char c : std::string{"ann@example.org"}) wide += {c, '\0'};
    CHECK(scan.finds_in(wide));
    CHECK_FALSE(scan.finds_in("ann@example.or"));
    CHECK_FALSE(scan.finds_in("+212555123456"));
    CHECK_FALSE(scan.finds_in("short"));
    CHECK_FALSE(scan.finds_in(""));
}

TEST_CASE("a scan of files finds a value across the border of two reads, and names the file") {
    const TempFolder folder;
    const std::string value = "ann@example.org";
    constexpr std::size_t kBorder = std::size_t{4} << 20;
    std::string text(kBorder + 100, '\0');
    write_text(folder / "clean", text);
    const ClearTextScan scan{{value}};
    const ClearTextScan::Result clean = scan.scan(folder / "");
    CHECK(clean.hits.empty());
    CHECK(clean.size == text.size());
    for (const std::size_t at : {kBorder - value.size(), kBorder - 7, kBorder - 1, kBorder}) {
        std::string found = text;
        write_text(folder / "found", found.replace(at, value.size(), value));
        const ClearTextScan::Result result = scan.scan(folder / "");
        CHECK(result.file_count == 2);
        REQUIRE(result.hits.size() == 1);
        CHECK(result.hits.front().filename() == "found");
    }
}

}  // namespace oubliette::tools
