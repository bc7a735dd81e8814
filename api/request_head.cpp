#include "api/request_head.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace oubliette::api {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

std::string_view std_view(boost::beast::string_view text) {
    return {text.data(), text.size()};
}

// Beast joins folded lines, lets bytes above 0x7F pass and leaves some control bytes alone; each
// of them is read differently by some proxy.
bool is_clean_text(std::string_view bytes) noexcept {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        const auto byte = static_cast<unsigned char>(bytes[at]);
        if (byte >= 0x20 && byte < 0x7F) continue;
        if (byte == '\t') continue;
        if (byte != '\r' || at + 1 >= bytes.size() || bytes[at + 1] != '\n') return false;
        ++at;
        const bool folded =
            at + 1 < bytes.size() && (bytes[at + 1] == ' ' || bytes[at + 1] == '\t');
        if (folded) return false;
    }
    return true;
}

constexpr std::array<bool, 128> make_table(std::string_view letters) {
    std::array<bool, 128> table{};
    for (char letter = 'a'; letter <= 'z'; ++letter) table[static_cast<std::size_t>(letter)] = true;
    for (char letter = 'A'; letter <= 'Z'; ++letter) table[static_cast<std::size_t>(letter)] = true;
    for (char letter = '0'; letter <= '9'; ++letter) table[static_cast<std::size_t>(letter)] = true;
    for (const char letter : letters) table[static_cast<std::size_t>(letter)] = true;
    return table;
}
// RFC 3986: pchar and "/", without "%", which is checked with its digits.
constexpr auto kPathLetters = make_table("-._~!$&'()*+,;=:@/");
constexpr auto kQueryLetters = make_table("-._~!$&'()*+,;=:@/?");
constexpr auto kHostLetters = make_table("-._:[]");

bool is_in(const std::array<bool, 128>& table, char letter) noexcept {
    const auto index = static_cast<unsigned char>(letter);
    return index < 128 && table[index];
}

bool is_hex(char letter) noexcept {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') ||
           (letter >= 'A' && letter <= 'F');
}

bool is_encoded_text(std::string_view text, const std::array<bool, 128>& table) noexcept {
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (is_in(table, text[at])) continue;
        if (text[at] != '%' || at + 2 >= text.size()) return false;
        if (!is_hex(text[at + 1]) || !is_hex(text[at + 2])) return false;
        at += 2;
    }
    return true;
}

// "." and "..", also written %2e: a proxy may resolve them before its access rules, or after.
bool is_dot_segment(std::string_view segment) noexcept {
    std::size_t dots = 0;
    while (!segment.empty()) {
        const bool encoded = segment.size() >= 3 && segment[0] == '%' && segment[1] == '2' &&
                             (segment[2] == 'e' || segment[2] == 'E');
        if (segment[0] != '.' && !encoded) return false;
        segment.remove_prefix(encoded ? 3 : 1);
        ++dots;
    }
    return dots == 1 || dots == 2;
}

bool is_acceptable_path(std::string_view path) noexcept {
    if (path.empty() || path.front() != '/') return false;
    if (!is_encoded_text(path, kPathLetters)) return false;
    if (path.find("%00") != std::string_view::npos) return false;
    for (std::size_t from = 1; from <= path.size();) {
        const std::size_t end = std::min(path.find('/', from), path.size());
        if (is_dot_segment(path.substr(from, end - from))) return false;
        from = end + 1;
    }
    return true;
}

std::optional<Method> known_method(http::verb verb) noexcept {
    if (verb == http::verb::get) return Method::get;
    if (verb == http::verb::put) return Method::put;
    if (verb == http::verb::post) return Method::post;
    if (verb == http::verb::delete_) return Method::delete_;
    return std::nullopt;
}

bool has_body(Method method) noexcept {
    return method == Method::put || method == Method::post;
}

// Collects what the request says; judges once everything was seen.
class HeadParser final : public http::basic_parser<true> {
public:
    HeadParser() {
        header_limit(kHeadSizeMax);
        body_limit(boost::none);  // the server compares Content-Length with its own limit
    }

    [[nodiscard]] HeadError error_for(const error_code& code) const noexcept {
        if (transfer_encoding_ || code == http::error::bad_transfer_encoding) {
            return HeadError::not_implemented;
        }
        if (code == http::error::bad_version) return HeadError::version_unsupported;
        const bool length =
            code == http::error::bad_content_length || code == http::error::multiple_content_length;
        if (length && method_ && has_body(*method_)) return HeadError::length_required;
        if (code == http::error::header_limit) return HeadError::head_too_large;
        return HeadError::malformed;
    }

    [[nodiscard]] boost::system::result<RequestHead, HeadError> judge() {
        if (transfer_encoding_) return HeadError::not_implemented;
        if (version_ != 11) return HeadError::version_unsupported;
        if (!method_) return HeadError::not_implemented;
        if (field_count_ > kFieldCountMax) return HeadError::head_too_large;
        if (expect_) return HeadError::expectation_failed;
        if (host_count_ != 1 || repeated_ || !is_acceptable_path(head_.path)) {
            return HeadError::malformed;
        }
        if (!is_encoded_text(head_.query, kQueryLetters)) return HeadError::malformed;
        head_.method = *method_;
        head_.keep_alive = keep_alive();
        if (const auto wrong = judge_length()) return *wrong;
        return head_;
    }

private:
    std::optional<HeadError> judge_length() noexcept {
        std::size_t length = 0;
        const char* const end = length_text_.data() + length_text_.size();
        const auto parsed = std::from_chars(length_text_.data(), end, length);
        const bool digits = !length_text_.empty() && length_text_.front() != '-' &&
                            parsed.ptr == end && parsed.ec == std::errc{};
        if (has_body(*method_)) {
            if (length_count_ != 1 || !digits) return HeadError::length_required;
        } else if (length_count_ > 1 || (length_count_ == 1 && (!digits || length != 0))) {
            return HeadError::body_not_allowed;
        }
        head_.content_length = length;
        return std::nullopt;
    }

    void on_request_impl(http::verb verb, boost::beast::string_view /*method*/,
                         boost::beast::string_view target, int version,
                         error_code& /*code*/) override {
        method_ = known_method(verb);
        version_ = version;
        const std::string_view text = std_view(target);
        const std::size_t mark = text.find('?');
        head_.path = text.substr(0, mark);
        if (mark != std::string_view::npos) head_.query = text.substr(mark + 1);
    }

    void on_field_impl(http::field field, boost::beast::string_view name,
                       boost::beast::string_view text, error_code& /*code*/) override {
        ++field_count_;
        const std::string_view value = std_view(text);
        // The six fields below are the ones we look at; Beast's enumeration has four hundred.
        if (field == http::field::transfer_encoding) {
            transfer_encoding_ = true;
        } else if (field == http::field::expect) {
            expect_ = true;
        } else if (field == http::field::host) {
            ++host_count_;
            const auto valid = [](char letter) { return is_in(kHostLetters, letter); };
            if (value.empty() || !std::all_of(value.begin(), value.end(), valid)) host_count_ = 2;
        } else if (field == http::field::content_length) {
            ++length_count_;
            length_text_ = value;
        } else {
            keep(field, std_view(name), value);
        }
    }

    void keep(http::field field, std::string_view name, std::string_view value) {
        if (field == http::field::authorization) return set(head_.authorization, value);
        if (field == http::field::content_type) return set(head_.content_type, value);
        if (field == http::field::prefer) return set(head_.prefer, value);
        if (field != http::field::unknown) return;
        if (is_same(name, "idempotency-key")) return set(head_.idempotency_key, value);
        if (is_same(name, "traceparent")) return set(head_.traceparent, value);
        if (is_same(name, "x-request-id")) return set(head_.request_id, value);
    }

    void set(std::string_view& slot, std::string_view value) noexcept {
        // data() tells "seen and empty" from "not seen".
        if (slot.data() != nullptr) repeated_ = true;
        slot = value.data() == nullptr ? std::string_view{""} : value;
    }

    static bool is_same(std::string_view name, std::string_view lower) noexcept {
        const auto same = [](char a, char b) {
            return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
        };
        return std::equal(name.begin(), name.end(), lower.begin(), lower.end(), same);
    }

    void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(boost::beast::string_view body, error_code&) override {
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view body,
                                   error_code&) override {
        return body.size();
    }
    void on_finish_impl(error_code&) override {}

    RequestHead head_;
    std::optional<Method> method_;
    std::string_view length_text_;
    int version_ = 0;
    std::size_t field_count_ = 0;
    std::size_t host_count_ = 0;
    std::size_t length_count_ = 0;
    bool transfer_encoding_ = false;
    bool expect_ = false;
    bool repeated_ = false;
};

}  // namespace

std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t from) noexcept {
    const std::size_t start = from < 3 ? 0 : from - 3;  // the end may straddle two reads
    const std::size_t at = bytes.find("\r\n\r\n", start);
    if (at == std::string_view::npos) return std::nullopt;
    return at + 4;
}

boost::system::result<RequestHead, HeadError> parse_request_head(std::string_view bytes) {
    if (bytes.size() > kHeadSizeMax) return HeadError::head_too_large;
    if (!is_clean_text(bytes)) return HeadError::malformed;
    HeadParser parser;
    error_code code;
    const std::size_t used =
        parser.put(boost::asio::const_buffer{bytes.data(), bytes.size()}, code);
    if (code) return parser.error_for(code);
    if (!parser.is_header_done() || used != bytes.size()) return HeadError::malformed;
    return parser.judge();
}

}  // namespace oubliette::api
