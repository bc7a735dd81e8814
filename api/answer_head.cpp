#include "api/answer_head.hpp"

#include <algorithm>
#include <string>

namespace oubliette::api {
namespace {

std::string_view reason_of(unsigned status) noexcept {
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "";
    }
}

// A line break in a value that a handler took from data would let it write its own answer.
bool is_header_text(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char letter) {
        return static_cast<unsigned char>(letter) >= 0x20 && letter != 0x7F;
    });
}

}  // namespace

bool has_safe_headers(const Response& response) noexcept {
    return is_header_text(response.content_type) &&
           std::all_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
               return !header.first.empty() && is_header_text(header.first) &&
                      is_header_text(header.second);
           });
}

void append_answer_head(WipedBuffer& out, const Response& response, const AnswerFrame& frame) {
    out.append("HTTP/1.1 ");
    out.append(std::to_string(response.status));
    out.append(' ');
    out.append(reason_of(response.status));
    out.append("\r\nContent-Type: ");
    out.append(response.content_type);
    if (frame.is_chunked) {
        out.append("\r\nTransfer-Encoding: chunked");
    } else {
        out.append("\r\nContent-Length: ");
        out.append(std::to_string(response.body.size()));
    }
    out.append("\r\nDate: ");
    out.append(frame.date);
    out.append("\r\nX-Request-Id: ");
    out.append(frame.request_id);
    out.append(response.is_immutable ? "\r\nCache-Control: public, max-age=31536000, immutable"
                                     : "\r\nCache-Control: no-store");
    out.append(
        "\r\nStrict-Transport-Security: max-age=31536000"
        "\r\nX-Content-Type-Options: nosniff\r\n");
    for (const auto& [name, value] : response.headers) {
        out.append(name);
        out.append(": ");
        out.append(value);
        out.append("\r\n");
    }
    if (!frame.keep_alive) out.append("Connection: close\r\n");
    out.append("\r\n");
}

}  // namespace oubliette::api
