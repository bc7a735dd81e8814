#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// JSON that remembers where it was written, so that a finding can name line and column. For policy
// documents only: values of people are never parsed with this. Thread-safe.

namespace oubliette::policy {

struct JsonNode {
    enum class Kind : std::uint8_t { null, boolean, integer, number, string, array, object };

    Kind kind = Kind::null;
    bool boolean = false;
    std::int64_t integer = 0;  // an integer that does not fit is a number
    double number = 0;         // integers too
    std::string string;
    std::vector<std::pair<std::string, JsonNode>> members;  // as written, no duplicates
    std::vector<JsonNode> items;
    std::size_t offset = 0;  // of its first character, in bytes

    [[nodiscard]] const JsonNode* find(std::string_view key) const noexcept;
};

struct Place {
    std::size_t line = 0;    // from 1
    std::size_t column = 0;  // from 1, in bytes
};
[[nodiscard]] Place place_of(std::string_view text, std::size_t offset) noexcept;

// What keeps a text from being a document, if anything.
struct JsonMistake {
    enum class Kind : std::uint8_t { syntax, depth, nodes, duplicate };
    Kind kind = Kind::syntax;
    std::size_t offset = 0;
    std::string pointer;  // of the duplicate, else ""
    std::string name;     // the duplicate key
};

struct JsonParse {
    JsonNode root;  // complete unless there is a mistake other than `duplicate`
    std::vector<JsonMistake> mistakes;
};

inline constexpr std::size_t kJsonNodeCountMax = 200'000;
inline constexpr std::size_t kJsonMemberCountMax = 2'048;  // of one object

// Strict RFC 8259 in UTF-8 without a byte order mark; of duplicate keys the first is kept.
[[nodiscard]] JsonParse parse_json(std::string_view text, std::size_t depth_max);

// `pointer` + "/" + `key`, escaped (RFC 6901).
[[nodiscard]] std::string child_pointer(std::string_view pointer, std::string_view key);
[[nodiscard]] std::string child_pointer(std::string_view pointer, std::size_t index);

// The node at an RFC 6901 pointer, or nullptr.
[[nodiscard]] const JsonNode* find_node(const JsonNode& root, std::string_view pointer);

}  // namespace oubliette::policy
