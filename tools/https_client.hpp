#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "crypto/bytes.hpp"
#include "tools/cli.hpp"
#include "vault/function_ref.hpp"

// One HTTPS connection to a vault: TLS 1.3, HTTP/1.1, keep-alive, synchronous. The certificate must
// be signed by the given CA (the system's CAs if none is given) and name the host of the URL (DNS
// name or IP address); there is no switch to leave that out. One thread at a time per client; use
// one client per thread. The process must ignore SIGPIPE.

namespace oubliette::tools {

struct HttpsOptions {
    std::string url;       // "https://host[:port]", port 8443 if left out
    std::string ca_file;   // PEM; empty: the system's CAs
    std::string key_file;  // holds the API key and a newline; empty: no credential is sent
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds answer_timeout{120'000};    // whole request, then between two reads
    std::size_t answer_size_max = std::size_t{64} << 20;  // bytes; a download has no limit
};

enum class HttpMethod : std::uint8_t { get, put, post, delete_ };

struct HttpRequest {
    HttpMethod method = HttpMethod::get;
    std::string path;             // already percent-encoded, "/v1/status"
    std::string body;             // JSON, or empty
    std::string idempotency_key;  // header, or empty
    std::string prefer;           // header, or empty
    // The server would do nothing twice if it saw this request twice. GET, PUT, DELETE and requests
    // with an idempotency key are taken so without being told.
    bool is_repeatable = false;
};

struct HttpAnswer {
    unsigned status = 0;
    std::string content_type;
    unsigned retry_after_s = 0;  // header, 0 if absent
    std::string body;
};

// The server could not be reached, could not prove who it is, or went away. `may_have_arrived`
// says if the request can have been acted on.
class TransportError : public CommandError {
public:
    enum class Arrival : std::uint8_t { not_sent, may_have_arrived };
    TransportError(Arrival arrival, const std::string& what)
        : CommandError(Exit::unreachable, what), arrival_(arrival) {}
    [[nodiscard]] Arrival arrival() const noexcept { return arrival_; }

private:
    Arrival arrival_;
};

class HttpsClient {
public:
    // Reads the CA and the key file; does not connect yet.
    // Throws CommandError: usage (URL), input (unreadable or unusable CA or key file).
    explicit HttpsClient(const HttpsOptions& options);
    ~HttpsClient();
    HttpsClient(HttpsClient&&) noexcept;
    HttpsClient& operator=(HttpsClient&&) noexcept;
    HttpsClient(const HttpsClient&) = delete;
    HttpsClient& operator=(const HttpsClient&) = delete;

    // The answer, whatever its status. A connection that the server closed while it was idle is
    // opened once more, if the request may be repeated.
    // Throws TransportError; CommandError failed if the answer is not HTTP or over the size limit.
    [[nodiscard]] HttpAnswer call(const HttpRequest& request);

    // As call(), but the body of a 200 goes to `sink` piece by piece and is not kept. Never
    // repeated once `sink` was called. What `sink` throws passes through and ends the connection.
    [[nodiscard]] HttpAnswer download(const HttpRequest& request, FunctionRef<void(ByteView)> sink);

private:
    class Wire;
    std::unique_ptr<Wire> wire_;
};

// "segment" with every byte that is not unreserved (RFC 3986) percent-encoded.
[[nodiscard]] std::string percent_encode(std::string_view segment);

}  // namespace oubliette::tools
