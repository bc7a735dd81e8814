#include "vault/policy/value_json.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <boost/json/basic_parser_impl.hpp>

#include "vault/policy/text_check.hpp"
#include "vault/policy/value.hpp"

namespace oubliette::policy {

namespace {

namespace json = boost::json;

constexpr std::size_t kAddressPartSizeMax = 1'024;  // bytes
constexpr std::size_t kAddressLineCountMax = 16;
constexpr std::array<std::string_view, 5> kAddressParts{"lines", "city", "region", "postal_code",
                                                        "country"};

// Accepts any value; the parser itself checks the grammar.
struct AnyValue {
    static constexpr std::size_t max_object_size = kTextSizeMax;
    static constexpr std::size_t max_array_size = kTextSizeMax;
    static constexpr std::size_t max_key_size = kTextSizeMax;
    static constexpr std::size_t max_string_size = kTextSizeMax;
    using Error = json::error_code;
    using Text = json::string_view;

    std::size_t depth = 0;
    bool top_null = false;

    bool on_document_begin(Error& /*error*/) { return true; }
    bool on_document_end(Error& /*error*/) { return true; }
    bool on_array_begin(Error& /*error*/) { return ++depth != 0; }
    bool on_array_end(std::size_t /*count*/, Error& /*error*/) { return depth-- != 0; }
    bool on_object_begin(Error& /*error*/) { return ++depth != 0; }
    bool on_object_end(std::size_t /*count*/, Error& /*error*/) { return depth-- != 0; }
    bool on_key_part(Text /*part*/, std::size_t /*size*/, Error& /*error*/) { return true; }
    bool on_key(Text /*part*/, std::size_t /*size*/, Error& /*error*/) { return true; }
    bool on_string_part(Text /*part*/, std::size_t /*size*/, Error& /*error*/) { return true; }
    bool on_string(Text /*part*/, std::size_t /*size*/, Error& /*error*/) { return true; }
    bool on_number_part(Text /*part*/, Error& /*error*/) { return true; }
    bool on_int64(std::int64_t /*value*/, Text /*part*/, Error& /*error*/) { return true; }
    bool on_uint64(std::uint64_t /*value*/, Text /*part*/, Error& /*error*/) { return true; }
    bool on_double(double /*value*/, Text /*part*/, Error& /*error*/) { return true; }
    bool on_bool(bool /*value*/, Error& /*error*/) { return true; }
    bool on_null(Error& /*error*/) {
        top_null = top_null || depth == 0;
        return true;
    }
    bool on_comment_part(Text /*part*/, Error& /*error*/) { return true; }
    bool on_comment(Text /*part*/, Error& /*error*/) { return true; }
};

// Accepts address objects only, and keeps the string of one part. Strings and keys come in pieces.
class AddressReader {
public:
    static constexpr std::size_t max_object_size = kAddressParts.size();
    static constexpr std::size_t max_array_size = kAddressLineCountMax;
    static constexpr std::size_t max_key_size = 16;
    static constexpr std::size_t max_string_size = kAddressPartSizeMax;
    using Error = json::error_code;
    using Text = json::string_view;

    explicit AddressReader(std::string_view wanted)
        : wanted_(wanted), found_(wanted.empty() ? 0 : kAddressPartSizeMax) {}

    bool on_document_begin(Error& error) { return ok(true, error); }
    bool on_document_end(Error& error) { return ok(seen_object_, error); }
    bool on_object_begin(Error& error) {
        const bool first = !seen_object_;
        seen_object_ = true;
        return ok(first, error);
    }
    bool on_object_end(std::size_t /*count*/, Error& error) { return ok(true, error); }
    bool on_array_begin(Error& error) {
        const bool fitting = seen_object_ && !in_lines_ && part_ == 0;
        in_lines_ = true;
        return ok(fitting, error);
    }
    bool on_array_end(std::size_t /*count*/, Error& error) {
        in_lines_ = false;
        return ok(true, error);
    }
    bool on_key_part(Text part, std::size_t /*size*/, Error& error) {
        return ok(add_to_key(part), error);
    }
    bool on_key(Text part, std::size_t /*size*/, Error& error) {
        return ok(add_to_key(part) && finish_key(), error);
    }
    bool on_string_part(Text part, std::size_t /*size*/, Error& error) {
        return ok(add_to_string(part), error);
    }
    bool on_string(Text part, std::size_t /*size*/, Error& error) {
        return ok(add_to_string(part) && in_place(), error);
    }
    bool on_number_part(Text /*part*/, Error& error) { return ok(false, error); }
    bool on_int64(std::int64_t /*value*/, Text /*part*/, Error& error) { return ok(false, error); }
    bool on_uint64(std::uint64_t /*value*/, Text /*part*/, Error& error) {
        return ok(false, error);
    }
    bool on_double(double /*value*/, Text /*part*/, Error& error) { return ok(false, error); }
    bool on_bool(bool /*value*/, Error& error) { return ok(false, error); }
    bool on_null(Error& error) { return ok(false, error); }
    bool on_comment_part(Text /*part*/, Error& error) { return ok(false, error); }
    bool on_comment(Text /*part*/, Error& error) { return ok(false, error); }

    crypto::SecretBytes take_found() {
        found_.truncate(found_size_);
        return std::move(found_);
    }

private:
    static bool ok(bool accepted, Error& error) {
        if (!accepted) error = json::error::extra_data;
        return accepted;
    }

    bool add_to_key(Text part) {
        if (key_size_ + part.size() > key_.size()) return false;
        std::copy(part.begin(), part.end(), key_.begin() + static_cast<std::ptrdiff_t>(key_size_));
        key_size_ += part.size();
        return true;
    }
    bool finish_key() {
        const std::string_view key{key_.data(), key_size_};
        const auto known = std::find(kAddressParts.begin(), kAddressParts.end(), key);
        key_size_ = 0;
        if (known == kAddressParts.end()) return false;
        part_ = static_cast<std::size_t>(known - kAddressParts.begin());
        const bool first = !seen_parts_[part_];
        seen_parts_[part_] = true;
        return first;
    }
    bool add_to_string(Text part) {
        if (!seen_object_ || !has_no_control({part.data(), part.size()})) return false;
        if (wanted_.empty() || kAddressParts[part_] != wanted_) return true;
        if (found_size_ + part.size() > found_.size()) return false;
        const ByteView bytes = bytes_of({part.data(), part.size()});
        std::copy(bytes.begin(), bytes.end(),
                  found_.expose_mut().begin() + static_cast<std::ptrdiff_t>(found_size_));
        found_size_ += part.size();
        return true;
    }
    // Lines are an array, everything else is not.
    bool in_place() const noexcept { return in_lines_ == (part_ == 0); }

    std::string_view wanted_;
    crypto::SecretBytes found_;
    std::size_t found_size_ = 0;
    std::array<char, max_key_size> key_{};
    std::size_t key_size_ = 0;
    std::array<bool, kAddressParts.size()> seen_parts_{};
    std::size_t part_ = 0;
    bool seen_object_ = false;
    bool in_lines_ = false;
};

template <class Parser>
bool accepts(Parser& parser, std::string_view text) {
    json::error_code error;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
    if (error || !parser.done()) return false;
    return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(used), text.end(),
                       [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
}

json::parse_options options() noexcept {
    json::parse_options result;
    result.max_depth = kValueDepthMax;
    return result;
}

}  // namespace

bool is_json_value(std::string_view text) noexcept {
    if (text.size() > kTextSizeMax) return false;
    json::basic_parser<AnyValue> parser{options()};
    return accepts(parser, text) && !parser.handler().top_null;
}

bool is_address(std::string_view text) noexcept {
    if (text.size() > kAddressSizeMax) return false;
    json::basic_parser<AddressReader> parser{options(), std::string_view{}};
    return accepts(parser, text);
}

std::optional<crypto::SecretBytes> find_address_part(std::string_view text, std::string_view part) {
    if (text.size() > kAddressSizeMax) return std::nullopt;
    json::basic_parser<AddressReader> parser{options(), part};
    if (!accepts(parser, text)) return std::nullopt;
    crypto::SecretBytes found = parser.handler().take_found();
    if (found.size() == 0) return std::nullopt;
    return found;
}

}  // namespace oubliette::policy
