#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/exchange.hpp"
#include "api/tls.hpp"

// The HTTPS front: TLS 1.3, strict HTTP/1.1 framing, limits, deadlines, graceful end. It knows
// nothing about routes or people. The contract on the wire is in api/README.md.

namespace oubliette::api {

// Every limit of the front in one place.
struct ServerLimits {
    std::size_t body_size_max = 4U * 1024 * 1024;     // bytes; one more is 413
    std::size_t connections_max = 10'000;             // all loops together
    std::size_t connections_per_address_max = 2'048;  // IPv6: per /64
    // A deadline is set once per phase and not moved by bytes, so that a slow drip ends too.
    std::chrono::milliseconds handshake{5'000};
    std::chrono::milliseconds header{10'000};
    std::chrono::milliseconds body{30'000};
    std::chrono::milliseconds write{30'000};
    std::chrono::milliseconds idle{60'000};
    std::chrono::milliseconds drain{10'000};  // stop() waits for answers no longer than this
};

struct ServerOptions {
    std::vector<std::string> listen{"127.0.0.1:8443"};  // "ADDRESS:PORT", "[::1]:8443"; 0 = any
    TlsFiles tls;
    unsigned threads = 0;  // event loops; 0: one per core
    ServerLimits limits;
};

struct ConnectionCounts {
    std::uint64_t open = 0;
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;  // over a limit, or no descriptor was left
    std::uint64_t handshake_failed = 0;
    std::uint64_t timed_out = 0;
    std::uint64_t requests = 0;  // heads that passed framing
    std::uint64_t framing_errors = 0;
};

// start() and stop() belong to one thread; the rest is thread-safe.
class Server {
public:
    // `gate` and `handler` are called on the loops' threads, at the same time on several. A Fault
    // or another exception that leaves them is answered as a problem.
    // Throws Fault: configuration, if the TLS files cannot be used or an address does not parse.
    Server(ServerOptions options, HeaderGate gate, Handler handler);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();  // stops

    // Listens and serves when it returns. Ignores SIGPIPE in the process from then on.
    // Throws Fault: configuration, "... in use; choose another with --listen".
    void start();

    // Stops accepting, closes idle connections, answers what is in flight, returns when all is
    // closed or after limits.drain. An exchange that is answered later is dropped.
    void stop();

    // The port of the first address. REQUIRES: started.
    [[nodiscard]] std::uint16_t bound_port() const noexcept;
    [[nodiscard]] ConnectionCounts counts() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace oubliette::api
