#include "tools/csv.hpp"

#include <fcntl.h>
#include <random>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/tools/csv_fuzz.hpp"
#include "tests/tools/temp_folder.hpp"
#include "tools/cli.hpp"

using namespace oubliette::tools;

namespace {

struct Read {
    std::string bytes;
    std::vector<std::vector<std::string>> rows;
    std::vector<std::uint64_t> lines;
};

Read read_all(const std::string& text, char delimiter = ',') {
    const TempFolder folder;
    write_text(folder / "t.csv", text);
    const int fd = ::open((folder / "t.csv").c_str(), O_RDONLY | O_CLOEXEC);
    Read result;
    try {
        CsvReader reader(fd, "t.csv", delimiter);
        CsvRow row;
        while (reader.read(row)) {
            CHECK(row.offset == result.bytes.size());
            result.bytes += row.raw;
            result.lines.push_back(row.line);
            std::vector<std::string> cells;
            for (const CsvCell& cell : row.cells) cells.push_back(csv_decode(row.raw, cell));
            result.rows.push_back(cells);
        }
    } catch (...) {
        (void)::close(fd);
        throw;
    }
    (void)::close(fd);
    return result;
}

std::string refusal_of(const std::string& text) {
    try {
        (void)read_all(text);
    } catch (const CommandError& error) {
        CHECK(error.exit() == Exit::input);
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("csv cells are read as RFC 4180 has them", "[csv]") {
    const Read read = read_all(
        "\xEF\xBB\xBF"
        "a,\"b\"\r\n1,\"x\"\"y\n,z\"\n\n,\"\"\nlast,5\" x");
    REQUIRE(read.rows.size() == 5);
    CHECK(read.rows[0] == std::vector<std::string>{"a", "b"});
    CHECK(read.rows[1] == std::vector<std::string>{"1", "x\"y\n,z"});
    CHECK(read.rows[2].empty());
    CHECK(read.rows[3] == std::vector<std::string>{"", ""});
    CHECK(read.rows[4] == std::vector<std::string>{"last", "5\" x"});
    CHECK(read.lines == std::vector<std::uint64_t>{1, 2, 4, 5, 6});
}

TEST_CASE("a file is the concatenation of its rows", "[csv]") {
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    RandomCsv random(seed);
    for (int i = 0; i < 200; ++i) {
        const std::string text = random.table(1 + random.below(6), random.below(40));
        REQUIRE(read_all(text).bytes == text);
    }
}

TEST_CASE("rows larger than one read are read whole", "[csv]") {
    const std::string long_cell(700'000, 'x');
    const std::string text =
        "a,b\n\"" + long_cell + "\n\"\"\"," + long_cell.substr(0, 100'000) + "\r\n1,2\n";
    const Read read = read_all(text);
    CHECK(read.bytes == text);
    REQUIRE(read.rows.size() == 3);
    CHECK(read.rows[1][0] == long_cell + "\n\"");
    CHECK(read.lines[2] == 4);
}

TEST_CASE("a broken table is refused with its line", "[csv]") {
    CHECK(refusal_of("a,b\n1,\"x\n").find("line 2: a quote") != std::string::npos);
    CHECK(refusal_of("a,b\n1,\"x\"y\n").find("line 2: text follows") != std::string::npos);
    CHECK(refusal_of("a,b\n\"1\n\",x\n1\r2,3\n").find("line 4: a CR") != std::string::npos);
    CHECK(refusal_of("a,b\n1,2\r").find("line 2: a CR") != std::string::npos);
    CHECK(refusal_of(std::string("a,b\n1,\0\n", 8)).find("line 2: the row holds a NUL") !=
          std::string::npos);
    CHECK(refusal_of("a,\"b").find("line 1: a quote") != std::string::npos);
}

TEST_CASE("the row limit holds at the limit and one byte over it", "[csv]") {
    const std::string row(kCsvRowSizeMax - 1, 'x');
    CHECK(read_all("a\n" + row + "\n").rows.size() == 2);
    CHECK(refusal_of("a\nx" + row + "\n").find("line 2: the row is over 1 MiB") !=
          std::string::npos);
    CHECK(refusal_of("a\n\"" + row + row).find("is a quote not closed?") != std::string::npos);
    CHECK(read_all(std::string(kCsvColumnsMax - 1, ',') + "\n").rows[0].size() == kCsvColumnsMax);
    CHECK(refusal_of(std::string(kCsvColumnsMax, ',') + "\n").find("4096") != std::string::npos);
}

TEST_CASE("what csv_encode writes is read back", "[csv]") {
    for (const std::string value : {"", "a", "a,b", "a\nb", "\r", "\"", "5\" x", "\"\"x", " "}) {
        for (const CsvQuoting quoting : {CsvQuoting::as_needed, CsvQuoting::always}) {
            std::string row = "id,";
            csv_encode(row, value, quoting, ',');
            const Read read = read_all(row + "\n");
            REQUIRE(read.rows.size() == 1);
            CHECK(read.rows[0] == std::vector<std::string>{"id", value});
        }
    }
}

TEST_CASE("other delimiters part cells and commas do not", "[csv]") {
    CHECK(read_all("a;b\n1,5;2\n", ';').rows[1] == std::vector<std::string>{"1,5", "2"});
    CHECK(read_all("a\tb\n1\t2\n", '\t').rows[1] == std::vector<std::string>{"1", "2"});
}

TEST_CASE("is_utf8 refuses what is not", "[csv]") {
    CHECK(is_utf8(""));
    CHECK(is_utf8("Zoë 龘 \U0001F600"));
    CHECK_FALSE(is_utf8("\xC3"));
    CHECK_FALSE(is_utf8("\xC0\xAF"));          // overlong
    CHECK_FALSE(is_utf8("\xED\xA0\x80"));      // surrogate
    CHECK_FALSE(is_utf8("\xF4\x90\x80\x80"));  // over U+10FFFF
    CHECK_FALSE(is_utf8("a\xFFz"));
}
