#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "tests/tidy/lists.hpp"

namespace oubliette::tidy {
namespace {

using Findings = std::vector<Finding>;

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

bool is_header(std::string_view path) {
    return path.ends_with(".hpp");
}

bool listed(std::string_view path, std::span<const std::string_view> list) {
    return std::ranges::any_of(list, [&](std::string_view entry) {
        return entry.ends_with('/') ? path.starts_with(entry) : path == entry;
    });
}

bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// True if `line` has `word` with nothing of a longer name around it.
bool has_word(std::string_view line, std::string_view word) {
    for (std::size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
        const bool starts = at == 0 || !is_name(line[at - 1]);
        const std::size_t end = at + word.size();
        const bool ends = !is_name(word.back()) || end == line.size() || !is_name(line[end]);
        if (starts && ends) return true;
    }
    return false;
}

struct BannedWord {
    std::string_view word;
    std::span<const std::string_view> allowed;
    std::string_view rule;
};
constexpr std::span<const std::string_view> kNowhere{};
const BannedWord kBanned[] = {
    {"expose(", kExpose, "expose( outside the files of kExpose"},
    {"expose_mut(", kExpose, "expose_mut( outside the files of kExpose"},
    {"co_await", kCoAwait, "co_await outside the files of kCoAwait"},
    {"memcmp(", kNowhere, "memcmp(: use crypto::equal_constant_time or std::ranges::equal"},
    {"rand(", kNowhere, "rand(: use crypto::random_bytes, or a seeded engine in tests"},
    {"std::cout", kCout, "std::cout in a library"},
    {"reinterpret_cast", kReinterpretCast,
     "reinterpret_cast outside the files of kReinterpretCast"},
};

// Split, so that this file passes its own rule.
const std::string kLeftovers[] = {
    "FIX"
    "ME",
    "TO"
    "DO",
    "X"
    "XX"};

// Characters, not bytes: a UTF-8 continuation byte has no column.
std::size_t columns_of(std::string_view line) {
    return static_cast<std::size_t>(std::ranges::count_if(
        line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::size_t lines_max_of(std::string_view path) {
    for (const LongFile& file : kLongFiles) {
        if (file.path == path) return file.lines_max;
    }
    return path.starts_with("tests/") ? kTestFileLinesMax : kFileLinesMax;
}

std::string without_extension(std::string_view path) {
    return std::string{path.substr(0, path.rfind('.'))};
}

// The name of a path's layer; empty if it has none.
std::string_view layer_of(std::string_view path) {
    const std::string stem = without_extension(path);
    if (std::ranges::count(kVaultBase, stem) != 0) return "vault/base";
    for (const Layer& layer : kLayers) {
        if (!path.starts_with(layer.prefix)) continue;
        // A folder of vault/ that is not listed has no place in the order yet.
        const bool nested = path.substr(layer.prefix.size()).find('/') != path.npos;
        return layer.name == "vault" && nested ? std::string_view{} : layer.name;
    }
    return {};
}

bool may_include(std::string_view from, std::string_view to) {
    if (from == to) return true;
    if (from == "vault/base") return to == "crypto";
    for (const Layer& layer : kLayers) {
        if (layer.name != from) continue;
        const std::string names = " " + std::string{layer.may_include} + " ";
        return names.find(" " + std::string{to} + " ") != names.npos;
    }
    return false;
}

// What stands between the quotes or angles of an include.
struct Include {
    std::string target;
    bool ours = false;
};
std::optional<Include> include_of(std::string_view line) {
    if (!line.starts_with("#include")) return std::nullopt;
    const std::size_t open = line.find_first_of("\"<");
    if (open == line.npos) return std::nullopt;
    const bool ours = line[open] == '"';
    const std::size_t close = line.find(ours ? '"' : '>', open + 1);
    if (close == line.npos) return std::nullopt;
    return Include{std::string{line.substr(open + 1, close - open - 1)}, ours};
}

std::optional<std::string> refused_library(const Source& source, const std::string& target) {
    const bool http = target.starts_with("boost/beast") || target.starts_with("openssl/") ||
                      target.starts_with("boost/asio/ssl");
    if (http && !listed(source.path, kBeastOrOpenSsl)) {
        return "Beast or OpenSSL outside the files of kBeastOrOpenSsl";
    }
    if (target == "lmdb.h" && !listed(source.path, kLmdb)) return "LMDB outside kLmdb";
    return std::nullopt;
}

// ---- Functions: braces, and what stands before them.

bool opens_scope(std::string_view head) {
    for (const std::string_view word :
         {"namespace", "class", "struct", "union", "enum", "extern"}) {
        if (has_word(head, word)) return true;
    }
    return false;
}

// `head` is the code between the last `;`, `{` or `}` and a brace. A type with a parenthesis before
// it (alignas) is a scope still.
bool opens_function(std::string_view head) {
    return head.find('(') != head.npos && !opens_scope(head);
}

struct Brace {
    std::size_t line;
    bool function;
};

}  // namespace

std::vector<Finding> check_words(const Source& source) {
    Findings findings;
    const auto code = lines_of(source.code);
    for (std::size_t i = 0; i < code.size(); ++i) {
        for (const BannedWord& banned : kBanned) {
            if (has_word(code[i], banned.word) && !listed(source.path, banned.allowed)) {
                findings.push_back({source.path, i + 1, std::string{banned.rule}});
            }
        }
        if (is_header(source.path) && has_word(code[i], "using namespace")) {
            findings.push_back({source.path, i + 1, "using namespace in a header"});
        }
    }
    const auto text = lines_of(source.text);
    for (std::size_t i = 0; i < text.size(); ++i) {
        for (const std::string& word : kLeftovers) {
            if (has_word(text[i], word))
                findings.push_back({source.path, i + 1, "leftover " + word});
        }
    }
    return findings;
}

std::vector<Finding> check_shape(const Source& source) {
    Findings findings;
    const auto lines = lines_of(source.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (columns_of(lines[i]) > kColumnsMax) {
            findings.push_back({source.path, i + 1, "over 100 columns"});
        }
        if (lines[i].find('\t') != lines[i].npos) findings.push_back({source.path, i + 1, "a tab"});
    }
    if (lines.size() > lines_max_of(source.path)) {
        findings.push_back({source.path, 0, std::to_string(lines.size()) + " lines"});
    }
    if (is_header(source.path) && !source.code.starts_with("#pragma once") &&
        source.code.find("\n#pragma once\n") == source.code.npos) {
        findings.push_back({source.path, 0, "no #pragma once"});
    }
    return findings;
}

std::vector<Finding> check_functions(const Source& source) {
    Findings findings;
    std::vector<Brace> open;
    std::size_t line = 1;
    std::size_t head_start = 0;
    for (std::size_t at = 0; at < source.code.size(); ++at) {
        const char c = source.code[at];
        if (c == '\n') ++line;
        if (c == '{') {
            const auto head = std::string_view{source.code}.substr(head_start, at - head_start);
            const bool inside = std::ranges::any_of(open, &Brace::function);
            open.push_back({line, !inside && opens_function(head)});
        }
        if (c == '}' && !open.empty()) {
            const Brace brace = open.back();
            open.pop_back();
            // Lines between the braces, as clang-tidy counts them.
            const std::size_t size = line - brace.line - (line > brace.line ? 1 : 0);
            if (brace.function && size > kFunctionLinesMax) {
                findings.push_back(
                    {source.path, brace.line, "function of " + std::to_string(size) + " lines"});
            }
        }
        if (c == '{' || c == '}' || c == ';') head_start = at + 1;
    }
    if (!open.empty()) findings.push_back({source.path, open.back().line, "brace never closed"});
    return findings;
}

std::vector<Finding> check_includes(const Source& source) {
    const std::string_view layer = layer_of(source.path);
    if (layer.empty()) return {{source.path, 0, "no layer of kLayers"}};
    Findings findings;
    const auto lines = lines_of(source.code);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto include = include_of(lines[i]);
        if (!include) continue;
        if (const auto rule = refused_library(source, include->target)) {
            findings.push_back({source.path, i + 1, *rule});
        }
        if (include->ours && !may_include(layer, layer_of(include->target))) {
            findings.push_back(
                {source.path, i + 1, std::string{layer} + " may not include " + include->target});
        }
    }
    return findings;
}

std::vector<Finding> check_source(const Source& source) {
    Findings all;
    for (const auto check : {check_words, check_shape, check_functions, check_includes}) {
        const Findings findings = check(source);
        all.insert(all.end(), findings.begin(), findings.end());
    }
    return all;
}

std::vector<Finding> check_circles(const std::vector<Source>& tree) {
    std::map<std::string_view, std::set<std::string_view>> includes;
    for (const Source& source : tree) {
        const std::string_view from = layer_of(source.path);
        for (const std::string_view line : lines_of(source.code)) {
            const auto include = include_of(line);
            if (!include || !include->ours) continue;
            const std::string_view to = layer_of(include->target);
            if (to != from) includes[from].insert(to);
        }
    }
    // Warshall: who reaches whom.
    for (const auto& [middle, unused] : includes) {
        for (auto& [from, to] : includes) {
            if (!to.contains(middle)) continue;
            const auto reached = includes.at(middle);
            to.insert(reached.begin(), reached.end());
        }
    }
    Findings findings;
    for (const auto& [from, to] : includes) {
        if (to.contains(from)) findings.push_back({std::string{from}, 0, "includes in a circle"});
    }
    return findings;
}

std::vector<Finding> check_targets(const std::vector<Source>& tree) {
    Findings findings;
    for (const Source& source : tree) {
        const auto lines = lines_of(source.code);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const auto include = include_of(lines[i]);
            if (!include || !include->ours) continue;
            if (!std::ranges::binary_search(tree, include->target, {}, &Source::path)) {
                findings.push_back({source.path, i + 1, "no file " + include->target});
            }
        }
    }
    return findings;
}

}  // namespace oubliette::tidy
