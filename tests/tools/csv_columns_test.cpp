#include "tools/csv_columns.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/tools/temp_folder.hpp"
#include "tools/cli.hpp"

using namespace oubliette::tools;

namespace {

TableFacts check_text(const std::string& text, TableCheck check) {
    const TempFolder folder;
    write_text(folder / "t.csv", text);
    const int fd = ::open((folder / "t.csv").c_str(), O_RDONLY | O_CLOEXEC);
    check.name = "t.csv";
    try {
        TableFacts facts = check_table(fd, check, [](std::uint64_t, std::uint64_t) {});
        (void)::close(fd);
        return facts;
    } catch (...) {
        (void)::close(fd);
        throw;
    }
}

TableCheck email_of_id() {
    TableCheck check;
    check.subject = "id";
    check.maps = {{"mail", "email", ""}};
    return check;
}

}  // namespace

TEST_CASE("a column map is read from its right end", "[csv]") {
    CHECK(parse_column_map("a=b") == ColumnMap{"a", "b", ""});
    CHECK(parse_column_map("a=b=c.d.e") == ColumnMap{"a=b", "c", "d.e"});
    CHECK(parse_column_map("a") == ColumnMap{"a", "", ""});
    for (const std::string text : {"", "=b", "a=", "a=.x", "a=b."}) {
        INFO(text);
        CHECK_THROWS_AS(parse_column_map(text), CommandError);
    }
}

TEST_CASE("a table is described before anything is sent", "[csv]") {
    const TableFacts facts =
        check_text("\xEF\xBB\xBFid,mail\r\np1,a@example.org\r\n\r\np2,\r\n", email_of_id());
    CHECK(facts.rows == 2);
    CHECK(facts.values == 1);
    CHECK(facts.size == 37);
    CHECK(facts.columns.count == 2);
    CHECK(facts.columns.mapped[0].index == 1);
    // sha256sum of the same bytes
    CHECK(facts.sha256 == "0a251901f0298f42669cc69192f70d5261855a2d62e13506d75e319c127dc89b");
}

TEST_CASE("a table that cannot be worked on is refused with line and column", "[csv]") {
    const auto refuse = [](const std::string& text, const std::string& words) {
        INFO(text);
        CHECK_THROWS_WITH(check_text(text, email_of_id()), Catch::Contains(words));
    };
    refuse("", "is empty");
    refuse("\n", "no header row");
    refuse("id;mail\np1;x\n", "--delimiter");
    refuse("id,mial\np1,x\n", "did you mean 'mial'?");
    refuse("id,mail,mail\np1,x,y\n", "several columns named 'mail'");
    refuse("id,mail\np1,x\np2\n", "line 3: the row has 1 cells and the header 2");
    refuse("id,mail\np1,x,\n", "line 2: the row has 3 cells");
    refuse("id,mail\np1,\xFF\n", "line 2: column 'mail' is not UTF-8");
    refuse("id,mail\n,x\n", "line 2: column 'id' must name the person");
}

TEST_CASE("bytes of unmapped cells are of no concern", "[csv]") {
    CHECK(check_text("id,mail,x\np1,a,\xFF\xFE\n", email_of_id()).rows == 1);
    CHECK(check_text("id,mail,x,x\np1,a,,\n", email_of_id()).rows == 1);
}

TEST_CASE("two values for one field of one person are refused, for the first would be lost",
          "[csv]") {
    const std::string text = "id,mail\np1,a@example.org\np2,b@example.org\np1,c@example.org\n";
    CHECK_THROWS_WITH(check_text(text, email_of_id()),
                      Catch::Contains("line 4: column 'mail' differs from line 2") &&
                          !Catch::Contains("example.org"));
    TableCheck many = email_of_id();
    many.many.insert("email");
    CHECK(check_text(text, many).rows == 3);
    TableCheck replacing = email_of_id();
    replacing.permits_replacing = true;
    CHECK(check_text(text, replacing).rows == 3);
    CHECK(check_text("id,mail\np1,a\np1,\np1,a\n", email_of_id()).values == 2);
}

TEST_CASE("a field or a column cannot be mapped twice", "[csv]") {
    TableCheck check = email_of_id();
    const std::string text = "id,mail,x\np1,a,b\n";
    check.maps = {{"mail", "email", ""}, {"x", "email", ""}};
    CHECK_THROWS_WITH(check_text(text, check), Catch::Contains("two columns"));
    check.maps = {{"mail", "email", ""}, {"mail", "mobile", ""}};
    CHECK_THROWS_WITH(check_text(text, check), Catch::Contains("given twice"));
    check.maps = {{"mail", "address", "city"}, {"x", "address", ""}};
    CHECK_THROWS_WITH(check_text(text, check), Catch::Contains("both whole and in parts"));
}
