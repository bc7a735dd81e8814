#include "tools/csv.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unicode/ustring.h>
#include <unistd.h>

#include "tools/cli.hpp"

namespace oubliette::tools {

namespace {
constexpr std::size_t kReadSize = std::size_t{256} << 10;  // bytes per read
}

CsvReader::CsvReader(int fd, std::string name, char delimiter, std::uint64_t offset,
                     std::uint64_t line)
    : fd_(fd), name_(std::move(name)), delimiter_(delimiter), offset_(offset), line_(line) {}

void CsvReader::refuse(const std::string& why) const {
    throw CommandError(Exit::input, name_ + ", line " + std::to_string(line_) + ": " + why);
}

void CsvReader::fill() {
    if (begin_ > 0) {
        buffer_.erase(0, begin_);
        begin_ = 0;
    }
    if (buffer_.size() > kCsvRowSizeMax) {
        refuse("the row that begins here is over 1 MiB; is a quote not closed?");
    }
    const std::size_t size = buffer_.size();
    buffer_.resize(size + kReadSize);
    ssize_t got = -1;
    do {
        got = ::pread(fd_, buffer_.data() + size, kReadSize, static_cast<off_t>(offset_ + size));
    } while (got < 0 && errno == EINTR);
    if (got < 0) throw CommandError(Exit::failed, name_ + " cannot be read" + system_words(errno));
    buffer_.resize(size + static_cast<std::size_t>(got));
    is_at_end_ = got == 0;
}

bool CsvReader::read(CsvRow& row) {
    if (begin_ == buffer_.size() && !is_at_end_) fill();
    if (begin_ == buffer_.size()) return false;
    while (scan_row(row) == Scan::needs_more) fill();
    row.line = line_;
    row.offset = offset_;
    if (row.raw.size() > kCsvRowSizeMax) refuse("the row is over 1 MiB");
    if (row.raw.find('\0') != std::string_view::npos) {
        refuse("the row holds a NUL byte; is the file UTF-16? save it as UTF-8");
    }
    line_ += static_cast<std::uint64_t>(std::count(row.raw.begin(), row.raw.end(), '\n'));
    offset_ += row.raw.size();
    begin_ += row.raw.size();
    return true;
}

CsvReader::Scan CsvReader::scan_row(CsvRow& row) {
    row.cells.clear();
    const std::size_t bom = offset_ == 0 ? kUtf8Bom.size() : 0;
    // A BOM cut in two by a read must not be taken for text.
    if (bom != 0 && buffer_.size() < bom && !is_at_end_) return Scan::needs_more;
    std::size_t at = begin_;
    if (bom != 0 && std::string_view(buffer_).starts_with(kUtf8Bom)) at += bom;
    const std::size_t first = at;
    for (;;) {
        CsvCell cell;
        if (scan_cell(at, cell) == Scan::needs_more) return Scan::needs_more;
        if (row.cells.size() == kCsvColumnsMax) refuse("the row has over 4096 cells");
        row.cells.push_back(cell);
        if (at == buffer_.size() || buffer_[at] != delimiter_) break;
        ++at;
    }
    if (at == first) row.cells.clear();  // blank
    if (at < buffer_.size()) at += std::size_t{buffer_[at] == '\r' ? 2U : 1U};
    row.raw = std::string_view(buffer_).substr(begin_, at - begin_);
    return Scan::complete;
}

// Leaves `at` on the delimiter, on the first byte of the line end or at the end of the file.
CsvReader::Scan CsvReader::scan_cell(std::size_t& at, CsvCell& cell) {
    const std::size_t from = at;
    if (at == buffer_.size() && !is_at_end_) return Scan::needs_more;
    cell.is_quoted = at < buffer_.size() && buffer_[at] == '"';
    if (cell.is_quoted) {
        if (scan_quoted(at) == Scan::needs_more) return Scan::needs_more;
    } else {
        while (at < buffer_.size() && buffer_[at] != delimiter_ && buffer_[at] != '\n' &&
               buffer_[at] != '\r') {
            ++at;
        }
        if (at == buffer_.size() && !is_at_end_) return Scan::needs_more;
    }
    cell.begin = from - begin_;
    cell.size = at - from;
    if (at == buffer_.size()) return Scan::complete;
    if (buffer_[at] == '\r') {
        if (at + 1 == buffer_.size() && !is_at_end_) return Scan::needs_more;
        if (at + 1 == buffer_.size() || buffer_[at + 1] != '\n') {
            refuse("a CR stands alone; end lines with LF or CRLF, or quote the cell");
        }
    } else if (buffer_[at] != '\n' && buffer_[at] != delimiter_) {
        refuse("text follows a closing quote; quotes inside a quoted cell are doubled");
    }
    return Scan::complete;
}

// From the opening quote to behind the closing one.
CsvReader::Scan CsvReader::scan_quoted(std::size_t& at) {
    ++at;
    for (;;) {
        const std::size_t quote = buffer_.find('"', at);
        const bool is_last_byte = quote != std::string::npos && quote + 1 == buffer_.size();
        if ((quote == std::string::npos || is_last_byte) && !is_at_end_) return Scan::needs_more;
        if (quote == std::string::npos) refuse("a quote in the row that begins here is not closed");
        at = quote + 1;
        if (at == buffer_.size() || buffer_[at] != '"') return Scan::complete;
        ++at;
    }
}

std::string csv_decode(std::string_view raw_row, const CsvCell& cell) {
    std::string_view text = raw_row.substr(cell.begin, cell.size);
    if (!cell.is_quoted) return std::string(text);
    text = text.substr(1, text.size() - 2);
    std::string value;
    value.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        value.push_back(text[i]);
        if (text[i] == '"') ++i;
    }
    return value;
}

void csv_encode(std::string& out, std::string_view value, CsvQuoting quoting, char delimiter) {
    // A quote that is not the first byte needs no quoting to be read back, and adding some would
    // change a cell that came without.
    const bool is_plain = !value.starts_with('"') &&
                          value.find_first_of("\r\n") == std::string_view::npos &&
                          value.find(delimiter) == std::string_view::npos;
    if (quoting == CsvQuoting::as_needed && is_plain) {
        out += value;
        return;
    }
    out.push_back('"');
    for (const char c : value) {
        if (c == '"') out.push_back('"');
        out.push_back(c);
    }
    out.push_back('"');
}

bool is_utf8(std::string_view text) noexcept {
    // Counts only; any status but this one means that the text can be converted.
    UErrorCode status = U_ZERO_ERROR;
    std::int32_t size = 0;
    (void)u_strFromUTF8(nullptr, 0, &size, text.data(), static_cast<std::int32_t>(text.size()),
                        &status);
    return status == U_BUFFER_OVERFLOW_ERROR || U_SUCCESS(status);
}

}  // namespace oubliette::tools
