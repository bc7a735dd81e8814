#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "api/wiped_buffer.hpp"
#include "vault/result.hpp"

// Strict reading of a JSON request (RFC 8259) into an immutable tree of views. Boost.JSON judges
// the grammar first; then one walk notes where each value lies, so that a value can be stored byte
// for byte as it was sent. Nothing of the input is ever quoted in an error.
// Memory: 28 bytes per node (bounded by JsonLimits) and the unescaped strings, which are wiped.
// A document belongs to one thread and is meant to be used again; a value is valid until then and
// as long as the parsed text lives.

namespace oubliette::api {

struct JsonLimits {
    std::size_t depth_max = 16;      // arrays and objects inside each other
    std::size_t nodes_max = 80'000;  // values and member names: 8 x 10,000 items
};

enum class JsonType : std::uint8_t { null, boolean, number, string, array, object };

class JsonDocument;

// A value or a member name inside a document. Cheap to copy.
class JsonValue {
public:
    [[nodiscard]] JsonType type() const noexcept;
    [[nodiscard]] bool is(JsonType type) const noexcept { return this->type() == type; }
    // The text of the value as it was sent, without space around it.
    [[nodiscard]] std::string_view raw() const noexcept;
    // A string's characters, unescaped, valid UTF-8 (and perhaps with a NUL). REQUIRES: a string.
    [[nodiscard]] std::string_view text() const noexcept;
    // Elements of an array or members of an object; 0 for the others.
    [[nodiscard]] std::size_t size() const noexcept;

    // nullopt if it is of another type; an integer also if it has a fraction or an exponent or
    // does not fit 64 bits.
    [[nodiscard]] std::optional<std::string_view> as_text() const noexcept;
    [[nodiscard]] std::optional<std::int64_t> as_integer() const noexcept;
    [[nodiscard]] std::optional<bool> as_boolean() const noexcept;

    // A member of an object, which has each name at most once. REQUIRES: an object.
    [[nodiscard]] std::optional<JsonValue> find(std::string_view name) const noexcept;
    [[nodiscard]] std::optional<std::string_view> find_text(std::string_view name) const noexcept;
    // True for an object whose members are all among `names`: everything else is MALFORMED.
    [[nodiscard]] bool has_only(std::initializer_list<std::string_view> names) const noexcept;

    class Items;
    class Members;
    [[nodiscard]] Items items() const noexcept;      // REQUIRES: an array.
    [[nodiscard]] Members members() const noexcept;  // REQUIRES: an object.

private:
    friend class JsonDocument;
    JsonValue(const JsonDocument& document, std::uint32_t index) noexcept
        : document_{&document}, index_{index} {}

    const JsonDocument* document_;
    std::uint32_t index_;
};

class JsonDocument {
public:
    JsonDocument() = default;
    JsonDocument(const JsonDocument&) = delete;
    JsonDocument& operator=(const JsonDocument&) = delete;

    // The one value that `text` consists of. `text` must outlive the use of the value.
    // Refuses: malformed (grammar, UTF-8, depth, a name twice in one object, a number out of the
    // range of a double, bytes behind the value), too_large (nodes).
    [[nodiscard]] Result<JsonValue> parse(ByteView text, const JsonLimits& limits = {});

private:
    friend class JsonValue;
    friend class JsonWalk;

    struct Node {
        std::uint32_t raw_begin = 0;  // in text_
        std::uint32_t raw_end = 0;
        std::uint32_t string_begin = 0;  // in text_, or in unescaped_
        std::uint32_t string_size = 0;
        std::uint32_t next = 0;  // index behind this node and everything in it
        std::uint32_t count = 0;
        JsonType type = JsonType::null;
        bool is_unescaped = false;
    };

    [[nodiscard]] std::string_view string_of(const Node& node) const noexcept {
        const std::string_view source = node.is_unescaped ? unescaped_.text() : text_;
        return source.substr(node.string_begin, node.string_size);
    }

    std::string_view text_;
    std::vector<Node> nodes_;  // in the order of the text; members as name, value
    WipedBuffer unescaped_;
    std::vector<std::string_view> names_;  // scratch for finding repeated names
};

// True for "application/json", perhaps with charset=utf-8: all else is MEDIA_TYPE.
[[nodiscard]] bool is_json_media_type(std::string_view content_type) noexcept;

// Ranges for `for`.
class JsonValue::Items {
public:
    class Iterator {
    public:
        explicit Iterator(JsonValue at) noexcept : at_{at} {}
        JsonValue operator*() const noexcept { return at_; }
        Iterator& operator++() noexcept {
            at_.index_ = at_.document_->nodes_[at_.index_].next;
            return *this;
        }
        bool operator!=(const Iterator& other) const noexcept {
            return at_.index_ != other.at_.index_;
        }

    private:
        JsonValue at_;
    };
    [[nodiscard]] Iterator begin() const noexcept {
        return Iterator{{*array_.document_, array_.index_ + 1}};
    }
    [[nodiscard]] Iterator end() const noexcept {
        return Iterator{{*array_.document_, array_.document_->nodes_[array_.index_].next}};
    }

private:
    friend class JsonValue;
    explicit Items(JsonValue array) noexcept : array_{array} {}
    JsonValue array_;
};

class JsonValue::Members {
public:
    class Iterator {
    public:
        explicit Iterator(JsonValue name) noexcept : name_{name} {}
        std::pair<std::string_view, JsonValue> operator*() const noexcept {
            return {name_.text(), JsonValue{*name_.document_, name_.index_ + 1}};
        }
        Iterator& operator++() noexcept {
            name_.index_ = name_.document_->nodes_[name_.index_ + 1].next;
            return *this;
        }
        bool operator!=(const Iterator& other) const noexcept {
            return name_.index_ != other.name_.index_;
        }

    private:
        JsonValue name_;
    };
    [[nodiscard]] Iterator begin() const noexcept {
        return Iterator{{*object_.document_, object_.index_ + 1}};
    }
    [[nodiscard]] Iterator end() const noexcept {
        return Iterator{{*object_.document_, object_.document_->nodes_[object_.index_].next}};
    }

private:
    friend class JsonValue;
    explicit Members(JsonValue object) noexcept : object_{object} {}
    JsonValue object_;
};

}  // namespace oubliette::api
