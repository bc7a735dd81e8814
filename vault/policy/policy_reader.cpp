#include "vault/policy/policy_reader.hpp"

#include <algorithm>

namespace oubliette::policy {

namespace {

bool is_name_char(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

std::string quoted(std::string_view text) {
    constexpr std::size_t kShown = 80;
    std::string result = "\"";
    result += text.substr(0, kShown);
    if (text.size() > kShown) result += "...";
    return result += "\"";
}

std::string_view kind_name(JsonNode::Kind kind) noexcept {
    switch (kind) {
    case JsonNode::Kind::null: return "null";
    case JsonNode::Kind::boolean: return "true or false";
    case JsonNode::Kind::integer: return "a whole number";
    case JsonNode::Kind::number: return "a number";
    case JsonNode::Kind::string: return "a string";
    case JsonNode::Kind::array: return "an array";
    case JsonNode::Kind::object: return "an object";
    }
    return "";
}

std::string shown(const JsonNode& node) {
    if (node.kind == JsonNode::Kind::string) return quoted(node.string);
    if (node.kind == JsonNode::Kind::integer) return std::to_string(node.integer);
    return std::string{kind_name(node.kind)};
}

}  // namespace

void FindingSink::add(std::string_view code, std::string pointer, std::size_t offset,
                      std::string message) {
    if (findings_.size() >= kFindingCountMax) return;
    const Place place = place_of(text_, offset);
    findings_.push_back({std::string{code}, std::move(pointer), place.line, place.column,
                         std::move(message), Severity::error});
}

bool is_policy_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > kNameSizeMax) return false;
    if (name.front() == '_' || name.front() == '-') return false;
    return std::all_of(name.begin(), name.end(), is_name_char);
}

bool check_name(FindingSink& sink, std::string_view name, std::string pointer, std::size_t offset) {
    if (is_policy_name(name)) return true;
    sink.add("POLICY_NAME", std::move(pointer), offset,
             quoted(name) +
                 " cannot be a name; use 1 to 64 of the characters A-Z a-z 0-9 _ - and "
                 "begin with a letter or digit");
    return false;
}

ObjectReader::ObjectReader(FindingSink& sink, const JsonNode& node, std::string pointer,
                           std::string_view what)
    : sink_(sink), node_(node), pointer_(std::move(pointer)), what_(what) {
    if (node.kind == JsonNode::Kind::object) return;
    sink_.add("POLICY_TYPE", pointer_, node.offset,
              std::string{what_} + " must be an object, not " + std::string{kind_name(node.kind)});
}

const JsonNode* ObjectReader::find(std::string_view key) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
    return node_.find(key);
}

const JsonNode* ObjectReader::require(std::string_view key) {
    const JsonNode* const node = find(key);
    if (node == nullptr && node_.kind == JsonNode::Kind::object) {
        sink_.add("POLICY_MISSING_KEY", pointer_, node_.offset,
                  std::string{what_} + " needs " + quoted(key) + "; add it");
    }
    return node;
}

bool ObjectReader::is_kind(std::string_view key, const JsonNode& node, JsonNode::Kind kind) {
    if (node.kind == kind) return true;
    sink_.add("POLICY_TYPE", child_pointer(pointer_, key), node.offset,
              quoted(key) + " must be " + std::string{kind_name(kind)} + ", not " +
                  std::string{kind_name(node.kind)});
    return false;
}

void ObjectReader::wrong_value(std::string_view key, const JsonNode& node,
                               std::string_view message) {
    sink_.add("POLICY_VALUE", child_pointer(pointer_, key), node.offset,
              shown(node) + " " + std::string{message});
}

void ObjectReader::report(std::string_view code, std::string_view key, std::string message) {
    const JsonNode* const node = node_.find(key);
    if (node == nullptr) {
        sink_.add(code, pointer_, node_.offset, std::move(message));
    } else {
        sink_.add(code, child_pointer(pointer_, key), node->offset, std::move(message));
    }
}

std::string ObjectReader::text(std::string_view key) {
    const JsonNode* const node = find(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::string)) return {};
    if (node->string.size() > kPolicyTextSizeMax) {
        report("POLICY_LIMIT", key, "a text may have 4096 bytes; shorten it");
        return {};
    }
    return node->string;
}

std::string ObjectReader::required_text(std::string_view key) {
    const JsonNode* const node = require(key);
    if (node == nullptr) return {};
    std::string value = text(key);
    if (value.empty() && node->kind == JsonNode::Kind::string && node->string.empty()) {
        wrong_value(key, *node, "says nothing; fill it in");
    }
    return value;
}

std::string ObjectReader::required_name(std::string_view key) {
    const JsonNode* const node = require(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::string)) return {};
    if (!check_name(sink_, node->string, child_pointer(pointer_, key), node->offset)) return {};
    return node->string;
}

bool ObjectReader::flag(std::string_view key) {
    const JsonNode* const node = find(key);
    return node != nullptr && is_kind(key, *node, JsonNode::Kind::boolean) && node->boolean;
}

std::optional<std::int64_t> ObjectReader::integer(std::string_view key, std::int64_t min,
                                                  std::int64_t max) {
    const JsonNode* const node = find(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::integer)) return std::nullopt;
    if (node->integer < min || node->integer > max) {
        wrong_value(key, *node,
                    "is out of range; use " + std::to_string(min) + " to " + std::to_string(max));
        return std::nullopt;
    }
    return node->integer;
}

std::optional<double> ObjectReader::share(std::string_view key) {
    const JsonNode* const node = find(key);
    if (node == nullptr) return std::nullopt;
    if (node->kind != JsonNode::Kind::integer && !is_kind(key, *node, JsonNode::Kind::number)) {
        return std::nullopt;
    }
    if (!(node->number >= 0.0 && node->number <= 1.0)) {
        wrong_value(key, *node, "is no share; use 0 to 1");
        return std::nullopt;
    }
    return node->number;
}

std::vector<std::string> ObjectReader::strings(std::string_view key, std::size_t count_max,
                                               bool only_names) {
    const JsonNode* const node = find(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::array)) return {};
    if (node->items.size() > count_max) {
        report("POLICY_LIMIT", key,
               quoted(key) + " may have " + std::to_string(count_max) + " entries; take some out");
        return {};
    }
    const std::string list = child_pointer(pointer_, key);
    std::vector<std::string> result;
    for (std::size_t i = 0; i < node->items.size(); ++i) {
        const JsonNode& item = node->items[i];
        const std::string at = child_pointer(list, i);
        if (item.kind != JsonNode::Kind::string) {
            sink_.add("POLICY_TYPE", at, item.offset,
                      "entries of " + quoted(key) + " must be strings, not " +
                          std::string{kind_name(item.kind)});
        } else if (std::find(result.begin(), result.end(), item.string) != result.end()) {
            sink_.add("POLICY_VALUE", at, item.offset,
                      quoted(item.string) + " is there twice; keep one");
        } else if (item.string.size() > kPolicyTextSizeMax) {
            sink_.add("POLICY_LIMIT", at, item.offset, "a text may have 4096 bytes; shorten it");
        } else if (!only_names || check_name(sink_, item.string, at, item.offset)) {
            result.push_back(item.string);
        }
    }
    return result;
}

std::vector<std::string> ObjectReader::texts(std::string_view key, std::size_t count_max) {
    return strings(key, count_max, false);
}

std::vector<std::string> ObjectReader::names(std::string_view key, std::size_t count_max) {
    return strings(key, count_max, true);
}

NamePairs ObjectReader::name_pairs(std::string_view key, std::size_t count_max) {
    const JsonNode* const node = find(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::object)) return {};
    if (node->members.size() > count_max) {
        report("POLICY_LIMIT", key,
               quoted(key) + " may have " + std::to_string(count_max) + " entries; take some out");
        return {};
    }
    const std::string object = child_pointer(pointer_, key);
    NamePairs pairs;
    for (const auto& [name, value] : node->members) {
        const std::string at = child_pointer(object, name);
        if (name != "*" && !check_name(sink_, name, at, value.offset)) continue;
        if (value.kind != JsonNode::Kind::string) {
            sink_.add(
                "POLICY_TYPE", at, value.offset,
                quoted(name) + " must be a string, not " + std::string{kind_name(value.kind)});
        } else if (check_name(sink_, value.string, at, value.offset)) {
            pairs.emplace_back(name, value.string);
        }
    }
    return pairs;
}

std::optional<CalendarDuration> ObjectReader::duration(std::string_view key) {
    const JsonNode* const node = find(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::string)) return std::nullopt;
    const auto parsed = parse_duration(node->string);
    if (!parsed) {
        wrong_value(key, *node,
                    "is no duration; write ISO 8601 up to 200 years, like P1Y, P90D or PT24H");
    }
    return parsed;
}

CalendarDuration ObjectReader::required_duration(std::string_view key) {
    if (require(key) == nullptr) return {};
    return duration(key).value_or(CalendarDuration{});
}

std::optional<Timestamp> ObjectReader::date(std::string_view key) {
    const JsonNode* const node = find(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::string)) return std::nullopt;
    const auto parsed = parse_date(node->string);
    if (!parsed) wrong_value(key, *node, "is no date; write it like 2030-03-31");
    return parsed;
}

std::optional<Timestamp> ObjectReader::time(std::string_view key) {
    const JsonNode* const node = find(key);
    if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::string)) return std::nullopt;
    const auto parsed = parse_time(node->string);
    if (!parsed) wrong_value(key, *node, "is no time; write RFC 3339, like 2022-08-10T00:00:00Z");
    return parsed;
}

void ObjectReader::finish() {
    for (const auto& [key, value] : node_.members) {
        if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
        std::string list;
        for (const std::string_view known : known_) {
            list.append(list.empty() ? "" : ", ").append(known);
        }
        sink_.add("POLICY_UNKNOWN_KEY", child_pointer(pointer_, key), value.offset,
                  quoted(key) + " is no key of " + std::string{what_} +
                      "; remove it or use one of: " + list);
    }
}

}  // namespace oubliette::policy
