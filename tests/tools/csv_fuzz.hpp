#pragma once

#include <random>
#include <string>

// Random valid CSV files: quotes, embedded line ends and delimiters, blank rows, both line ends,
// with and without BOM and last line end.

namespace oubliette::tools {

class RandomCsv {
public:
    explicit RandomCsv(std::uint64_t seed) : engine_(seed) {}

    [[nodiscard]] std::size_t below(std::size_t bound) { return engine_() % bound; }

    // Columns "id","c1".."cN-1". Ids are never empty and each row's is its own.
    [[nodiscard]] std::string table(std::size_t columns, std::size_t rows) {
        std::string text = below(3) == 0 ? "\xEF\xBB\xBF" : "";
        text += "id";
        for (std::size_t i = 1; i < columns; ++i) text += ",c" + std::to_string(i);
        for (std::size_t row = 0; row < rows; ++row) {
            text += line_end();
            while (columns > 1 && below(20) == 0) text += line_end();
            text += "p" + std::to_string(row);
            for (std::size_t i = 1; i < columns; ++i) text += "," + cell();
        }
        if (below(4) != 0) text += line_end();
        return text;
    }

private:
    std::string line_end() { return below(2) == 0 ? "\n" : "\r\n"; }

    std::string cell() {
        static const std::string kPieces[] = {"a",  "Zoë",     "'",  "+", " ",
                                              "龘", "e\u0301", "=1", ";"};
        static const std::string kQuotedPieces[] = {",", "\n", "\r\n", "\r", "\"\"", "\n\n"};
        const std::size_t shape = below(6);
        if (shape == 0) return "";
        if (shape == 1) return "\"\"";
        std::string text;
        for (std::size_t left = below(12); left > 0; --left) {
            if (shape <= 3 && below(3) == 0) text += kQuotedPieces[below(std::size(kQuotedPieces))];
            text += kPieces[below(std::size(kPieces))];
        }
        if (shape <= 3) return "\"" + text + "\"";
        // A quote inside a plain cell is a byte like any other.
        return below(10) == 0 ? text + "5\" x" : text;
    }

    std::mt19937_64 engine_;
};

}  // namespace oubliette::tools
