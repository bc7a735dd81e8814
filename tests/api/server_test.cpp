#include <atomic>
#include <fcntl.h>
#include <mutex>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <openssl/ssl.h>

#include "tests/api/echo_server.hpp"
#include "vault/result.hpp"

using namespace oubliette;
using namespace oubliette::api;
using namespace oubliette::api::test;
using namespace std::chrono_literals;

namespace {

const std::string kGet = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";

std::string post(const std::string& body, const std::string& fields = "") {
    return "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n" + fields + "\r\n" + body;
}

// Holds exchanges until the test lets them go.
struct Held {
    std::mutex mutex;
    std::vector<ExchangePtr> exchanges;

    [[nodiscard]] Handler handler() {
        return [this](ExchangePtr exchange) {
            const std::lock_guard lock{mutex};
            exchanges.push_back(std::move(exchange));
        };
    }
    ExchangePtr wait() {
        for (;;) {
            {
                const std::lock_guard lock{mutex};
                if (!exchanges.empty()) {
                    ExchangePtr exchange = std::move(exchanges.back());
                    exchanges.pop_back();
                    return exchange;
                }
            }
            std::this_thread::sleep_for(1ms);
        }
    }
};

ServerLimits hasty_limits() {
    ServerLimits limits;
    limits.handshake = limits.header = limits.body = limits.write = limits.idle = 300ms;
    limits.drain = 500ms;
    return limits;
}

}  // namespace

TEST_CASE("one connection carries 200 requests, each answered with its own body", "[api][server]") {
    const RunningServer running;
    TlsClient client{running.port()};
    REQUIRE(client.is_connected());
    for (int i = 0; i < 200; ++i) {
        const std::string body(static_cast<std::size_t>(i * 37), static_cast<char>('a' + i % 26));
        client.send(i == 0 ? kGet : post(body));
        const auto answer = client.receive();
        REQUIRE(answer);
        CHECK(answer->status == 200);
        CHECK(answer->body == (i == 0 ? "/livez" : body));
    }
    CHECK(running.server.counts().accepted == 1);
    CHECK(running.server.counts().requests == 200);
}

TEST_CASE("every answer forbids caching and names its request", "[api][server]") {
    const RunningServer running;
    TlsClient client{running.port()};
    client.send("GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc-1._\r\n\r\n");
    const Answer named = client.receive().value();
    CHECK(named.field("X-Request-Id") == "abc-1._");
    CHECK(named.field("Cache-Control") == "no-store");
    CHECK(named.field("Strict-Transport-Security"));
    CHECK(named.field("X-Content-Type-Options") == "nosniff");
    CHECK(named.field("Content-Length") == "6");
    CHECK_FALSE(named.field("Server"));
    client.send("GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: <script>\r\n\r\n");
    const Answer made = client.receive().value();
    CHECK(made.field("X-Request-Id")->size() == 24);
}

TEST_CASE("pipelined requests are answered in order", "[api][server]") {
    const RunningServer running;
    TlsClient client{running.port()};
    std::string bytes;
    for (int i = 0; i < 300; ++i) bytes += post("body " + std::to_string(i));
    client.send(bytes);
    for (int i = 0; i < 300; ++i) {
        REQUIRE(client.receive().value().body == "body " + std::to_string(i));
    }
}

TEST_CASE("a large body comes back whole", "[api][server]") {
    const RunningServer running;
    TlsClient client{running.port()};
    std::string body(4U * 1024 * 1024, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 7);
    std::thread writer{[&] { client.send(post(body)); }};
    writer.join();
    CHECK(client.receive().value().body == body);
    client.send(post(body + "x").substr(0, 100));
    CHECK(client.receive().value().status == 413);
    CHECK(client.is_closed_by_peer());
}

TEST_CASE("Connection: close is obeyed", "[api][server]") {
    const RunningServer running;
    TlsClient client{running.port()};
    client.send("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + kGet);
    CHECK(client.receive().value().field("Connection") == "close");
    CHECK(client.is_closed_by_peer());
    CHECK(client.was_closed_cleanly());
}

TEST_CASE("the gate answers before the body and the connection closes", "[api][server]") {
    std::atomic<std::size_t> announced{0};
    std::atomic<int> handled{0};
    const HeaderGate gate = [&](const Request& request,
                                std::size_t size) -> std::optional<Response> {
        announced = size;
        CHECK(request.body.size() == 0);
        if (request.authorization == "Bearer good") return std::nullopt;
        Response response = text_response("no");
        response.status = 401;
        return response;
    };
    const RunningServer running{[&](const ExchangePtr& exchange) {
                                    ++handled;
                                    echo(exchange);
                                },
                                gate};
    TlsClient client{running.port()};
    SECTION("a body was announced") {
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        CHECK(client.receive().value().status == 401);
        CHECK(client.is_closed_by_peer());
        CHECK(announced == 100'000);
        CHECK(handled == 0);
    }
    SECTION("no body was announced: the connection stays") {
        client.send(kGet);
        CHECK(client.receive().value().status == 401);
        client.send("GET /y HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n");
        CHECK(client.receive().value().body == "/y");
    }
}

TEST_CASE("an exchange may be answered later from another thread", "[api][server]") {
    std::vector<std::thread> threads;
    std::mutex mutex;
    {
        RunningServer running{[&](ExchangePtr exchange) {
            const std::lock_guard lock{mutex};
            threads.emplace_back([exchange = std::move(exchange)] { echo(exchange); });
        }};
        std::vector<std::thread> clients;
        for (int c = 0; c < 4; ++c) {
            clients.emplace_back([&running, c] {
                TlsClient client{running.port()};
                for (int i = 0; i < 50; ++i) {
                    const std::string body = std::to_string(c) + ":" + std::to_string(i);
                    client.send(post(body));
                    const auto answer = client.receive();
                    if (!answer || answer->body != body) std::abort();
                }
            });
        }
        for (std::thread& client : clients) client.join();
        CHECK(running.server.counts().requests == 200);
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_CASE("an exchange that is dropped or whose handler throws is answered", "[api][server]") {
    const RunningServer running{[](const ExchangePtr& exchange) {
        const std::string& path = exchange->request().path;
        if (path == "/fault") throw Fault{FaultKind::storage_full, "secret detail"};
        if (path == "/corrupt") throw Fault{FaultKind::corrupt, "secret detail"};
        if (path == "/throw") throw std::runtime_error{"secret detail"};
        if (path == "/split") {
            Response response = text_response("x");
            response.headers.emplace_back("X-A", "b\r\nX-Injected: c");
            exchange->respond(std::move(response));
        }
    }};
    const auto ask = [&](const std::string& path) {
        TlsClient client{running.port()};
        client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
        return client.receive().value();
    };
    CHECK(ask("/drop").status == 500);
    CHECK(ask("/fault").status == 503);
    CHECK(ask("/fault").body.find("STORAGE_FULL") != std::string::npos);
    CHECK(ask("/fault").body.find("secret") == std::string::npos);
    CHECK(ask("/corrupt").body.find("INTEGRITY") != std::string::npos);
    CHECK(ask("/throw").status == 500);
    CHECK(ask("/throw").body.find("secret") == std::string::npos);
    CHECK(ask("/split").status == 500);
    CHECK_FALSE(ask("/split").field("X-Injected"));
}

TEST_CASE("slow peers are cut", "[api][server]") {
    const RunningServer running{echo, let_pass, hasty_limits()};
    SECTION("who never shake hands") {
        const int peer = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(running.port());
        REQUIRE(::connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        char byte = 0;
        CHECK(::recv(peer, &byte, 1, 0) == 0);
        ::close(peer);
        CHECK(running.server.counts().timed_out == 1);
    }
    SECTION("in the header, also if they drip") {
        TlsClient client{running.port()};
        client.send("GET /x HTTP/1.1\r\n");
        std::thread drip{[&] {
            for (int i = 0; i < 20 && client.send("A: b\r\n"); ++i)
                std::this_thread::sleep_for(50ms);
        }};
        drip.join();
        const auto answer = client.receive();
        if (answer) CHECK(answer->status == 408);
        CHECK(client.is_closed_by_peer());
        CHECK(running.server.counts().timed_out == 1);
    }
    SECTION("in the body") {
        TlsClient client{running.port()};
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
        CHECK(client.receive().value().status == 408);
        CHECK(client.is_closed_by_peer());
    }
    SECTION("between two requests") {
        TlsClient client{running.port()};
        client.send(kGet);
        CHECK(client.receive().value().status == 200);
        CHECK(client.is_closed_by_peer());
        CHECK(client.was_closed_cleanly());
    }
    SECTION("who do not read their answer") {
        TlsClient client{running.port()};
        for (int i = 0; i < 8; ++i) client.send(post(std::string(3'000'000, 'x')));
        std::this_thread::sleep_for(1s);
        CHECK(running.server.counts().open == 0);
    }
}

TEST_CASE("a body that ends early is no request", "[api][server]") {
    std::atomic<int> handled{0};
    const RunningServer running{[&](const ExchangePtr& exchange) {
        ++handled;
        echo(exchange);
    }};
    {
        TlsClient client{running.port()};
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    }
    while (running.server.counts().open > 0) std::this_thread::sleep_for(1ms);
    CHECK(handled == 0);
}

TEST_CASE("connections are limited in all and per address", "[api][server]") {
    ServerLimits limits;
    limits.connections_max = 3;
    limits.connections_per_address_max = 2;
    const RunningServer running{echo, let_pass, limits};
    const auto from = [&](const char* address) {
        return std::make_unique<TlsClient>(ClientSetup{running.port(), {}, {}, 0, address});
    };
    auto first = from("127.0.0.1");
    const auto second = from("127.0.0.1");
    CHECK(second->is_connected());
    CHECK_FALSE(from("127.0.0.1")->is_connected());
    const auto other = from("127.0.0.2");
    CHECK(other->is_connected());
    CHECK_FALSE(from("127.0.0.3")->is_connected());
    first.reset();
    while (running.server.counts().open > 2) std::this_thread::sleep_for(1ms);
    CHECK(from("127.0.0.3")->is_connected());
    CHECK(running.server.counts().refused == 2);
}

TEST_CASE("only TLS 1.3 is spoken", "[api][tls]") {
    const RunningServer running;
    CHECK_FALSE(TlsClient{ClientSetup{running.port(), {}, {}, TLS1_2_VERSION, {}}}.is_connected());
    CHECK(TlsClient{ClientSetup{running.port(), {}, {}, TLS1_3_VERSION, {}}}.is_connected());
    CHECK(running.server.counts().handshake_failed == 1);
}

TEST_CASE("a client certificate proves its SAN URI and nothing else", "[api][tls]") {
    const RunningServer running{
        [](const ExchangePtr& exchange) {
            exchange->respond(text_response("san=" + exchange->request().client_san));
        },
        let_pass, ServerLimits{}, true};
    const auto san_seen = [&](const TestCertificates::ClientOptions& options) {
        running.certificates.make_client("client", options);
        TlsClient client{ClientSetup{running.port(),
                                     running.certificates.path("client.pem"),
                                     running.certificates.path("client.key"),
                                     0,
                                     {}}};
        client.send(kGet);
        const auto answer = client.receive();
        return answer ? answer->body : std::string{"refused"};
    };
    CHECK(san_seen({}) == "san=urn:oubliette:client:c7");
    CHECK(san_seen({.san = "DNS:example.org", .common_name = "urn:oubliette:client:c7"}) == "san=");
    CHECK(san_seen({.san = "URI:urn:oubliette:client:c7,URI:urn:oubliette:client:c8"}) == "san=");
    CHECK(san_seen({.san = "URI:https://example.org/urn:oubliette:client:c7"}) == "san=");
    CHECK(san_seen({.extended_key_usage = "serverAuth"}) == "refused");
    CHECK(san_seen({.extended_key_usage = ""}) == "refused");
    CHECK(san_seen({.foreign_ca = true}) == "refused");
    TlsClient without{running.port()};
    without.send(kGet);
    CHECK(without.receive().value().body == "san=");
}

TEST_CASE("stop answers what is in flight, closes the idle and accepts no more", "[api][server]") {
    Held held;
    RunningServer running{held.handler()};
    const std::uint16_t port = running.port();
    TlsClient busy{port};
    TlsClient idle{port};
    busy.send(post("last words"));
    const ExchangePtr exchange = held.wait();
    std::thread stopping{[&] { running.server.stop(); }};
    CHECK(idle.is_closed_by_peer());
    echo(exchange);
    const Answer answer = busy.receive().value();
    CHECK(answer.body == "last words");
    CHECK(answer.field("Connection") == "close");
    CHECK(busy.is_closed_by_peer());
    stopping.join();
    CHECK_FALSE(TlsClient{port}.is_connected());
}

TEST_CASE("stop does not wait for ever, and a late answer does no harm", "[api][server]") {
    Held held;
    ServerLimits limits;
    limits.drain = 200ms;
    ExchangePtr late;
    ExchangePtr dropped;
    {
        RunningServer running{held.handler(), let_pass, limits};
        TlsClient client{running.port()};
        client.send(kGet);
        late = held.wait();
        TlsClient other{running.port()};
        other.send(kGet);
        dropped = held.wait();
        running.server.stop();
        CHECK(client.is_closed_by_peer());
    }
    echo(late);
    late.reset();
    dropped.reset();
}

TEST_CASE("a port in use is named with the remedy", "[api][server]") {
    const RunningServer running;
    ServerOptions options;
    options.listen = {"127.0.0.1:" + std::to_string(running.port())};
    options.tls = running.certificates.server_files(false);
    Server second{options, let_pass, echo};
    try {
        second.start();
        FAIL("two servers share a port");
    } catch (const Fault& fault) {
        CHECK(fault.kind() == FaultKind::configuration);
        CHECK(std::string{fault.what()}.find("is in use; choose another with --listen") !=
              std::string::npos);
    }
}

TEST_CASE("a server that cannot start says what to change", "[api][server]") {
    const TestCertificates certificates;
    ServerOptions options;
    options.tls = certificates.server_files(false);
    SECTION("an address that is none") {
        options.listen = {GENERATE("", "localhost", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                                   "127.0.0.1:65536", "::1:", ":8443", "[::1:8443")};
    }
    SECTION("no certificate") {
        options.tls.certificate = certificates.path("none.pem");
    }
    SECTION("a key of another certificate") {
        options.tls.key = certificates.path("ca.key");
    }
    SECTION("no client CA") {
        options.tls.client_ca = certificates.path("none.pem");
    }
    CHECK_THROWS_AS((Server{options, let_pass, echo}), Fault);
}

TEST_CASE("with no descriptor left the server hangs up and goes on later", "[api][server]") {
    const RunningServer running;
    TlsClient before{running.port()};
    REQUIRE(before.is_connected());
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit low{256, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
    std::vector<int> fillers;
    for (int fd = ::open("/dev/null", O_RDONLY); fd >= 0; fd = ::open("/dev/null", O_RDONLY)) {
        fillers.push_back(fd);
    }
    ::close(fillers.back());  // one descriptor, which the client's own socket takes
    fillers.pop_back();
    CHECK_FALSE(TlsClient{running.port()}.is_connected());
    before.send(kGet);
    CHECK(before.receive().value().status == 200);
    for (const int fd : fillers) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    CHECK(TlsClient{running.port()}.is_connected());
    CHECK(running.server.counts().refused >= 1);
}

TEST_CASE("a body of unknown size is streamed in chunks", "[api][server]") {
    std::vector<std::thread> threads;
    std::atomic<bool> was_stopped{false};
    {
        const RunningServer running{[&](const ExchangePtr& exchange) {
            threads.emplace_back([exchange, &was_stopped] {
                const auto stream = exchange->respond_stream(text_response(""));
                const std::string chunk(30'000, 'c');
                const std::string& path = exchange->request().path;
                const int count = path == "/endless" ? 1'000'000 : 100;
                bool open = true;
                for (int i = 0; i < count && open; ++i) open = stream->write(bytes_of(chunk));
                if (path == "/endless") was_stopped = !open;
                if (path == "/whole") stream->finish();
            });
        }};
        const auto ask = [&](TlsClient& client, const std::string& path) {
            client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
            return client.receive().value();
        };
        const auto drain = [](TlsClient& client) {
            std::string bytes;
            while (auto more = client.receive_bytes()) bytes += *more;
            return bytes;
        };
        TlsClient whole{running.port()};
        const Answer head = ask(whole, "/whole");
        CHECK(head.field("Transfer-Encoding") == "chunked");
        CHECK(head.field("Connection") == "close");
        CHECK_FALSE(head.field("Content-Length"));
        const std::string all = drain(whole);
        CHECK(all.size() == 100 * (4 + 2 + 30'000 + 2) + 5);
        CHECK(all.starts_with("7530\r\nccc"));
        CHECK(all.ends_with("ccc\r\n0\r\n\r\n"));
        CHECK(whole.was_closed_cleanly());

        TlsClient cut{running.port()};
        ask(cut, "/cut");
        CHECK_FALSE(drain(cut).ends_with("0\r\n\r\n"));
        CHECK_FALSE(cut.was_closed_cleanly());

        {
            TlsClient leaves{running.port()};
            ask(leaves, "/endless");
        }
        while (!was_stopped) std::this_thread::sleep_for(1ms);
    }
    for (std::thread& thread : threads) thread.join();
}
