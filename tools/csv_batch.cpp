#include "tools/csv_batch.hpp"

#include <algorithm>

#include "crypto/assert.hpp"
#include "tools/vault_client.hpp"

namespace oubliette::tools {

namespace {

void add_raw(Batch& batch, const CsvRow& row) {
    batch.raw += row.raw;
    batch.input_end = row.offset + row.raw.size();
    batch.line_end = row.line;
    for (const char c : row.raw) batch.line_end += c == '\n' ? 1 : 0;
}

CellEdit edit_of(const Batch& batch, const CsvRow& row, const CsvCell& cell, std::size_t column,
                 std::size_t item) {
    return {.begin = batch.raw.size() + cell.begin,
            .size = cell.size,
            .is_quoted = cell.is_quoted,
            .line = row.line,
            .column = static_cast<std::uint32_t>(column),
            .item = static_cast<std::uint32_t>(item)};
}

// "lines" is the one part of an address that is a list: one string per line of the cell.
void append_part(std::string& out, const std::string& part, std::string_view value) {
    append_json_string(out, part);
    out.push_back(':');
    if (part != "lines") {
        append_json_string(out, value);
        return;
    }
    out.push_back('[');
    for (std::size_t end = value.find('\n'); end != std::string_view::npos;
         end = value.find('\n')) {
        append_json_string(out, value.substr(0, end));
        out.push_back(',');
        value.remove_prefix(end + 1);
    }
    append_json_string(out, value);
    out.push_back(']');
}

// The items of one row.
struct RowItems {
    std::string json;
    std::size_t count = 0;
    std::vector<CellEdit> edits;
};

class RowPlanner {
public:
    RowPlanner(const Batch& batch, const CsvRow& row, const BoundColumns& columns)
        : batch_(batch),
          row_(row),
          columns_(columns),
          subject_(csv_decode(row.raw, row.cells[columns.subject])),
          values_(columns.mapped.size()),
          is_done_(columns.mapped.size()) {
        for (std::size_t i = 0; i < columns.mapped.size(); ++i) {
            values_[i] = csv_decode(row.raw, row.cells[columns.mapped[i].index]);
        }
    }

    [[nodiscard]] RowItems plan() {
        for (std::size_t i = 0; i < values_.size(); ++i) {
            if (values_[i].empty() || is_done_[i]) continue;
            begin_item(columns_.mapped[i].map.field);
            if (columns_.mapped[i].map.part.empty()) {
                append_json_string(items_.json, values_[i]);
                add_edit(i);
            } else {
                add_parts(i);
            }
            items_.json.push_back('}');
            ++items_.count;
        }
        return std::move(items_);
    }

    [[nodiscard]] const std::string& subject() const noexcept { return subject_; }

private:
    void begin_item(const std::string& field) {
        if (items_.count > 0) items_.json.push_back(',');
        items_.json += R"({"subject":)";
        append_json_string(items_.json, subject_);
        items_.json += R"(,"field":)";
        append_json_string(items_.json, field);
        items_.json += R"(,"value":)";
    }

    void add_parts(std::size_t first) {
        char separator = '{';
        for (std::size_t i = first; i < values_.size(); ++i) {
            const ColumnMap& map = columns_.mapped[i].map;
            if (map.field != columns_.mapped[first].map.field || values_[i].empty()) continue;
            items_.json.push_back(separator);
            separator = ',';
            append_part(items_.json, map.part, values_[i]);
            add_edit(i);
            is_done_[i] = true;
        }
        items_.json.push_back('}');
    }

    void add_edit(std::size_t i) {
        items_.edits.push_back(edit_of(batch_, row_, row_.cells[columns_.mapped[i].index], i,
                                       batch_.item_count + items_.count));
    }

    const Batch& batch_;
    const CsvRow& row_;
    const BoundColumns& columns_;
    std::string subject_;
    std::vector<std::string> values_;
    std::vector<bool> is_done_;
    RowItems items_;
};

bool fits(const Batch& batch, std::size_t item_count, std::size_t json_size,
          const BatchLimits& limits) {
    if (batch.raw.empty() || batch.item_count == 0) return true;
    return batch.item_count + item_count <= limits.item_count_max &&
           batch.items.size() + 1 + json_size <= limits.body_size_max;
}

void sort_by_begin(std::vector<CellEdit>& edits) {
    std::sort(edits.begin(), edits.end(),
              [](const CellEdit& a, const CellEdit& b) { return a.begin < b.begin; });
}

// A table of blank or empty rows makes no items; rows and bytes bound such a batch.
bool is_full_without_items(const Batch& batch, const BatchLimits& limits) {
    return !batch.raw.empty() &&
           (batch.row_count >= kBatchItemsMax || batch.raw.size() >= 2 * limits.body_size_max);
}

}  // namespace

bool add_to_tokenize(Batch& batch, const CsvRow& row, const BoundColumns& columns,
                     const BatchLimits& limits) {
    if (is_full_without_items(batch, limits)) return false;
    if (row.cells.empty()) {
        add_raw(batch, row);
        return true;
    }
    RowPlanner planner(batch, row, columns);
    RowItems items = planner.plan();
    if (!fits(batch, items.count, items.json.size(), limits)) return false;
    if (items.count == 0 && !planner.subject().empty()) {
        batch.subjects_without_items.push_back(planner.subject());
    }
    if (items.count > 0) {
        if (batch.item_count > 0) batch.items.push_back(',');
        batch.items += items.json;
        batch.item_count += items.count;
    }
    sort_by_begin(items.edits);
    batch.edits.insert(batch.edits.end(), items.edits.begin(), items.edits.end());
    ++batch.row_count;
    add_raw(batch, row);
    return true;
}

bool add_to_detokenize(Batch& batch, const CsvRow& row, const BoundColumns& columns,
                       const BatchLimits& limits) {
    if (is_full_without_items(batch, limits)) return false;
    if (row.cells.empty()) {
        add_raw(batch, row);
        return true;
    }
    std::vector<std::string> tokens(columns.mapped.size());
    std::size_t new_size = 0;
    std::size_t new_count = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i] = csv_decode(row.raw, row.cells[columns.mapped[i].index]);
        if (tokens[i].empty() || batch.known_tokens.contains(tokens[i])) continue;
        ++new_count;
        new_size += tokens[i].size() * 2 + 3;  // escaping doubles at most what can be a token
    }
    if (!fits(batch, new_count, new_size, limits)) return false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].empty()) continue;
        const auto [known, is_new] =
            batch.known_tokens.try_emplace(tokens[i], static_cast<std::uint32_t>(batch.item_count));
        if (is_new) {
            if (batch.item_count > 0) batch.items.push_back(',');
            append_json_string(batch.items, tokens[i]);
            ++batch.item_count;
        }
        batch.edits.push_back(
            edit_of(batch, row, row.cells[columns.mapped[i].index], i, known->second));
    }
    ++batch.row_count;
    add_raw(batch, row);
    return true;
}

void add_copied(Batch& batch, const CsvRow& row) {
    add_raw(batch, row);
}

std::string render(const Batch& batch, const std::vector<CellResult>& results, char delimiter) {
    OBL_ASSERT(results.size() == batch.edits.size());
    std::string out;
    out.reserve(batch.raw.size() + batch.edits.size() * 64);
    std::size_t from = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const CellEdit& edit = batch.edits[i];
        OBL_ASSERT(edit.begin >= from);
        out.append(batch.raw, from, edit.begin - from);
        csv_encode(out, results[i].text,
                   edit.is_quoted ? CsvQuoting::always : CsvQuoting::as_needed, delimiter);
        from = edit.begin + edit.size;
    }
    out.append(batch.raw, from);
    return out;
}

}  // namespace oubliette::tools
