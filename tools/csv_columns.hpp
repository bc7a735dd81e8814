#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tools/csv.hpp"
#include "vault/function_ref.hpp"

// Which columns of a table are worked on, and one look through the whole table before anything is
// sent: nobody wants to learn of a broken line 900,000 after an hour. Not thread-safe.

namespace oubliette::tools {

// "COLUMN=FIELD", "COLUMN=FIELD.PART" or, where a field is not needed, "COLUMN".
struct ColumnMap {
    std::string column;
    std::string field;  // empty if not given
    std::string part;   // empty: the whole value

    friend bool operator==(const ColumnMap&, const ColumnMap&) = default;
};

// Splits at the last '=', then at the first '.' of the field. Throws CommandError usage.
[[nodiscard]] ColumnMap parse_column_map(const std::string& text);

struct BoundColumn {
    std::size_t index = 0;  // in the header, from 0
    ColumnMap map;
};

struct BoundColumns {
    std::size_t count = 0;            // columns of the header
    std::size_t subject = 0;          // index; meaningless if none was asked for
    std::vector<BoundColumn> mapped;  // by index
};

// Finds the columns in the header row. `subject` may be empty.
// Throws CommandError input: no header, a column missing or there twice; usage: a column or a part
// of a field mapped twice.
[[nodiscard]] BoundColumns bind_columns(const CsvRow& header, const std::string& subject,
                                        std::span<const ColumnMap> maps, const std::string& name);

// Throws CommandError input if `row` does not have as many cells as the header. Blank rows pass.
void check_width(const CsvRow& row, const BoundColumns& columns, const std::string& name);

struct TableFacts {
    BoundColumns columns;
    std::string sha256;        // hex, of the whole file
    std::uint64_t size = 0;    // bytes
    std::uint64_t rows = 0;    // without header and blank rows
    std::uint64_t values = 0;  // cells to be worked on that are not empty
};

struct TableCheck {
    std::string name;
    char delimiter = ',';
    std::string subject;  // empty: no subject column
    std::vector<ColumnMap> maps;
    // Fields of which a person may have many values. For any other field two rows of one person
    // must not differ: the vault keeps one value, so the first row's would be lost.
    std::unordered_set<std::string> many;
    bool permits_replacing = false;  // differing rows are wanted, the last one wins
};

// Reads the table once; `on_row` hears how many bytes and rows are behind. Memory: 16 bytes per
// value if there is a subject column. Throws CommandError as CsvReader and the functions above, and
// input for: a value that is not UTF-8, a row with values but without a subject, two rows of one
// person that differ in a field.
[[nodiscard]] TableFacts check_table(
    int fd, const TableCheck& check,
    FunctionRef<void(std::uint64_t size, std::uint64_t rows)> on_row);

}  // namespace oubliette::tools
