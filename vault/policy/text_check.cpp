#include "vault/policy/text_check.hpp"

#include <cstdint>
#include <limits>
#include <unicode/ustring.h>

namespace oubliette::policy {

namespace {

bool is_line_char(unsigned char c) noexcept {
    return c == '\n' || c == '\r' || c == '\t';
}

bool has_control(std::string_view text, bool lines_allowed) noexcept {
    unsigned char before = 0;
    for (const char raw : text) {
        const auto c = static_cast<unsigned char>(raw);
        const bool control = c < 0x20 || c == 0x7F || (before == 0xC2 && c < 0xA0);
        if (control && !(lines_allowed && is_line_char(c))) return true;
        before = c;
    }
    return false;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
        return false;
    }
    UErrorCode status = U_ZERO_ERROR;
    std::int32_t size = 0;
    // Only counts: no buffer, so no copy of the text.
    u_strFromUTF8(nullptr, 0, &size, text.data(), static_cast<std::int32_t>(text.size()), &status);
    return status == U_BUFFER_OVERFLOW_ERROR || status == U_ZERO_ERROR ||
           status == U_STRING_NOT_TERMINATED_WARNING;
}

bool has_no_control(std::string_view text) noexcept {
    return !has_control(text, false);
}

bool has_no_control_but_lines(std::string_view text) noexcept {
    return !has_control(text, true);
}

}  // namespace oubliette::policy
