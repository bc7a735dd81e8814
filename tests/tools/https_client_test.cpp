#include "tools/https_client.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>
#include <openssl/ssl.h>

#include "tests/tools/temp_folder.hpp"
#include "tools/vault_client.hpp"

using namespace oubliette;
using namespace oubliette::tools;
using Catch::Contains;

namespace {

// Makes key.pem and cert.pem, signed by itself for `names` ("DNS:localhost,IP:127.0.0.1").
void make_certificate(const TempFolder& folder, const std::string& names) {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=test -addext subjectAltName=" +
        names + " -keyout " + (folder / "key.pem") + " -out " + (folder / "cert.pem") +
        " 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);  // NOLINT(cert-env33-c): our own words only
}

// One TLS server on a port of its own that serves connections one after the other: for each it
// reads requests and writes the next of its answers; an empty answer means to hang up instead.
class Responder {
public:
    Responder(const TempFolder& folder, std::vector<std::string> answers,
              int tls_version_max = TLS1_3_VERSION)
        : answers_(std::move(answers)), context_(SSL_CTX_new(TLS_server_method())) {
        (void)std::signal(SIGPIPE, SIG_IGN);
        SSL_CTX_set_max_proto_version(context_, tls_version_max);
        REQUIRE(SSL_CTX_use_certificate_file(context_, (folder / "cert.pem").c_str(),
                                             SSL_FILETYPE_PEM) == 1);
        REQUIRE(SSL_CTX_use_PrivateKey_file(context_, (folder / "key.pem").c_str(),
                                            SSL_FILETYPE_PEM) == 1);
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const any = static_cast<sockaddr*>(static_cast<void*>(&address));
        REQUIRE(::bind(listener_, any, size) == 0);
        REQUIRE(::listen(listener_, 8) == 0);
        REQUIRE(::getsockname(listener_, any, &size) == 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~Responder() {
        is_over_ = true;
        thread_.join();
        (void)::close(listener_);
        SSL_CTX_free(context_);
    }
    Responder(const Responder&) = delete;
    Responder& operator=(const Responder&) = delete;

    [[nodiscard]] std::string url(const std::string& host = "127.0.0.1") const {
        return "https://" + host + ":" + std::to_string(port_);
    }
    [[nodiscard]] std::vector<std::string> requests() {
        const std::lock_guard lock(mutex_);
        return requests_;
    }
    [[nodiscard]] int connections() const { return connections_; }

private:
    void serve() {
        while (!is_over_) {
            pollfd wanted{listener_, POLLIN, 0};
            if (::poll(&wanted, 1, 20) <= 0) continue;
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            ++connections_;
            SSL* const ssl = SSL_new(context_);
            SSL_set_fd(ssl, fd);
            if (SSL_accept(ssl) == 1) talk(ssl, fd);
            SSL_free(ssl);
            (void)::close(fd);
        }
    }

    void talk(SSL* ssl, int fd) {
        std::string buffer;
        while (!is_over_) {
            pollfd wanted{fd, POLLIN, 0};
            if (SSL_pending(ssl) == 0 && ::poll(&wanted, 1, 20) <= 0) continue;
            char piece[4'096];
            const int got = SSL_read(ssl, piece, sizeof piece);
            if (got <= 0) return;
            buffer.append(piece, static_cast<std::size_t>(got));
            if (!is_whole(buffer)) continue;
            std::string answer;
            {
                const std::lock_guard lock(mutex_);
                requests_.push_back(std::exchange(buffer, {}));
                if (next_ < answers_.size()) answer = answers_[next_++];
            }
            if (answer.empty()) return;
            (void)SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
            if (answer.ends_with("<hang up>")) return;
        }
    }

    static bool is_whole(const std::string& request) {
        const std::size_t end = request.find("\r\n\r\n");
        if (end == std::string::npos) return false;
        const std::size_t at = request.find("Content-Length: ");
        if (at == std::string::npos) return true;
        return request.size() >= end + 4 + std::stoul(request.substr(at + 16));
    }

    std::vector<std::string> answers_;
    SSL_CTX* context_;
    int listener_ = -1;
    unsigned port_ = 0;
    std::atomic<bool> is_over_{false};
    std::atomic<int> connections_{0};
    std::mutex mutex_;
    std::vector<std::string> requests_;
    std::size_t next_ = 0;
    std::thread thread_;
};

std::string answer(const std::string& status, const std::string& body,
                   const std::string& type = "application/json") {
    return "HTTP/1.1 " + status + "\r\nContent-Type: " + type +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Bench {
    TempFolder folder;
    HttpsOptions options;

    explicit Bench(const std::string& names = "DNS:localhost,IP:127.0.0.1") {
        make_certificate(folder, names);
        options.ca_file = folder / "cert.pem";
        options.answer_timeout = std::chrono::milliseconds{5'000};
    }
    HttpsClient connect(const std::string& url) {
        options.url = url;
        return HttpsClient(options);
    }
};

HttpRequest post(const std::string& body) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/tokenize";
    request.body = body;
    return request;
}

HttpRequest get() {
    HttpRequest request;
    request.path = "/v1/status";
    return request;
}

}  // namespace

TEST_CASE("requests go over one connection and carry what they should", "[https]") {
    Bench bench;
    write_text(bench.folder / "key", "obk_test_key_1\n");
    REQUIRE(::chmod((bench.folder / "key").c_str(), 0600) == 0);
    bench.options.key_file = bench.folder / "key";
    Responder responder(bench.folder, {answer("200 OK", "{\"a\":1}"), answer("200 OK", "{}")});
    HttpsClient client = bench.connect(responder.url());
    HttpRequest request = post("{\"items\":[]}");
    request.idempotency_key = "k1";
    request.prefer = "wait=5";
    const HttpAnswer first = client.call(request);
    CHECK(first.status == 200);
    CHECK(first.body == "{\"a\":1}");
    CHECK(first.content_type == "application/json");
    CHECK(client.call(get()).body == "{}");
    CHECK(responder.connections() == 1);
    const auto requests = responder.requests();
    REQUIRE(requests.size() == 2);
    CHECK_THAT(requests[0], Catch::StartsWith("POST /v1/tokenize HTTP/1.1\r\n") &&
                                Contains("\r\nAuthorization: Bearer obk_test_key_1\r\n") &&
                                Contains("\r\nIdempotency-Key: k1\r\n") &&
                                Contains("\r\nPrefer: wait=5\r\n") &&
                                Catch::EndsWith("\r\n\r\n{\"items\":[]}"));
    CHECK_THAT(requests[1], Catch::StartsWith("GET /v1/status HTTP/1.1\r\n"));
}

TEST_CASE("host names are checked like addresses", "[https]") {
    SECTION("a certificate for both") {
        Bench bench;
        Responder responder(bench.folder, {answer("200 OK", "{}"), answer("200 OK", "{}")});
        HttpsClient by_name = bench.connect(responder.url("localhost"));
        CHECK(by_name.call(get()).status == 200);
    }
    SECTION("a certificate for another address") {
        Bench bench("DNS:localhost,IP:127.0.0.2");
        Responder responder(bench.folder, {});
        HttpsClient client = bench.connect(responder.url());
        CHECK_THROWS_WITH(client.call(get()), Contains("is not for '127.0.0.1'"));
        CHECK(responder.requests().empty());
    }
    SECTION("a certificate for another name") {
        Bench bench("DNS:vault.example.org,IP:127.0.0.1");
        Responder responder(bench.folder, {});
        HttpsClient client = bench.connect(responder.url("localhost"));
        CHECK_THROWS_WITH(client.call(get()), Contains("is not for 'localhost'"));
    }
}

TEST_CASE("a server that cannot prove itself gets no request", "[https]") {
    Bench bench;
    SECTION("signed by nobody we know") {
        Responder responder(bench.folder, {});
        bench.options.ca_file.clear();
        HttpsClient client = bench.connect(responder.url());
        CHECK_THROWS_WITH(client.call(get()), Contains("is not trusted") && Contains("--ca"));
        CHECK(responder.requests().empty());
    }
    SECTION("without TLS 1.3") {
        Responder responder(bench.folder, {}, TLS1_2_VERSION);
        HttpsClient client = bench.connect(responder.url());
        CHECK_THROWS_WITH(client.call(get()), Contains("no TLS 1.3"));
    }
    SECTION("nobody there") {
        std::string url;
        {
            const Responder responder(bench.folder, {});
            url = responder.url();
        }
        HttpsClient client = bench.connect(url);
        try {
            (void)client.call(get());
            FAIL("connected");
        } catch (const TransportError& error) {
            CHECK(error.arrival() == TransportError::Arrival::not_sent);
            CHECK(error.exit() == Exit::unreachable);
            CHECK_THAT(error.what(), Contains("oubliette serve"));
        }
    }
}

TEST_CASE("an idle connection that was closed is opened once more, if that does no harm",
          "[https]") {
    Bench bench;
    SECTION("a request that may be repeated") {
        Responder responder(bench.folder, {answer("200 OK", "1"), "", answer("200 OK", "2")});
        HttpsClient client = bench.connect(responder.url());
        CHECK(client.call(get()).body == "1");
        CHECK(client.call(get()).body == "2");
        CHECK(responder.connections() == 2);
    }
    SECTION("one that may not") {
        Responder responder(bench.folder, {answer("200 OK", "1"), "", answer("200 OK", "2")});
        HttpsClient client = bench.connect(responder.url());
        CHECK(client.call(get()).body == "1");
        CHECK_THROWS_AS(client.call(post("{}")), TransportError);
        CHECK(responder.requests().size() == 2);
    }
    SECTION("and not twice") {
        Responder responder(bench.folder, {answer("200 OK", "1"), "", ""});
        HttpsClient client = bench.connect(responder.url());
        CHECK(client.call(get()).body == "1");
        CHECK_THROWS_AS(client.call(get()), TransportError);
    }
    SECTION("nor on a new connection") {
        Responder responder(bench.folder, {""});
        HttpsClient client = bench.connect(responder.url());
        CHECK_THROWS_AS(client.call(get()), TransportError);
        CHECK(responder.requests().size() == 1);
    }
}

TEST_CASE("answers are taken whole or not at all", "[https]") {
    Bench bench;
    SECTION("chunked") {
        Responder responder(bench.folder, {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"});
        HttpsClient client = bench.connect(responder.url());
        CHECK(client.call(get()).body == "abcde");
    }
    SECTION("after an interim answer") {
        Responder responder(bench.folder,
                            {"HTTP/1.1 103 Early Hints\r\n\r\n" + answer("200 OK", "x")});
        HttpsClient client = bench.connect(responder.url());
        CHECK(client.call(get()).body == "x");
    }
    SECTION("cut off") {
        Responder responder(bench.folder,
                            {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<hang up>"});
        HttpsClient client = bench.connect(responder.url());
        CHECK_THROWS_WITH(client.call(get()), Contains("in the middle of an answer"));
    }
    SECTION("not HTTP") {
        Responder responder(bench.folder, {"SSH-2.0-OpenSSH_9.2\r\n\r\n"});
        HttpsClient client = bench.connect(responder.url());
        CHECK_THROWS_WITH(client.call(get()), Contains("is not HTTP/1.1"));
    }
    SECTION("at the limit and one byte over it") {
        bench.options.answer_size_max = 10;
        Responder responder(bench.folder, {answer("200 OK", std::string(10, 'x')),
                                           answer("200 OK", std::string(11, 'x'))});
        HttpsClient client = bench.connect(responder.url());
        CHECK(client.call(get()).body.size() == 10);
        CHECK_THROWS_WITH(client.call(get()), Contains("over the limit"));
    }
    SECTION("not in time") {
        bench.options.answer_timeout = std::chrono::milliseconds{100};
        Responder responder(bench.folder, {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"});
        HttpsClient client = bench.connect(responder.url());
        CHECK_THROWS_WITH(client.call(get()), Contains("did not answer in time"));
    }
}

TEST_CASE("a download goes to its sink, a refusal does not", "[https]") {
    Bench bench;
    const std::string content(300'000, 'z');
    Responder responder(bench.folder, {answer("200 OK", content),
                                       answer("403 Forbidden", "{\"code\":\"ROLE_DENIED\"}",
                                              "application/problem+json")});
    bench.options.answer_size_max = 1'000;  // not for downloads
    HttpsClient client = bench.connect(responder.url());
    std::string got;
    const auto sink = [&got](ByteView bytes) { got += text_of(bytes); };
    CHECK(client.download(post(""), sink).body.empty());
    CHECK(got == content);
    got.clear();
    const HttpAnswer refused = client.download(post(""), sink);
    CHECK(got.empty());
    CHECK(problem_code(refused) == "ROLE_DENIED");
}

TEST_CASE("a problem becomes one line with code, detail and remedy", "[https]") {
    HttpAnswer refused;
    refused.status = 403;
    refused.content_type = "application/problem+json";
    refused.body =
        R"({"status":403,"code":"ROLE_DENIED","detail":"needs auditor","request_id":"r7"})";
    try {
        expect_accepted(refused);
        FAIL("accepted");
    } catch (const CommandError& error) {
        CHECK(error.exit() == Exit::refused);
        CHECK_THAT(error.what(), Contains("403 ROLE_DENIED: needs auditor; ") && Contains("r7"));
    }
    refused.status = 503;
    refused.body = "<html>";
    CHECK_THROWS_WITH(expect_accepted(refused), "the vault answered 503");
}

TEST_CASE("what is given on the command line is checked before anything is sent", "[https]") {
    HttpsOptions options;
    for (const std::string url : {"http://localhost", "localhost:8443", "https://", "https://u@h",
                                  "https://h/x", "https://h?x", "nonsense"}) {
        INFO(url);
        options.url = url;
        CHECK_THROWS_AS(HttpsClient(options), CommandError);
    }
    for (const std::string url :
         {"https://localhost", "https://[::1]:1", "https://127.0.0.1:8443/"}) {
        INFO(url);
        options.url = url;
        CHECK_NOTHROW(HttpsClient(options));
    }
    const TempFolder folder;
    options.ca_file = folder / "none.pem";
    CHECK_THROWS_WITH(HttpsClient(options), Contains("CA file"));
    options.ca_file.clear();
    for (const std::string content : {"", "\n", "two words\n", "a\nb\n"}) {
        write_text(folder / "key", content);
        options.key_file = folder / "key";
        CHECK_THROWS_AS(HttpsClient(options), CommandError);
    }
    options.key_file = folder / "none";
    CHECK_THROWS_WITH(HttpsClient(options), Contains("No such file"));
}

TEST_CASE("path segments are encoded byte for byte", "[https]") {
    CHECK(percent_encode("c-1._~") == "c-1._~");
    CHECK(percent_encode("a/b c?é") == "a%2Fb%20c%3F%C3%A9");
}
