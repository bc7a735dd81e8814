#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/secret.hpp"

// What the handlers know of HTTP: a request that has passed framing, and one answer. No Beast, no
// TLS here; only server.cpp and client code see those.

namespace oubliette::api {

enum class Method : std::uint8_t { get, put, post, delete_ };

// One request, whole. The body is wiped when the exchange ends.
struct Request {
    Method method = Method::get;
    std::string path;    // "/v1/subjects/c-1", percent-decoded per segment is the router's work
    std::string query;   // after '?', raw
    std::string authorization;     // value of the header, wiped with the exchange
    std::string content_type;
    std::string idempotency_key;
    std::string prefer;
    std::string traceparent;
    std::string request_id;        // echoed from X-Request-Id (safe characters only) or made
    std::string client_san;        // "urn:oubliette:client:<id>" of a verified certificate, or empty
    crypto::SecretBytes body;
};

// A body that is made while it is sent. `read` fills `out` from the front and returns how many bytes
// it wrote; over all calls exactly `size`. It runs on the connection's loop and may block for a
// disk read; it may throw, then the connection is cut.
struct BodyStream {
    std::uint64_t size = 0;
    std::function<std::size_t(ByteSpan out)> read;  // empty: no stream
};

struct Response {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers;  // Retry-After, Allow, ...
    crypto::SecretBytes body;      // wiped after sending
    BodyStream stream;                                         // instead of `body`
};

// One request with its way back. respond() may be called once, from any thread, now or later; the
// server sends on the connection's own loop. If the exchange is dropped unanswered the server
// answers 500.
class Exchange {
public:
    virtual ~Exchange() = default;
    [[nodiscard]] virtual const Request& request() const noexcept = 0;
    virtual void respond(Response response) = 0;
};
using ExchangePtr = std::shared_ptr<Exchange>;

// Called on the connection's loop thread after the header passed the framing rules and before the
// body is read. Returns an answer to send at once (401, 413, 429, 503 ...: the connection closes if
// a body was announced), or nullopt to go on. `request.body` is empty, `body_size` is announced.
using HeaderGate = std::function<std::optional<Response>(const Request& request, std::size_t body_size)>;
using Handler = std::function<void(ExchangePtr exchange)>;

}  // namespace oubliette::api
