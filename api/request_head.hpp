#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <boost/system/result.hpp>

#include "api/exchange.hpp"

// The strict reading of one HTTP/1.1 request head (RFC 9112). Boost.Beast's parser reads the
// grammar; what it tolerates and a proxy in front may read differently is refused here, so that
// there is exactly one way to cut the byte stream into requests. Thread-safe (no state).

namespace oubliette::api {

inline constexpr std::size_t kHeadSizeMax = 8192;  // bytes, request line to the empty line
inline constexpr std::size_t kFieldCountMax = 64;

// Why a head was refused. Each is answered once and the connection closes.
enum class HeadError : std::uint8_t {
    malformed,            // 400
    body_not_allowed,     // 400: GET or DELETE with a body
    length_required,      // 411
    expectation_failed,   // 417
    head_too_large,       // 431
    not_implemented,      // 501: a transfer coding or a method that we do not know
    version_unsupported,  // 505
};

// All views point into the parsed bytes.
struct RequestHead {
    Method method = Method::get;
    std::string_view path;
    std::string_view query;
    std::string_view authorization;
    std::string_view content_type;
    std::string_view idempotency_key;
    std::string_view prefer;
    std::string_view traceparent;
    std::string_view request_id;
    std::size_t content_length = 0;
    bool keep_alive = true;
};

// Size of the head at the front of `bytes`, its empty line included; nullopt if it is not whole
// yet. `from`: no end was found before this position in an earlier call.
[[nodiscard]] std::optional<std::size_t> find_head_end(std::string_view bytes,
                                                       std::size_t from) noexcept;

// Reads exactly one head. REQUIRES: `bytes` ends with the first empty line.
// Refuses: any Transfer-Encoding, Expect, a version other than 1.1, obs-fold, bare CR or LF, bytes
// outside printable ASCII, a target that is not origin-form, not one Host, more than
// kFieldCountMax fields, repeated fields that we read, a Content-Length that is not digits.
[[nodiscard]] boost::system::result<RequestHead, HeadError> parse_request_head(
    std::string_view bytes);

}  // namespace oubliette::api
