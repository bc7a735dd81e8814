#include "bench/load_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <exception>
#include <memory>
#include <mutex>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <openssl/ssl.h>

namespace oubliette::bench {
namespace {

constexpr std::size_t kReadSize = 32 * 1024;
constexpr int kWaitMs = 100;

struct SslDeleter {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, SslDeleter>;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error("load: " + what);
}

Context make_context(const Load& load) {
    Context context{SSL_CTX_new(TLS_client_method())};
    const bool is_ready =
        context && SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1 &&
        SSL_CTX_load_verify_locations(context.get(), load.ca.c_str(), nullptr) == 1;
    if (!is_ready) fail("TLS cannot be set up");
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

int connect_to(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* const to = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (socket < 0 || ::connect(socket, to, sizeof(address)) != 0) fail("cannot connect");
    const int on = 1;
    (void)::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return socket;
}

// The value of Content-Length in the head of an answer.
std::size_t body_size_of(std::string_view head) {
    constexpr std::string_view kField = "\r\nContent-Length: ";
    const std::size_t at = head.find(kField);
    if (at == std::string_view::npos) fail("an answer without Content-Length");
    std::size_t size = 0;
    const char* const digits = head.data() + at + kField.size();
    std::from_chars(digits, head.data() + head.size(), size);
    return size;
}

class Worker {
public:
    Worker(const Load& load, SSL_CTX* context, unsigned first, unsigned step)
        : load_(load), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
        for (unsigned number = first; number < load.connections; number += step) {
            connections_.push_back(std::make_unique<Connection>());
            open(*connections_.back(), context, number);
        }
    }
    ~Worker() {
        for (const auto& connection : connections_) ::close(connection->socket);
        ::close(poll_);
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void run(Clock::time_point end) {
        for (const auto& connection : connections_) begin(*connection);
        std::array<epoll_event, 64> events{};
        while (active_ > 0) {
            const int count = ::epoll_wait(poll_, events.data(), events.size(), kWaitMs);
            is_over_ = load_.duration.count() > 0 && Clock::now() >= end;
            for (int i = 0; i < count; ++i) {
                go_on(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
            }
        }
    }
    [[nodiscard]] const Samples& samples() const noexcept { return samples_; }

private:
    struct Connection {
        unsigned number = 0;
        int socket = -1;
        std::unique_ptr<SSL, SslDeleter> ssl;
        std::string out;
        std::size_t sent = 0;
        std::string in;
        std::size_t answer_size = 0;  // head and body; 0: not known yet
        std::size_t head_size = 0;
        Clock::time_point started;
        bool is_active = false;
    };

    void open(Connection& connection, SSL_CTX* context, unsigned number) const {
        connection.number = number;
        connection.socket = connect_to(load_.port);
        connection.ssl.reset(SSL_new(context));
        SSL_set_fd(connection.ssl.get(), connection.socket);
        (void)SSL_set1_host(connection.ssl.get(), "localhost");
        if (SSL_connect(connection.ssl.get()) != 1) fail("the TLS handshake failed");
        if (BIO_socket_nbio(connection.socket, 1) != 1) fail("a socket cannot be non-blocking");
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &connection;
        (void)::epoll_ctl(poll_, EPOLL_CTL_ADD, connection.socket, &event);
    }
    void begin(Connection& connection) {
        connection.out.clear();
        connection.sent = 0;
        connection.answer_size = 0;
        const bool was_active = connection.is_active;
        connection.is_active = !is_over_ && load_.next(connection.number, connection.out);
        if (connection.is_active != was_active) connection.is_active ? ++active_ : --active_;
        if (!connection.is_active) return;
        connection.started = Clock::now();
        send(connection);
    }

    void send(Connection& connection) const {
        while (connection.sent < connection.out.size()) {
            std::size_t written = 0;
            const int done =
                SSL_write_ex(connection.ssl.get(), connection.out.data() + connection.sent,
                             connection.out.size() - connection.sent, &written);
            if (done != 1) {
                if (SSL_get_error(connection.ssl.get(), done) != SSL_ERROR_WANT_WRITE) {
                    fail("the server closed a connection");
                }
                return watch(connection, EPOLLIN | EPOLLOUT);
            }
            connection.sent += written;
        }
    }

    void watch(Connection& connection, std::uint32_t what) const {
        epoll_event event{};
        event.events = what;
        event.data.ptr = &connection;
        (void)::epoll_ctl(poll_, EPOLL_CTL_MOD, connection.socket, &event);
    }

    void go_on(Connection& connection) {
        if (connection.sent < connection.out.size()) {
            watch(connection, EPOLLIN);
            send(connection);
        }
        for (;;) {
            const std::size_t before = connection.in.size();
            connection.in.resize(before + kReadSize);
            std::size_t got = 0;
            const int done =
                SSL_read_ex(connection.ssl.get(), connection.in.data() + before, kReadSize, &got);
            connection.in.resize(before + got);
            if (done == 1) {
                take_answer(connection);
                continue;
            }
            const int error = SSL_get_error(connection.ssl.get(), done);
            if (error == SSL_ERROR_WANT_READ) return;
            fail("the server closed a connection (" + std::to_string(error) + ") after " +
                 std::to_string(samples_.count()) + " answers" +
                 (connection.is_active ? ", one was due" : ""));
        }
    }

    void take_answer(Connection& connection) {
        if (connection.answer_size == 0) {
            const std::size_t end = connection.in.find("\r\n\r\n");
            if (end == std::string::npos) return;
            connection.head_size = end + 4;
            const std::string_view head{connection.in.data(), connection.head_size};
            connection.answer_size = connection.head_size + body_size_of(head);
        }
        if (connection.in.size() < connection.answer_size) return;
        samples_.record(Clock::now() - connection.started);
        const std::string_view answer{connection.in.data(), connection.answer_size};
        if (!answer.starts_with("HTTP/1.1 200")) fail("an answer was " + std::string{answer});
        if (load_.answered) {
            load_.answered(connection.number, answer.substr(connection.head_size));
        }
        connection.in.clear();
        begin(connection);
    }

    const Load& load_;
    int poll_;
    std::vector<std::unique_ptr<Connection>> connections_;
    Samples samples_;
    std::size_t active_ = 0;
    bool is_over_ = false;
};

void append_head(std::string& out, std::string_view method, std::string_view path) {
    out.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n");
}

}  // namespace

LoadOutcome run_load(const Load& load) {
    const Context context = make_context(load);
    std::vector<std::unique_ptr<Worker>> workers;
    const unsigned threads = std::min(load.threads, load.connections);
    for (unsigned t = 0; t < threads; ++t) {
        workers.push_back(std::make_unique<Worker>(load, context.get(), t, threads));
    }
    std::exception_ptr failure;
    std::mutex mutex;
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(load.duration);
    std::vector<std::thread> running;
    for (const auto& worker : workers) {
        running.emplace_back([&, &each = *worker] {
            try {
                each.run(end);
            } catch (...) {
                const std::lock_guard lock{mutex};
                failure = std::current_exception();
            }
        });
    }
    for (std::thread& thread : running) thread.join();
    if (failure) std::rethrow_exception(failure);
    LoadOutcome outcome;
    outcome.elapsed = Clock::now() - start;
    for (const auto& worker : workers) outcome.samples.add(worker->samples());
    return outcome;
}

void append_get(std::string& out, std::string_view path) {
    append_head(out, "GET", path);
    out.append("\r\n");
}

void append_post(std::string& out, std::string_view path, std::string_view key,
                 std::string_view body) {
    append_head(out, "POST", path);
    out.append("Authorization: Bearer ").append(key);
    out.append("\r\nContent-Type: application/json\r\nContent-Length: ");
    out.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
}

}  // namespace oubliette::bench
