#include "api/json_request.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <boost/json/basic_parser_impl.hpp>

#include "crypto/assert.hpp"

namespace oubliette::api {
namespace {

using boost::json::error_code;

constexpr std::size_t kPairwiseMax = 16;  // members; more are sorted to find repeated names

// Takes part in Boost.JSON's parse only to count and to look at numbers.
struct Judge {
    static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

    std::size_t nodes_left = 0;
    bool is_over = false;

    bool count(error_code& code) {
        if (nodes_left > 0) {
            --nodes_left;
            return true;
        }
        is_over = true;
        code = boost::json::error::array_too_large;
        return false;
    }

    using View = boost::json::string_view;
    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code& code) { return count(code); }
    bool on_object_end(std::size_t, error_code&) { return true; }
    bool on_array_begin(error_code& code) { return count(code); }
    bool on_array_end(std::size_t, error_code&) { return true; }
    bool on_key_part(View, std::size_t, error_code&) { return true; }
    bool on_key(View, std::size_t, error_code& code) { return count(code); }
    bool on_string_part(View, std::size_t, error_code&) { return true; }
    bool on_string(View, std::size_t, error_code& code) { return count(code); }
    bool on_number_part(View, error_code&) { return true; }
    bool on_int64(std::int64_t, View, error_code& code) { return count(code); }
    bool on_uint64(std::uint64_t, View, error_code& code) { return count(code); }
    bool on_double(double value, View, error_code& code) {
        if (!std::isfinite(value)) {
            code = boost::json::error::exponent_overflow;
            return false;
        }
        return count(code);
    }
    bool on_bool(bool, error_code& code) { return count(code); }
    bool on_null(error_code& code) { return count(code); }
    bool on_comment_part(View, error_code&) { return true; }
    bool on_comment(View, error_code&) { return true; }
};

bool is_space(char letter) noexcept {
    return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r';
}

// nullopt: the text is one valid value within the limits.
std::optional<Refusal> judge(std::string_view text, const JsonLimits& limits) {
    boost::json::parse_options options;
    options.max_depth = limits.depth_max;
    boost::json::basic_parser<Judge> parser{options};
    parser.handler().nodes_left = limits.nodes_max;
    error_code code;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), code);
    if (parser.handler().is_over) return Refusal::too_large;
    if (code || !parser.done()) return Refusal::malformed;
    const std::string_view rest = text.substr(used);
    if (!std::all_of(rest.begin(), rest.end(), is_space)) return Refusal::malformed;
    return std::nullopt;
}

void append_utf8(WipedBuffer& out, std::uint32_t point) {
    const auto tail = [&](unsigned shift) {
        out.append(static_cast<char>(0x80 | ((point >> shift) & 0x3F)));
    };
    if (point < 0x80) {
        out.append(static_cast<char>(point));
    } else if (point < 0x800) {
        out.append(static_cast<char>(0xC0 | (point >> 6)));
        tail(0);
    } else if (point < 0x10000) {
        out.append(static_cast<char>(0xE0 | (point >> 12)));
        tail(6);
        tail(0);
    } else {
        out.append(static_cast<char>(0xF0 | (point >> 18)));
        tail(12);
        tail(6);
        tail(0);
    }
}

}  // namespace

// Notes where values lie in text that was judged to be valid JSON. Every step still checks what it
// reads, so that a disagreement with the judge is a refusal and never a read past the end.
class JsonWalk {
public:
    explicit JsonWalk(JsonDocument& document) noexcept
        : document_{document}, text_{document.text_} {}

    [[nodiscard]] bool walk() {
        skip_space();
        return value();
    }

private:
    using Node = JsonDocument::Node;

    void skip_space() noexcept {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    }
    [[nodiscard]] bool take(char letter) noexcept {
        if (at_ >= text_.size() || text_[at_] != letter) return false;
        ++at_;
        return true;
    }
    [[nodiscard]] std::uint32_t here() const noexcept { return static_cast<std::uint32_t>(at_); }
    [[nodiscard]] std::uint32_t add(JsonType type) {
        Node node;
        node.type = type;
        node.raw_begin = here();
        document_.nodes_.push_back(node);
        return static_cast<std::uint32_t>(document_.nodes_.size() - 1);
    }
    [[nodiscard]] bool finish(std::uint32_t index) noexcept {
        document_.nodes_[index].raw_end = here();
        document_.nodes_[index].next = static_cast<std::uint32_t>(document_.nodes_.size());
        return true;
    }

    [[nodiscard]] bool value() {
        if (at_ >= text_.size()) return false;
        switch (text_[at_]) {
        case '{': return object();
        case '[': return array();
        case '"': return string();
        case 't':
        case 'f': return scalar(JsonType::boolean);
        case 'n': return scalar(JsonType::null);
        default: return scalar(JsonType::number);
        }
    }

    // Numbers and words end where a value can end.
    [[nodiscard]] bool scalar(JsonType type) {
        const std::uint32_t index = add(type);
        while (at_ < text_.size() && !is_space(text_[at_]) && text_[at_] != ',' &&
               text_[at_] != ']' && text_[at_] != '}') {
            ++at_;
        }
        return finish(index);
    }

    [[nodiscard]] bool array() {
        const std::uint32_t index = add(JsonType::array);
        ++at_;
        skip_space();
        std::uint32_t count = 0;
        if (!take(']')) {
            do {
                skip_space();
                if (!value()) return false;
                ++count;
                skip_space();
            } while (take(','));
            if (!take(']')) return false;
        }
        document_.nodes_[index].count = count;
        return finish(index);
    }

    [[nodiscard]] bool object() {
        const std::uint32_t index = add(JsonType::object);
        ++at_;
        skip_space();
        std::uint32_t count = 0;
        if (!take('}')) {
            do {
                skip_space();
                if (at_ >= text_.size() || text_[at_] != '"' || !string()) return false;
                skip_space();
                if (!take(':')) return false;
                skip_space();
                if (!value()) return false;
                ++count;
                skip_space();
            } while (take(','));
            if (!take('}')) return false;
        }
        document_.nodes_[index].count = count;
        return finish(index) && has_distinct_names(index);
    }

    [[nodiscard]] bool has_distinct_names(std::uint32_t object) {
        auto& names = document_.names_;
        names.clear();
        const std::uint32_t end = document_.nodes_[object].next;
        for (std::uint32_t at = object + 1; at < end; at = document_.nodes_[at + 1].next) {
            names.push_back(document_.string_of(document_.nodes_[at]));
        }
        if (names.size() > kPairwiseMax) {
            std::sort(names.begin(), names.end());
            return std::adjacent_find(names.begin(), names.end()) == names.end();
        }
        for (std::size_t i = 1; i < names.size(); ++i) {
            const auto before = names.begin() + static_cast<std::ptrdiff_t>(i);
            if (std::find(names.begin(), before, names[i]) != before) return false;
        }
        return true;
    }

    [[nodiscard]] bool string() {
        const std::uint32_t index = add(JsonType::string);
        ++at_;
        const std::size_t start = at_;
        const std::size_t stop = text_.find_first_of("\"\\", at_);
        if (stop == std::string_view::npos) return false;
        if (text_[stop] == '"') {
            document_.nodes_[index].string_begin = here();
            document_.nodes_[index].string_size = static_cast<std::uint32_t>(stop - start);
            at_ = stop + 1;
            return finish(index);
        }
        const std::size_t begin = document_.unescaped_.size();
        if (!unescape()) return false;
        Node& node = document_.nodes_[index];
        node.is_unescaped = true;
        node.string_begin = static_cast<std::uint32_t>(begin);
        node.string_size = static_cast<std::uint32_t>(document_.unescaped_.size() - begin);
        return finish(index);
    }

    [[nodiscard]] bool unescape() {
        WipedBuffer& out = document_.unescaped_;
        for (;;) {
            const std::size_t stop = text_.find_first_of("\"\\", at_);
            if (stop == std::string_view::npos) return false;
            out.append(text_.substr(at_, stop - at_));
            at_ = stop + 1;
            if (text_[stop] == '"') return true;
            if (at_ >= text_.size()) return false;
            const char kind = text_[at_++];
            constexpr std::string_view kKinds = "\"\\/bfnrt";
            constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
            if (const std::size_t found = kKinds.find(kind); found != std::string_view::npos) {
                out.append(kMeanings[found]);
            } else if (kind != 'u' || !code_point()) {
                return false;
            }
        }
    }

    [[nodiscard]] bool code_point() {
        std::uint32_t point = 0;
        if (!hex4(point)) return false;
        if (point >= 0xD800 && point < 0xE000) {
            std::uint32_t low = 0;
            const bool pair = point < 0xDC00 && take('\\') && take('u') && hex4(low) &&
                              low >= 0xDC00 && low < 0xE000;
            if (!pair) return false;
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        }
        append_utf8(document_.unescaped_, point);
        return true;
    }

    [[nodiscard]] bool hex4(std::uint32_t& value) noexcept {
        if (text_.size() - at_ < 4) return false;
        const char* const from = text_.data() + at_;
        const auto parsed = std::from_chars(from, from + 4, value, 16);
        at_ += 4;
        return parsed.ec == std::errc{} && parsed.ptr == from + 4;
    }

    JsonDocument& document_;
    const std::string_view text_;
    std::size_t at_ = 0;
};

Result<JsonValue> JsonDocument::parse(ByteView text, const JsonLimits& limits) {
    nodes_.clear();
    unescaped_.clear();
    text_ = oubliette::text_of(text);
    if (text.size() > std::numeric_limits<std::uint32_t>::max()) return Refusal::too_large;
    if (const auto refused = judge(text_, limits)) return *refused;
    if (!JsonWalk{*this}.walk()) return Refusal::malformed;
    return JsonValue{*this, 0};
}

bool is_json_media_type(std::string_view content_type) noexcept {
    const auto same = [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
    };
    constexpr std::array<std::string_view, 4> kForms{
        "application/json", "application/json; charset=utf-8", "application/json;charset=utf-8",
        "application/json; charset=\"utf-8\""};
    return std::any_of(kForms.begin(), kForms.end(), [&](std::string_view form) {
        return std::equal(content_type.begin(), content_type.end(), form.begin(), form.end(), same);
    });
}

JsonType JsonValue::type() const noexcept {
    return document_->nodes_[index_].type;
}

std::string_view JsonValue::raw() const noexcept {
    const auto& node = document_->nodes_[index_];
    return document_->text_.substr(node.raw_begin, node.raw_end - node.raw_begin);
}

std::string_view JsonValue::text() const noexcept {
    OBL_ASSERT(is(JsonType::string));
    return document_->string_of(document_->nodes_[index_]);
}

std::size_t JsonValue::size() const noexcept {
    return document_->nodes_[index_].count;
}

std::optional<std::string_view> JsonValue::as_text() const noexcept {
    if (!is(JsonType::string)) return std::nullopt;
    return text();
}

std::optional<std::int64_t> JsonValue::as_integer() const noexcept {
    if (!is(JsonType::number)) return std::nullopt;
    const std::string_view digits = raw();
    std::int64_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
}

std::optional<bool> JsonValue::as_boolean() const noexcept {
    if (!is(JsonType::boolean)) return std::nullopt;
    return raw() == "true";
}

std::optional<JsonValue> JsonValue::find(std::string_view name) const noexcept {
    for (const auto& [member, value] : members()) {
        if (member == name) return value;
    }
    return std::nullopt;
}

std::optional<std::string_view> JsonValue::find_text(std::string_view name) const noexcept {
    const auto value = find(name);
    return value ? value->as_text() : std::nullopt;
}

bool JsonValue::has_only(std::initializer_list<std::string_view> names) const noexcept {
    if (!is(JsonType::object)) return false;
    for (const auto& [member, value] : members()) {
        if (std::find(names.begin(), names.end(), member) == names.end()) return false;
    }
    return true;
}

JsonValue::Items JsonValue::items() const noexcept {
    OBL_ASSERT(is(JsonType::array));
    return Items{*this};
}

JsonValue::Members JsonValue::members() const noexcept {
    OBL_ASSERT(is(JsonType::object));
    return Members{*this};
}

}  // namespace oubliette::api
