#pragma once

#include <cstdint>
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
    std::string path;   // "/v1/subjects/c-1", percent-decoded per segment is the router's work
    std::string query;  // after '?', raw
    std::string authorization;  // value of the header, wiped with the exchange
    std::string content_type;
    std::string idempotency_key;
    std::string prefer;
    std::string traceparent;
    std::string request_id;  // echoed from X-Request-Id (safe characters only) or made
    std::string client_san;  // "urn:oubliette:client:<id>" of a verified certificate, or empty
    crypto::SecretBytes body;
};

struct Response {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers;  // Retry-After, Allow, ...
    crypto::SecretBytes body;                                  // wiped after sending
    bool is_immutable = false;  // the same bytes for ever and for everybody: caches may keep them
};

// The body of an answer whose size nobody knows yet (a backup). Used by one thread, which may wait
// and is not a loop's. Destroyed without finish(), it cuts the connection, so that the reader sees
// that the body is not whole.
class BodyStream {
public:
    virtual ~BodyStream() = default;
    // Waits until the chunk before is on its way. False: the reader is gone, nothing more is sent.
    [[nodiscard]] virtual bool write(ByteView chunk) = 0;
    virtual void finish() = 0;
};

// One request with its way back. respond() may be called once, from any thread, now or later; the
// server sends on the connection's own loop. If the exchange is dropped unanswered the server
// answers 500.
class Exchange {
public:
    virtual ~Exchange() = default;
    [[nodiscard]] virtual const Request& request() const noexcept = 0;
    virtual void respond(Response response) = 0;
    // Instead of respond(): sends the head now (its body is ignored) and the body as it comes.
    [[nodiscard]] virtual std::unique_ptr<BodyStream> respond_stream(Response head) = 0;
};
using ExchangePtr = std::shared_ptr<Exchange>;

// Called on the connection's loop thread after the header passed the framing rules and before the
// body is read. Returns an answer to send at once (401, 413, 429, 503 ...: the connection closes if
// a body was announced), or nullopt to go on. `request.body` is empty, `body_size` is announced.
using HeaderGate =
    std::function<std::optional<Response>(const Request& request, std::size_t body_size)>;
using Handler = std::function<void(ExchangePtr exchange)>;

}  // namespace oubliette::api
