#pragma once

#include <string>
#include <utility>

#include "api/server.hpp"
#include "tests/api/tls_client.hpp"

namespace oubliette::api::test {

inline Response text_response(std::string_view text) {
    Response response;
    response.content_type = "text/plain";
    response.body = crypto::SecretBytes{bytes_of(text)};
    return response;
}

// Answers the body that came, or the path of a request without one.
inline void echo(const ExchangePtr& exchange) {
    const Request& request = exchange->request();
    const std::string_view body = oubliette::text_of(request.body.expose());
    exchange->respond(text_response(body.empty() ? std::string_view{request.path} : body));
}

inline std::optional<Response> let_pass(const Request& /*request*/, std::size_t /*body_size*/) {
    return std::nullopt;
}

// A real server on a free port of the loopback, on two loops.
class RunningServer {
public:
    explicit RunningServer(Handler handler = echo, HeaderGate gate = let_pass,
                           ServerLimits limits = {}, bool with_client_ca = false)
        : server{options(limits, with_client_ca), std::move(gate), std::move(handler)} {
        server.start();
    }
    [[nodiscard]] std::uint16_t port() const { return server.bound_port(); }

    TestCertificates certificates;
    Server server;

private:
    [[nodiscard]] ServerOptions options(const ServerLimits& limits, bool with_client_ca) const {
        ServerOptions result;
        result.listen = {"127.0.0.1:0"};
        result.tls = certificates.server_files(with_client_ca);
        result.threads = 2;
        result.limits = limits;
        return result;
    }
};

}  // namespace oubliette::api::test
