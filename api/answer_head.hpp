#pragma once

#include <string_view>

#include "api/exchange.hpp"
#include "api/wiped_buffer.hpp"

// The bytes of an answer before its body. Thread-safe (no state).

namespace oubliette::api {

struct AnswerFrame {
    std::string_view request_id;
    std::string_view date;  // IMF-fixdate of RFC 9110
    bool keep_alive = true;
    bool is_chunked = false;  // instead of a Content-Length
};

// False if a field could break out of its line and write an answer of its own.
[[nodiscard]] bool has_safe_headers(const Response& response) noexcept;

// REQUIRES: has_safe_headers(response).
void append_answer_head(WipedBuffer& out, const Response& response, const AnswerFrame& frame);

}  // namespace oubliette::api
