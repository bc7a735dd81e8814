#include "tools/csv_columns.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <sodium.h>

#include "crypto/encoding.hpp"
#include "crypto/secret.hpp"
#include "tools/cli.hpp"

namespace oubliette::tools {

namespace {

std::string at_line(const std::string& name, std::uint64_t line) {
    return name + ", line " + std::to_string(line) + ": ";
}

class Sha256 {
public:
    Sha256() noexcept { (void)crypto_hash_sha256_init(&state_); }
    void add(std::string_view text) noexcept {
        const ByteView bytes = bytes_of(text);
        (void)crypto_hash_sha256_update(&state_, bytes.data(), bytes.size());
    }
    [[nodiscard]] std::string hex() noexcept {
        ByteArray<crypto_hash_sha256_BYTES> digest{};
        (void)crypto_hash_sha256_final(&state_, digest.data());
        return crypto::hex_encode(digest);
    }

private:
    crypto_hash_sha256_state state_{};
};

// Finds rows of one person that give one field two values. Keeps a 64-bit keyed hash of who and
// what and one of the value: with 10 million values the chance that two unlike ones meet is 3e-6,
// and another run draws another key.
class Conflicts {
public:
    Conflicts() noexcept { crypto::random_bytes(key_); }

    void add(std::string_view subject, std::string_view slot, std::string_view value) {
        std::string who(subject);
        who.push_back('\0');
        who += slot;
        seen_.push_back({hash(who), hash(value)});
    }

    // The place of a value that differs from an earlier one of the same person and field.
    [[nodiscard]] bool exist() {
        std::sort(seen_.begin(), seen_.end());
        return std::adjacent_find(seen_.begin(), seen_.end(), [](const Seen& a, const Seen& b) {
                   return a.who == b.who && a.value != b.value;
               }) != seen_.end();
    }

private:
    struct Seen {
        std::uint64_t who;
        std::uint64_t value;
        auto operator<=>(const Seen&) const = default;
    };

    [[nodiscard]] std::uint64_t hash(std::string_view text) const noexcept {
        ByteArray<crypto_shorthash_BYTES> out{};
        (void)crypto_shorthash(out.data(), bytes_of(text).data(), text.size(), key_.data());
        std::uint64_t number = 0;
        for (const Byte byte : out) number = number << 8 | byte;
        return number;
    }

    ByteArray<crypto_shorthash_KEYBYTES> key_{};
    std::vector<Seen> seen_;
};

std::string slot_name(const ColumnMap& map) {
    return map.part.empty() ? map.field : map.field + "." + map.part;
}

// Reads again with the values at hand, so that the message can name both lines. Only the failing
// way pays for the memory.
[[noreturn]] void report_conflict(int fd, const TableCheck& check, const BoundColumns& columns) {
    struct First {
        std::string value;
        std::uint64_t line;
    };
    std::map<std::pair<std::string, std::string>, First> first;
    CsvReader reader(fd, check.name, check.delimiter);
    CsvRow row;
    (void)reader.read(row);
    while (reader.read(row)) {
        if (row.cells.empty()) continue;
        const std::string subject = csv_decode(row.raw, row.cells[columns.subject]);
        for (const BoundColumn& column : columns.mapped) {
            std::string value = csv_decode(row.raw, row.cells[column.index]);
            if (value.empty() || check.many.contains(column.map.field)) continue;
            const auto [at, is_new] = first.try_emplace(std::pair{subject, slot_name(column.map)},
                                                        First{std::move(value), row.line});
            if (is_new || at->second.value == csv_decode(row.raw, row.cells[column.index]))
                continue;
            throw CommandError(
                Exit::input,
                at_line(check.name, row.line) + "column '" + column.map.column +
                    "' differs from line " + std::to_string(at->second.line) +
                    " for the same subject, and the vault keeps one value per field: make them "
                    "equal, or let later rows replace earlier ones with --allow-replace");
        }
    }
    throw CommandError(Exit::input, check.name + " changed while it was read");
}

}  // namespace

ColumnMap parse_column_map(const std::string& text) {
    const auto wrong = [&text] {
        return CommandError(Exit::usage, "'" + text +
                                             "' is not COLUMN=FIELD or COLUMN=FIELD.PART, for "
                                             "example --map mobile_no=mobile");
    };
    ColumnMap map;
    const std::size_t equals = text.rfind('=');
    map.column = text.substr(0, equals);
    if (map.column.empty()) throw wrong();
    if (equals == std::string::npos) return map;
    map.field = text.substr(equals + 1);
    const std::size_t dot = map.field.find('.');
    if (dot != std::string::npos) {
        map.part = map.field.substr(dot + 1);
        map.field.resize(dot);
        if (map.part.empty()) throw wrong();
    }
    if (map.field.empty()) throw wrong();
    return map;
}

BoundColumns bind_columns(const CsvRow& header, const std::string& subject,
                          std::span<const ColumnMap> maps, const std::string& name) {
    if (header.cells.empty()) {
        throw CommandError(Exit::input, name +
                                            " has no header row; its first line must name the "
                                            "columns");
    }
    std::vector<std::string> names;
    for (const CsvCell& cell : header.cells) names.push_back(csv_decode(header.raw, cell));
    const auto find = [&](const std::string& wanted) {
        const auto count = std::count(names.begin(), names.end(), wanted);
        if (count == 1) {
            return static_cast<std::size_t>(std::find(names.begin(), names.end(), wanted) -
                                            names.begin());
        }
        if (count > 1) {
            throw CommandError(Exit::input, name + " has several columns named '" + wanted +
                                                "'; give each a name of its own");
        }
        const std::string meant = nearest(wanted, names);
        std::string line = name + " has no column '" + wanted + "'";
        if (!meant.empty()) line += "; did you mean '" + meant + "'?";
        if (names.size() == 1) line += "; if cells are not parted by ',' give --delimiter";
        throw CommandError(Exit::input, line);
    };
    BoundColumns columns;
    columns.count = names.size();
    if (!subject.empty()) columns.subject = find(subject);
    std::set<std::string> slots;
    std::set<std::string> whole;
    for (const ColumnMap& map : maps) {
        if (!map.field.empty() && !subject.empty()) {
            if (!slots.insert(slot_name(map)).second) {
                throw CommandError(Exit::usage, "--map gives '" + slot_name(map) + "' two columns");
            }
            if (map.part.empty()) whole.insert(map.field);
        }
        const std::size_t index = find(map.column);
        for (const BoundColumn& earlier : columns.mapped) {
            if (earlier.index == index) {
                throw CommandError(Exit::usage, "column '" + map.column + "' is given twice");
            }
        }
        columns.mapped.push_back({index, map});
    }
    for (const BoundColumn& column : columns.mapped) {
        if (!column.map.part.empty() && whole.contains(column.map.field)) {
            throw CommandError(Exit::usage, "--map gives field '" + column.map.field +
                                                "' both whole and in parts");
        }
    }
    std::sort(columns.mapped.begin(), columns.mapped.end(),
              [](const BoundColumn& a, const BoundColumn& b) { return a.index < b.index; });
    return columns;
}

void check_width(const CsvRow& row, const BoundColumns& columns, const std::string& name) {
    if (row.cells.empty() || row.cells.size() == columns.count) return;
    throw CommandError(Exit::input, at_line(name, row.line) + "the row has " +
                                        std::to_string(row.cells.size()) +
                                        " cells and the header " + std::to_string(columns.count) +
                                        "; a cell with a delimiter or a line end needs quotes");
}

TableFacts check_table(int fd, const TableCheck& check,
                       FunctionRef<void(std::uint64_t, std::uint64_t)> on_row) {
    TableFacts facts;
    Sha256 digest;
    Conflicts conflicts;
    CsvReader reader(fd, check.name, check.delimiter);
    CsvRow row;
    if (!reader.read(row)) {
        throw CommandError(Exit::input, check.name + " is empty; it needs a header row");
    }
    facts.columns = bind_columns(row, check.subject, check.maps, check.name);
    do {
        digest.add(row.raw);
        facts.size += row.raw.size();
        if (row.offset == 0 || row.cells.empty()) continue;
        check_width(row, facts.columns, check.name);
        ++facts.rows;
        on_row(facts.size, facts.rows);
        std::string subject;
        if (!check.subject.empty()) {
            subject = csv_decode(row.raw, row.cells[facts.columns.subject]);
        }
        for (const BoundColumn& column : facts.columns.mapped) {
            const std::string value = csv_decode(row.raw, row.cells[column.index]);
            if (value.empty()) continue;
            ++facts.values;
            if (!is_utf8(value)) {
                throw CommandError(Exit::input, at_line(check.name, row.line) + "column '" +
                                                    column.map.column +
                                                    "' is not UTF-8; convert the file");
            }
            if (check.subject.empty()) continue;
            if (subject.empty() || !is_utf8(subject)) {
                throw CommandError(Exit::input, at_line(check.name, row.line) + "column '" +
                                                    check.subject +
                                                    "' must name the person in UTF-8");
            }
            if (!check.permits_replacing && !check.many.contains(column.map.field)) {
                conflicts.add(subject, slot_name(column.map), value);
            }
        }
    } while (reader.read(row));
    facts.sha256 = digest.hex();
    if (conflicts.exist()) report_conflict(fd, check, facts.columns);
    return facts;
}

}  // namespace oubliette::tools
