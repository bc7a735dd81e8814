#include "vault/policy/json_places.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <memory>

#include <nlohmann/json.hpp>

namespace oubliette::policy {

namespace {

// Iterates over the text and tells how far the lexer has read: the library's events have no place.
class CountingIterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    CountingIterator(const char* at, std::size_t* read) noexcept : at_(at), read_(read) {}
    reference operator*() const noexcept { return *at_; }
    CountingIterator& operator++() noexcept {
        ++at_;
        ++*read_;
        return *this;
    }
    CountingIterator operator++(int) noexcept {
        CountingIterator before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const CountingIterator& a, const CountingIterator& b) noexcept {
        return a.at_ == b.at_;
    }

private:
    const char* at_;
    std::size_t* read_;
};

bool is_between_tokens(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':';
}

// Builds the tree from the library's events (its SAX interface).
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
public:
    TreeBuilder(std::string_view text, std::size_t depth_max, const std::size_t& read) noexcept
        : text_(text), depth_max_(depth_max), read_(read) {}

    bool null() override { return add({}) != nullptr; }
    bool boolean(bool value) override {
        JsonNode node;
        node.kind = JsonNode::Kind::boolean;
        node.boolean = value;
        return add(std::move(node)) != nullptr;
    }
    bool number_integer(number_integer_t value) override { return add_integer(value); }
    bool number_unsigned(number_unsigned_t value) override {
        if (value > static_cast<std::uint64_t>(INT64_MAX)) {
            return number_float(static_cast<double>(value), {});
        }
        return add_integer(static_cast<std::int64_t>(value));
    }
    bool number_float(number_float_t value, const string_t& /*text*/) override {
        JsonNode node;
        node.kind = JsonNode::Kind::number;
        node.number = value;
        return add(std::move(node)) != nullptr;
    }
    bool string(string_t& value) override {
        JsonNode node;
        node.kind = JsonNode::Kind::string;
        node.string = value;
        return add(std::move(node)) != nullptr;
    }
    bool binary(binary_t& /*value*/) override { return false; }  // not in JSON text

    bool start_object(std::size_t /*count*/) override { return open(JsonNode::Kind::object); }
    bool start_array(std::size_t /*count*/) override { return open(JsonNode::Kind::array); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& value) override {
        key_offset_ = next_token();
        key_ = value;
        token_end_ = read_;
        return true;
    }
    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*error*/) override {
        mistakes_.push_back({JsonMistake::Kind::syntax, position == 0 ? 0 : position - 1, "", ""});
        return false;
    }

    JsonParse take() { return {std::move(root_), std::move(mistakes_)}; }

private:
    // Start of the token that was just read: what lies between two tokens is known. A number's
    // reader looks one character ahead, which is never the start of a value.
    std::size_t next_token() const noexcept {
        std::size_t at = token_end_;
        while (at < text_.size() && is_between_tokens(text_[at])) ++at;
        return at;
    }

    bool add_integer(std::int64_t value) {
        JsonNode node;
        node.kind = JsonNode::Kind::integer;
        node.integer = value;
        node.number = static_cast<double>(value);
        return add(std::move(node)) != nullptr;
    }

    // Puts `node` where it belongs and returns it there; nullptr if there are too many.
    JsonNode* add(JsonNode node) {
        node.offset = next_token();
        token_end_ = read_;
        if (++node_count_ > kJsonNodeCountMax) {
            mistakes_.push_back({JsonMistake::Kind::nodes, node.offset, "", ""});
            return nullptr;
        }
        if (open_.empty()) {
            root_ = std::move(node);
            return &root_;
        }
        JsonNode& parent = *open_.back();
        if (parent.kind == JsonNode::Kind::array) {
            parent.items.push_back(std::move(node));
            return &parent.items.back();
        }
        if (parent.find(key_) != nullptr) {
            mistakes_.push_back({JsonMistake::Kind::duplicate, key_offset_, pointer(), key_});
            dropped_.push_back(std::make_unique<JsonNode>(std::move(node)));
            return dropped_.back().get();
        }
        if (parent.members.size() == kJsonMemberCountMax) {
            mistakes_.push_back({JsonMistake::Kind::nodes, key_offset_, pointer(), ""});
            return nullptr;
        }
        parent.members.emplace_back(key_, std::move(node));
        return &parent.members.back().second;
    }

    bool open(JsonNode::Kind kind) {
        JsonNode node;
        node.kind = kind;
        if (open_.size() == depth_max_) {
            mistakes_.push_back({JsonMistake::Kind::depth, next_token(), "", ""});
            return false;
        }
        JsonNode* const placed = add(std::move(node));
        if (placed == nullptr) return false;
        open_.push_back(placed);
        keys_.push_back(key_);
        return true;
    }

    bool close() {
        open_.pop_back();
        keys_.pop_back();
        token_end_ = read_;
        return true;
    }

    // Of the member `key_` of the innermost object.
    std::string pointer() const {
        std::string path;
        for (std::size_t depth = 1; depth < open_.size(); ++depth) {
            const JsonNode& parent = *open_[depth - 1];
            path = parent.kind == JsonNode::Kind::array
                       ? child_pointer(path, parent.items.size() - 1)
                       : child_pointer(path, keys_[depth]);
        }
        return child_pointer(path, key_);
    }

    std::string_view text_;
    std::size_t depth_max_;
    const std::size_t& read_;
    std::size_t token_end_ = 0;
    std::size_t key_offset_ = 0;
    std::size_t node_count_ = 0;
    std::string key_;
    JsonNode root_;
    // Pointers into the tree stay valid: a parent's container only grows while none of its
    // earlier children is open.
    std::vector<JsonNode*> open_;
    std::vector<std::string> keys_;
    std::vector<std::unique_ptr<JsonNode>> dropped_;
    std::vector<JsonMistake> mistakes_;
};

void append_escaped(std::string& pointer, std::string_view key) {
    for (const char c : key) {
        if (c == '~') {
            pointer += "~0";
        } else if (c == '/') {
            pointer += "~1";
        } else {
            pointer += c;
        }
    }
}

const JsonNode* find_child(const JsonNode& node, std::string_view escaped) {
    if (node.kind == JsonNode::Kind::array) {
        std::size_t index = 0;
        const auto [end, error] =
            std::from_chars(escaped.data(), escaped.data() + escaped.size(), index);
        const bool whole = error == std::errc{} && end == escaped.data() + escaped.size();
        return whole && index < node.items.size() ? &node.items[index] : nullptr;
    }
    for (const auto& [name, child] : node.members) {
        std::string as_written;
        append_escaped(as_written, name);
        if (as_written == escaped) return &child;
    }
    return nullptr;
}

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const noexcept {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [key](const auto& member) { return member.first == key; });
    return found == members.end() ? nullptr : &found->second;
}

Place place_of(std::string_view text, std::size_t offset) noexcept {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    const auto lines = std::count(before.begin(), before.end(), '\n');
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    return {static_cast<std::size_t>(lines) + 1, before.size() - line_start + 1};
}

JsonParse parse_json(std::string_view text, std::size_t depth_max) {
    // The library skips a byte order mark and ignores what follows a NUL byte.
    const std::size_t nul = text.find('\0');
    if (text.starts_with("\xEF\xBB\xBF")) return {{}, {{JsonMistake::Kind::syntax, 0, "", ""}}};
    if (nul != std::string_view::npos) return {{}, {{JsonMistake::Kind::syntax, nul, "", ""}}};
    std::size_t read = 0;
    TreeBuilder builder{text, depth_max, read};
    const bool complete =
        nlohmann::json::sax_parse(CountingIterator{text.data(), &read},
                                  CountingIterator{text.data() + text.size(), &read}, &builder);
    JsonParse parse = builder.take();
    if (!complete && parse.mistakes.empty()) {
        parse.mistakes.push_back({JsonMistake::Kind::syntax, read, "", ""});
    }
    return parse;
}

std::string child_pointer(std::string_view pointer, std::string_view key) {
    std::string child{pointer};
    child += '/';
    append_escaped(child, key);
    return child;
}

std::string child_pointer(std::string_view pointer, std::size_t index) {
    return child_pointer(pointer, std::to_string(index));
}

const JsonNode* find_node(const JsonNode& root, std::string_view pointer) {
    const JsonNode* node = &root;
    while (node != nullptr && !pointer.empty()) {
        pointer.remove_prefix(1);  // the slash
        const std::string_view key = pointer.substr(0, pointer.find('/'));
        node = find_child(*node, key);
        pointer.remove_prefix(key.size());
    }
    return node;
}

}  // namespace oubliette::policy
