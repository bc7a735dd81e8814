#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "api/wiped_buffer.hpp"

// Writes JSON text at the end of a buffer: no tree, no allocation of its own. The caller writes a
// well-formed sequence; commas are put in here. Not thread-safe.

namespace oubliette::api {

class JsonWriter {
public:
    // `out` must outlive the writer.
    explicit JsonWriter(WipedBuffer& out) noexcept : out_(out) {}

    JsonWriter& begin_object() { return open('{'); }
    JsonWriter& end_object() { return close('}'); }
    JsonWriter& begin_array() { return open('['); }
    JsonWriter& end_array() { return close(']'); }

    // The name of the next member.
    JsonWriter& key(std::string_view name) {
        separate();
        quote(name);
        out_.append(':');
        comma_ = false;
        return *this;
    }
    // REQUIRES: `value` is valid UTF-8 (everything stored by us is).
    JsonWriter& string(std::string_view value) {
        separate();
        quote(value);
        return *this;
    }
    // JSON text that is known to be one valid value, kept byte for byte.
    JsonWriter& raw(std::string_view json) {
        separate();
        out_.append(json);
        return *this;
    }
    JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
    JsonWriter& null() { return raw("null"); }
    JsonWriter& integer(std::int64_t value) { return number(value); }
    JsonWriter& integer(std::uint64_t value) { return number(value); }
    JsonWriter& integer(std::int32_t value) { return number(std::int64_t{value}); }
    JsonWriter& integer(std::uint32_t value) { return number(std::uint64_t{value}); }

    JsonWriter& member(std::string_view name, std::string_view value) {
        return key(name).string(value);
    }

private:
    JsonWriter& open(char bracket) {
        separate();
        out_.append(bracket);
        comma_ = false;
        return *this;
    }
    JsonWriter& close(char bracket) {
        out_.append(bracket);
        comma_ = true;
        return *this;
    }
    void separate() {
        if (comma_) out_.append(',');
        comma_ = true;
    }
    template <class Integer>
    JsonWriter& number(Integer value) {
        std::array<char, 24> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
    }

    static constexpr bool is_plain(char letter) noexcept {
        return static_cast<unsigned char>(letter) >= 0x20 && letter != '"' && letter != '\\';
    }
    void quote(std::string_view text) {
        out_.append('"');
        std::size_t from = 0;
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (is_plain(text[at])) continue;
            out_.append(text.substr(from, at - from));
            escape(text[at]);
            from = at + 1;
        }
        out_.append(text.substr(from));
        out_.append('"');
    }
    void escape(char letter) {
        constexpr std::string_view kHex = "0123456789abcdef";
        switch (letter) {
        case '"': return out_.append(std::string_view{"\\\""});
        case '\\': return out_.append(std::string_view{"\\\\"});
        case '\b': return out_.append(std::string_view{"\\b"});
        case '\f': return out_.append(std::string_view{"\\f"});
        case '\n': return out_.append(std::string_view{"\\n"});
        case '\r': return out_.append(std::string_view{"\\r"});
        case '\t': return out_.append(std::string_view{"\\t"});
        default: break;
        }
        out_.append(std::string_view{"\\u00"});
        out_.append(kHex[static_cast<unsigned char>(letter) >> 4]);
        out_.append(kHex[static_cast<unsigned char>(letter) & 15]);
    }

    WipedBuffer& out_;
    bool comma_ = false;
};

}  // namespace oubliette::api
