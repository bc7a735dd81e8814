#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/csv.hpp"
#include "tools/csv_columns.hpp"

// Rows on their way through the vault: which cells change, the request that asks for what they
// become, and the rows as they are written. No I/O. Not thread-safe.

namespace oubliette::tools {

inline constexpr std::size_t kBatchItemsDefault = 1'000;
inline constexpr std::size_t kBatchItemsMax = 10'000;  // the server's own default limit
inline constexpr std::size_t kBatchBodySizeMax = std::size_t{3}
                                                 << 20;  // bytes; the server's is 4 MiB

// One cell that is replaced.
struct CellEdit {
    std::size_t begin = 0;  // in Batch::raw
    std::size_t size = 0;
    bool is_quoted = false;
    std::uint64_t line = 0;    // line of the row
    std::uint32_t column = 0;  // in BoundColumns::mapped
    std::uint32_t item = 0;    // of the request
};

struct Batch {
    std::uint64_t number = 0;     // from 0
    std::string raw;              // whole rows, byte for byte
    std::vector<CellEdit> edits;  // by begin
    std::string items;            // JSON items with commas between
    std::size_t item_count = 0;
    std::uint64_t row_count = 0;                      // blank rows and the header left out
    std::uint64_t input_end = 0;                      // offset behind the last row
    std::uint64_t line_end = 1;                       // line behind the last row
    std::vector<std::string> subjects_without_items;  // tokenize only
    std::unordered_map<std::string, std::uint32_t> known_tokens;  // detokenize only
};

// What a cell becomes: a text, or nothing because the vault refused with `code`.
struct CellResult {
    std::string text;
    std::string code;  // empty: accepted
};

struct BatchLimits {
    std::size_t item_count_max = kBatchItemsDefault;
    std::size_t body_size_max = kBatchBodySizeMax;
};

// Adds rows to batches; a row is never parted. Both return false, having changed nothing, if the
// row does not fit into a batch that has rows already. An empty cell makes no item and no edit.
//
// Tokenize: one item per value. All columns of one field's parts make one item, an object; each
// of them that is not empty gets the item's token, so that each part can be asked back alone.
[[nodiscard]] bool add_to_tokenize(Batch& batch, const CsvRow& row, const BoundColumns& columns,
                                   const BatchLimits& limits);
// Detokenize: one item per different token of the batch.
[[nodiscard]] bool add_to_detokenize(Batch& batch, const CsvRow& row, const BoundColumns& columns,
                                     const BatchLimits& limits);

// Adds a row that is only copied (the header).
void add_copied(Batch& batch, const CsvRow& row);

// The rows of `batch` with each edited cell replaced by the result of the same index; a refused
// cell becomes empty. A cell that came in quotes goes out in quotes.
[[nodiscard]] std::string render(const Batch& batch, const std::vector<CellResult>& results,
                                 char delimiter);

}  // namespace oubliette::tools
