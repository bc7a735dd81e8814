#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// CSV as RFC 4180 has it, read so that every byte can be written back. Not thread-safe.
//
//   file   := [BOM] row *(row)
//   row    := cell *(delimiter cell) [line end]      line end := CRLF | LF, absent only at the end
//   cell   := quoted | plain
//   quoted := '"' *(byte but '"' | '""') '"'         may hold delimiters and line ends
//   plain  := *(byte but delimiter, CR, LF)          does not begin with '"'
//
// A quote inside a plain cell is a byte like any other. A row without any byte but its line end is
// blank: it has no cells and is kept. NUL is refused everywhere.

namespace oubliette::tools {

inline constexpr std::size_t kCsvRowSizeMax = std::size_t{1} << 20;  // bytes
inline constexpr std::size_t kCsvColumnsMax = 4'096;

// Where one cell lies in its row, with its quotes if it has them.
struct CsvCell {
    std::size_t begin = 0;  // bytes from the start of the row
    std::size_t size = 0;   // bytes
    bool is_quoted = false;
};

struct CsvRow {
    std::string_view raw;  // with BOM and line end; valid until the next read
    std::vector<CsvCell> cells;
    std::uint64_t line = 0;    // line on which it begins, from 1
    std::uint64_t offset = 0;  // bytes from the start of the file
};

class CsvReader {
public:
    // Reads `fd` (which must be seekable and outlive the reader) from `offset` on, where a row
    // begins on `line`. `name` is the file's name for messages.
    CsvReader(int fd, std::string name, char delimiter, std::uint64_t offset = 0,
              std::uint64_t line = 1);

    // The next row, or false at the end. Throws CommandError input, naming the line: unclosed
    // quote, text after a closing quote, a CR that ends no line, NUL, row or columns over the
    // limit; failed: the disk.
    [[nodiscard]] bool read(CsvRow& row);

private:
    enum class Scan : std::uint8_t { complete, needs_more };

    [[nodiscard]] Scan scan_row(CsvRow& row);
    [[nodiscard]] Scan scan_cell(std::size_t& at, CsvCell& cell);
    [[nodiscard]] Scan scan_quoted(std::size_t& at);
    void fill();
    [[noreturn]] void refuse(const std::string& why) const;

    int fd_;
    std::string name_;
    char delimiter_;
    std::uint64_t offset_;  // of buffer_[begin_] in the file
    std::uint64_t line_;
    std::string buffer_;
    std::size_t begin_ = 0;  // of the row to come
    bool is_at_end_ = false;
};

// The value of a cell of `raw_row`: without its quotes, doubled quotes made single.
[[nodiscard]] std::string csv_decode(std::string_view raw_row, const CsvCell& cell);

// Quoting of a cell that is written.
enum class CsvQuoting : std::uint8_t {
    as_needed,  // only if `value` could not be read back otherwise
    always,
};
void csv_encode(std::string& out, std::string_view value, CsvQuoting quoting, char delimiter);

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

inline constexpr std::string_view kUtf8Bom = "\xEF\xBB\xBF";

}  // namespace oubliette::tools
