#include "api/server.hpp"

#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>

#include "api/connection.hpp"
#include "vault/result.hpp"

namespace oubliette::api {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Acceptor = asio::basic_socket_acceptor<Tcp, asio::io_context::executor_type>;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr int kBacklog = 4096;

// "127.0.0.1:8443", "[::1]:8443".
Tcp::endpoint parse_listen(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    std::uint16_t port = 0;
    error_code error = asio::error::invalid_argument;
    asio::ip::address address;
    if (colon != std::string::npos && colon > 0) {
        std::string host = text.substr(0, colon);
        if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
            host = host.substr(1, host.size() - 2);
        }
        address = asio::ip::make_address(host, error);
        const char* const end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
        if (parsed.ec != std::errc{} || parsed.ptr != end) error = asio::error::invalid_argument;
    }
    if (error) {
        throw Fault{FaultKind::configuration,
                    "cannot listen on " + text + "; give ADDRESS:PORT, such as 127.0.0.1:8443"};
    }
    return {address, port};
}

// The unit that the limit per address counts. One IPv6 user commands a whole /64.
std::string tally_name(const asio::ip::address& address) {
    if (address.is_v4()) return address.to_string();
    auto bytes = address.to_v6().to_bytes();
    if (!address.to_v6().is_v4_mapped()) std::fill(bytes.begin() + 8, bytes.end(), 0);
    return asio::ip::address_v6{bytes}.to_string();
}

void set_reuse_port(Acceptor& acceptor) {
    const int on = 1;
    ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

// Accepts for one address on one loop.
class Listener : public std::enable_shared_from_this<Listener> {
public:
    explicit Listener(std::shared_ptr<Loop> loop)
        : loop_{std::move(loop)}, acceptor_{loop_->io}, pause_{loop_->io} {
        open_spare();
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { close_spare(); }

    // Several loops share one port; the first one must have it for itself, because two servers
    // of one user could otherwise share a port and split its clients.
    [[nodiscard]] Tcp::endpoint bind(const Tcp::endpoint& endpoint, bool is_first) {
        error_code error;
        acceptor_.open(endpoint.protocol(), error);
        if (!error) acceptor_.set_option(Acceptor::reuse_address{true}, error);
        if (!error && endpoint.address().is_v6()) {
            acceptor_.set_option(asio::ip::v6_only{true}, error);
        }
        if (!is_first) set_reuse_port(acceptor_);
        if (!error) acceptor_.bind(endpoint, error);
        if (is_first) set_reuse_port(acceptor_);
        if (!error) acceptor_.listen(kBacklog, error);
        if (error) refuse(endpoint, error);
        return acceptor_.local_endpoint();
    }

    void accept() {
        acceptor_.async_accept([self = shared_from_this()](const error_code& error, Socket peer) {
            self->on_accept(error, std::move(peer));
        });
    }

    void close() {
        asio::post(loop_->io, [self = shared_from_this()] {
            error_code ignored;
            self->acceptor_.close(ignored);
            self->pause_.cancel();
        });
    }

private:
    [[noreturn]] static void refuse(const Tcp::endpoint& endpoint, const error_code& error) {
        const std::string where =
            endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
        if (error == asio::error::address_in_use) {
            throw Fault{FaultKind::configuration,
                        where + " is in use; choose another with --listen"};
        }
        throw Fault{FaultKind::configuration, "cannot listen on " + where + ": " + error.message() +
                                                  "; choose another with --listen"};
    }

    void on_accept(const error_code& error, Socket peer) {
        if (!acceptor_.is_open()) return;
        if (!error) {
            admit(std::move(peer));
            return accept();
        }
        const bool is_short = error == asio::error::no_descriptors ||
                              error == error_code{ENFILE, boost::system::system_category()} ||
                              error == asio::error::no_buffer_space ||
                              error == asio::error::no_memory;
        if (!is_short) return accept();  // the peer gave up while it waited
        shed_one();
        // Without the pause the loop would spin, because the waiting connection stays readable.
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([self = shared_from_this()](const error_code&) {
            if (self->acceptor_.is_open()) self->accept();
        });
    }

    void admit(Socket peer) {
        error_code error;
        const auto remote = peer.remote_endpoint(error);
        if (error) return;
        peer.native_non_blocking(true, error);
        peer.set_option(Tcp::no_delay{true}, error);
        std::string name = tally_name(remote.address());
        if (!loop_->front->tally.admit(name, loop_->front->limits)) {
            loop_->counts.refused.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        loop_->counts.accepted.fetch_add(1, std::memory_order_relaxed);
        loop_->adopt(std::move(peer), std::move(name));
    }

    // With no descriptor left the waiting peer would hang: the spare one lets us hang up on it.
    void shed_one() noexcept {
        loop_->counts.refused.fetch_add(1, std::memory_order_relaxed);
        close_spare();
        const int peer =
            ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (peer >= 0) ::close(peer);
        open_spare();
    }
    void open_spare() noexcept { spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
    void close_spare() noexcept {
        if (spare_ >= 0) ::close(spare_);
        spare_ = -1;
    }

    const std::shared_ptr<Loop> loop_;
    Acceptor acceptor_;
    asio::steady_timer pause_;
    int spare_ = -1;
};

}  // namespace

struct Server::State {
    std::shared_ptr<Front> front = std::make_shared<Front>();
    std::vector<Tcp::endpoint> endpoints;
    std::vector<std::shared_ptr<Loop>> loops;
    std::vector<std::shared_ptr<Listener>> listeners;
    std::vector<std::thread> threads;
    std::uint16_t port = 0;
    bool stopped = false;
};

Server::Server(ServerOptions options, HeaderGate gate, Handler handler)
    : state_{std::make_unique<State>()} {
    for (const std::string& text : options.listen) state_->endpoints.push_back(parse_listen(text));
    if (state_->endpoints.empty()) {
        throw Fault{FaultKind::configuration, "no address to listen on; give --listen"};
    }
    Front& front = *state_->front;
    front.limits = options.limits;
    front.tls = make_server_context(options.tls);
    front.gate = std::move(gate);
    front.handler = std::move(handler);
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    const unsigned count = options.threads == 0 ? cores : options.threads;
    for (unsigned i = 0; i < count; ++i) {
        state_->loops.push_back(std::make_shared<Loop>(state_->front));
    }
}

Server::~Server() {
    stop();
}

void Server::start() {
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to the socket without MSG_NOSIGNAL
    for (const Tcp::endpoint& wanted : state_->endpoints) {
        Tcp::endpoint bound = wanted;
        for (std::size_t i = 0; i < state_->loops.size(); ++i) {
            auto listener = std::make_shared<Listener>(state_->loops[i]);
            bound = listener->bind(bound, i == 0);
            state_->listeners.push_back(std::move(listener));
        }
        if (state_->port == 0) state_->port = bound.port();
    }
    for (const auto& listener : state_->listeners) listener->accept();
    for (const auto& loop : state_->loops) {
        state_->threads.emplace_back([loop] { loop->run(); });
    }
}

void Server::stop() {
    if (std::exchange(state_->stopped, true)) return;
    state_->front->is_stopping = true;
    for (const auto& listener : state_->listeners) listener->close();
    if (state_->threads.empty()) {  // start() failed or was not called: nobody runs the loops
        for (const auto& loop : state_->loops) loop->io.poll();
    } else {
        for (const auto& loop : state_->loops) loop->start_draining();
    }
    for (std::thread& thread : state_->threads) thread.join();
    state_->listeners.clear();
}

std::uint16_t Server::bound_port() const noexcept {
    return state_->port;
}

ConnectionCounts Server::counts() const noexcept {
    ConnectionCounts sum;
    for (const auto& loop : state_->loops) {
        const AtomicCounts& counts = loop->counts;
        sum.open += counts.open;
        sum.accepted += counts.accepted;
        sum.refused += counts.refused;
        sum.handshake_failed += counts.handshake_failed;
        sum.timed_out += counts.timed_out;
        sum.requests += counts.requests;
        sum.framing_errors += counts.framing_errors;
    }
    return sum;
}

}  // namespace oubliette::api
