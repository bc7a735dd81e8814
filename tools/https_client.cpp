#include "tools/https_client.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/grammar/charset.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "crypto/secret.hpp"

namespace oubliette::tools {

namespace {

namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;
using Arrival = TransportError::Arrival;

constexpr std::size_t kKeyFileSizeMax = 4'096;      // bytes
constexpr std::size_t kReadSize = 64 * 1'024;       // bytes per read
constexpr std::size_t kHeaderSizeMax = 32 * 1'024;  // bytes; all header fields of one answer

struct SslContextFree {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct SslFree {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
struct AddressesFree {
    void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};

class Socket {
public:
    explicit Socket(int fd) noexcept : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        if (fd_ >= 0) (void)::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }

private:
    int fd_;
};

// False if `deadline` passed first.
bool wait_for(int fd, short events, Clock::time_point deadline) {
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd wanted{fd, events, 0};
        const int ready =
            ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) return true;  // the next call on the socket will say what is wrong
    }
}

// The first reason OpenSSL gives, and an empty queue.
std::string tls_words() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return reason == nullptr ? std::string("connection closed") : std::string(reason);
}

struct Target {
    std::string host;  // without brackets
    std::string port;
    std::string host_header;
    bool is_address = false;
};

Target parse_target(const std::string& url) {
    const auto wrong = [&url](const std::string& why) {
        return CommandError(Exit::usage, "'" + url + "' is not usable as --url: " + why +
                                             ", for example https://127.0.0.1:8443");
    };
    const auto parsed = boost::urls::parse_uri(url);
    if (!parsed) throw wrong("it is not a URL");
    if (parsed->scheme() != "https") throw wrong("only https is spoken");
    if (parsed->has_userinfo()) throw wrong("no user or password belongs there");
    if (parsed->has_query() || parsed->has_fragment() ||
        (!parsed->encoded_path().empty() && parsed->encoded_path() != "/")) {
        throw wrong("give scheme, host and port only");
    }
    Target target;
    target.host = parsed->host_address();
    if (target.host.empty()) throw wrong("the host is missing");
    target.port = parsed->has_port() ? std::string(parsed->port()) : "8443";
    target.host_header = std::string(parsed->encoded_host()) + ":" + target.port;
    target.is_address = parsed->host_type() != boost::urls::host_type::name;
    return target;
}

// "Authorization: Bearer <key>\r\n". The key never leaves SecretBytes except into the request.
crypto::SecretBytes read_authorization(const std::string& key_file) {
    const auto fail = [&key_file](const std::string& why) {
        return CommandError(Exit::input, "key file " + key_file + why);
    };
    const Socket file{::open(key_file.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) throw fail(system_words(errno));
    struct stat status {};
    static std::atomic_flag has_warned;  // once, however many connections are opened
    if (::fstat(file.get(), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0 &&
        !has_warned.test_and_set()) {
        say("warning: other users can read or change " + key_file + "; run: chmod 600 " + key_file);
    }
    crypto::SecretBytes content(kKeyFileSizeMax);
    const ssize_t got = ::read(file.get(), content.expose_mut().data(), kKeyFileSizeMax);
    if (got < 0) throw fail(system_words(errno));
    std::string_view key = text_of(content.expose().first(static_cast<std::size_t>(got)));
    while (key.ends_with('\n') || key.ends_with('\r')) key.remove_suffix(1);
    if (key.empty()) throw fail(" is empty: it must hold one API key");
    const bool is_one_word =
        std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (!is_one_word || static_cast<std::size_t>(got) == kKeyFileSizeMax) {
        throw fail(" does not hold one API key (obk_...) and a newline");
    }
    constexpr std::string_view kPrefix = "Authorization: Bearer ";
    crypto::SecretBytes line(kPrefix.size() + key.size() + 2);
    const auto out = std::copy(kPrefix.begin(), kPrefix.end(), line.expose_mut().begin());
    const auto end = std::copy(key.begin(), key.end(), out);
    end[0] = '\r';
    end[1] = '\n';
    return line;
}

std::unique_ptr<SSL_CTX, SslContextFree> make_context(const std::string& ca_file) {
    std::unique_ptr<SSL_CTX, SslContextFree> context{SSL_CTX_new(TLS_client_method())};
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
        throw CommandError(Exit::failed, "TLS 1.3 is not available: " + tls_words());
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    const int loaded = ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context.get())
                           : SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
    if (loaded != 1) {
        ERR_clear_error();
        throw CommandError(Exit::input, "CA file " + ca_file +
                                            " cannot be read as PEM certificates; give the ca.pem "
                                            "that init wrote");
    }
    return context;
}

// One answer. Beast does the framing; the body goes to `sink` if it is a 200 and there is one.
class AnswerParser : public http::basic_parser<false> {
public:
    AnswerParser(FunctionRef<void(ByteView)>* sink, std::size_t body_size_max) : sink_(sink) {
        eager(true);
        header_limit(kHeaderSizeMax);
        if (sink_ == nullptr) {
            body_limit(body_size_max);
        } else {
            body_limit(boost::none);
        }
    }
    HttpAnswer answer;

private:
    using View = boost::beast::string_view;
    using Error = boost::beast::error_code;

    void on_request_impl(http::verb, View, View, int, Error&) override {}
    void on_response_impl(int code, View, int, Error&) override {
        answer.status = static_cast<unsigned>(code);
    }
    void on_field_impl(http::field name, View, View value, Error&) override {
        if (name == http::field::content_type) answer.content_type = std::string(value);
        if (name == http::field::retry_after) {
            (void)std::from_chars(value.data(), value.data() + value.size(), answer.retry_after_s);
        }
    }
    void on_header_impl(Error&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
    std::size_t on_body_impl(View body, Error&) override { return take(body); }
    void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, View body, Error&) override { return take(body); }
    void on_finish_impl(Error&) override {}

    std::size_t take(View body) {
        if (sink_ != nullptr && answer.status == 200) {
            (*sink_)(bytes_of({body.data(), body.size()}));
        } else {
            answer.body.append(body.data(), body.size());
        }
        return body.size();
    }

    FunctionRef<void(ByteView)>* sink_;
};

std::string_view method_name(HttpMethod method) {
    switch (method) {
    case HttpMethod::get: return "GET";
    case HttpMethod::put: return "PUT";
    case HttpMethod::post: return "POST";
    case HttpMethod::delete_: return "DELETE";
    }
    return "GET";
}

bool may_repeat(const HttpRequest& request) {
    return request.is_repeatable || request.method != HttpMethod::post ||
           !request.idempotency_key.empty();
}

}  // namespace

class HttpsClient::Wire {
public:
    explicit Wire(const HttpsOptions& options)
        : options_(options),
          target_(parse_target(options.url)),
          context_(make_context(options.ca_file)) {
        if (!options.key_file.empty()) authorization_ = read_authorization(options.key_file);
    }
    ~Wire() { disconnect(); }
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    HttpAnswer exchange(const HttpRequest& request, FunctionRef<void(ByteView)>* sink) {
        const bool was_idle = ssl_ != nullptr;
        try {
            return attempt(request, sink);
        } catch (const Closed&) {
            disconnect();
            if (!was_idle || !may_repeat(request)) {
                throw TransportError(Arrival::may_have_arrived,
                                     "the server at " + target_.host_header +
                                         " closed the connection without an answer; look at its "
                                         "log and try again");
            }
        } catch (...) {
            disconnect();
            throw;
        }
        try {
            return attempt(request, sink);
        } catch (const Closed&) {
            disconnect();
            throw TransportError(Arrival::may_have_arrived,
                                 "the server at " + target_.host_header +
                                     " closed the connection twice; look at its log");
        } catch (...) {
            disconnect();
            throw;
        }
    }

private:
    // The peer ended the connection before the first byte of an answer.
    struct Closed {};

    HttpAnswer attempt(const HttpRequest& request, FunctionRef<void(ByteView)>* sink) {
        if (!ssl_) connect();
        deadline_ = Clock::now() + options_.answer_timeout;
        send_head(request);
        send(bytes_of(request.body));
        return receive(sink);
    }

    void connect() {
        deadline_ = Clock::now() + options_.connect_timeout;
        Socket socket = connect_tcp();
        std::unique_ptr<SSL, SslFree> ssl{SSL_new(context_.get())};
        if (!ssl || SSL_set_fd(ssl.get(), socket.get()) != 1) {
            throw CommandError(Exit::failed, "TLS cannot be started: " + tls_words());
        }
        X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl.get());
        X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        const bool is_named =
            target_.is_address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, target_.host.c_str()) == 1
                               : SSL_set1_host(ssl.get(), target_.host.c_str()) == 1 &&
                                     SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                              TLSEXT_NAMETYPE_host_name, target_.host.data()) == 1;
        if (!is_named) throw CommandError(Exit::usage, "host of --url cannot be checked");
        socket_ = std::move(socket);
        ssl_ = std::move(ssl);
        handshake();
    }

    Socket connect_tcp() {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_ADDRCONFIG;
        if (target_.is_address) hints.ai_flags = AI_NUMERICHOST;
        addrinfo* found = nullptr;
        const int status =
            ::getaddrinfo(target_.host.c_str(), target_.port.c_str(), &hints, &found);
        const std::unique_ptr<addrinfo, AddressesFree> addresses{found};
        if (status != 0) {
            throw TransportError(Arrival::not_sent, "host " + target_.host + " is not known: " +
                                                        ::gai_strerror(status) + "; check --url");
        }
        int why = ECONNREFUSED;
        for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
            Socket socket{::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
            if (socket.get() < 0) continue;
            why = connect_one(socket, *at);
            if (why == 0) return socket;
        }
        const std::string remedy = why == ECONNREFUSED ? "; is 'oubliette serve' running there?"
                                                       : "; check --url and the network";
        throw TransportError(Arrival::not_sent, "cannot connect to " + target_.host_header +
                                                    system_words(why) + remedy);
    }

    int connect_one(const Socket& socket, const addrinfo& address) {
        const int one = 1;
        (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
        if (errno != EINPROGRESS) return errno;
        if (!wait_for(socket.get(), POLLOUT, deadline_)) return ETIMEDOUT;
        int error = 0;
        socklen_t size = sizeof error;
        (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        return error;
    }

    void handshake() {
        for (;;) {
            ERR_clear_error();
            const int result = SSL_connect(ssl_.get());
            if (result == 1) return;
            const int error = SSL_get_error(ssl_.get(), result);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
                wait(error, Arrival::not_sent);
                continue;
            }
            fail_handshake();
        }
    }

    [[noreturn]] void fail_handshake() {
        const long verdict = SSL_get_verify_result(ssl_.get());
        const std::string where = target_.host_header;
        if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
            throw TransportError(Arrival::not_sent,
                                 "the certificate at " + where + " is not for '" + target_.host +
                                     "'; use in --url a name or address that it covers");
        }
        if (verdict != X509_V_OK) {
            throw TransportError(
                Arrival::not_sent,
                "the certificate at " + where + " is not trusted (" +
                    X509_verify_cert_error_string(verdict) +
                    "); give its CA with --ca FILE or OUBLIETTE_CA (init writes ca.pem)");
        }
        throw TransportError(Arrival::not_sent, "no TLS 1.3 with " + where + " (" + tls_words() +
                                                    "); is it the HTTPS port of a vault?");
    }

    void wait(int ssl_error, Arrival arrival) {
        const short events = ssl_error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        if (!wait_for(socket_.get(), events, deadline_)) {
            throw TransportError(arrival, "the server at " + target_.host_header +
                                              " did not answer in time; it may be overloaded, try "
                                              "again later");
        }
    }

    void send_head(const HttpRequest& request) {
        std::string head;
        head.append(method_name(request.method)).append(" ").append(request.path);
        head.append(" HTTP/1.1\r\nHost: ").append(target_.host_header);
        head.append("\r\nAccept: application/json, application/problem+json\r\n");
        if (!request.body.empty()) head += "Content-Type: application/json\r\n";
        if (request.method == HttpMethod::post || request.method == HttpMethod::put) {
            head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
        }
        if (!request.idempotency_key.empty()) {
            head += "Idempotency-Key: " + request.idempotency_key + "\r\n";
        }
        if (!request.prefer.empty()) head += "Prefer: " + request.prefer + "\r\n";
        send(bytes_of(head));
        send(authorization_.expose());
        send(bytes_of("\r\n"));
    }

    void send(ByteView bytes) {
        while (!bytes.empty()) {
            ERR_clear_error();
            std::size_t written = 0;
            const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
            if (result == 1) {
                bytes = bytes.subspan(written);
                continue;
            }
            const int error = SSL_get_error(ssl_.get(), result);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) throw Closed{};
            wait(error, Arrival::may_have_arrived);
        }
    }

    // Appends what arrived to `buffer`; false at the end of the stream.
    bool read_some(std::string& buffer) {
        const std::size_t size = buffer.size();
        buffer.resize(size + kReadSize);
        for (;;) {
            ERR_clear_error();
            std::size_t got = 0;
            const int result = SSL_read_ex(ssl_.get(), buffer.data() + size, kReadSize, &got);
            if (result == 1) {
                buffer.resize(size + got);
                return true;
            }
            const int error = SSL_get_error(ssl_.get(), result);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
                wait(error, Arrival::may_have_arrived);
                continue;
            }
            ERR_clear_error();
            buffer.resize(size);
            return false;
        }
    }

    HttpAnswer receive(FunctionRef<void(ByteView)>* sink) {
        std::optional<AnswerParser> parser{std::in_place, sink, options_.answer_size_max};
        std::string buffer;
        bool has_bytes = false;
        for (;;) {
            if (!read_some(buffer)) {
                if (!has_bytes) throw Closed{};
                throw TransportError(Arrival::may_have_arrived,
                                     "the server at " + target_.host_header +
                                         " closed the connection in the middle of an answer");
            }
            has_bytes = true;
            if (sink != nullptr) deadline_ = Clock::now() + options_.answer_timeout;
            parse(*parser, buffer);
            while (parser->is_done() && parser->answer.status < 200) {  // the answer is to come
                parser.emplace(sink, options_.answer_size_max);
                parse(*parser, buffer);
            }
            if (parser->is_done()) break;
        }
        HttpAnswer answer = std::move(parser->answer);
        // Bytes after the answer belong to no request of ours.
        if (!parser->keep_alive() || !buffer.empty()) disconnect();
        return answer;
    }

    void parse(AnswerParser& parser, std::string& buffer) {
        std::size_t used = 0;
        while (used < buffer.size() && !parser.is_done()) {
            boost::beast::error_code error;
            used += parser.put(
                boost::asio::const_buffer(buffer.data() + used, buffer.size() - used), error);
            if (error == http::error::need_more) break;
            if (error == http::error::body_limit) {
                throw CommandError(Exit::failed, "the answer of " + target_.host_header +
                                                     " is over the limit of this program");
            }
            if (error) {
                throw CommandError(Exit::failed, "the answer of " + target_.host_header +
                                                     " is not HTTP/1.1 (" + error.message() + ")");
            }
        }
        buffer.erase(0, used);
    }

    void disconnect() noexcept {
        if (ssl_) (void)SSL_shutdown(ssl_.get());
        ERR_clear_error();
        ssl_.reset();
        socket_ = Socket{-1};
    }

    HttpsOptions options_;
    Target target_;
    std::unique_ptr<SSL_CTX, SslContextFree> context_;
    crypto::SecretBytes authorization_;
    Socket socket_{-1};
    std::unique_ptr<SSL, SslFree> ssl_;
    Clock::time_point deadline_;
};

HttpsClient::HttpsClient(const HttpsOptions& options) : wire_(std::make_unique<Wire>(options)) {}
HttpsClient::~HttpsClient() = default;
HttpsClient::HttpsClient(HttpsClient&&) noexcept = default;
HttpsClient& HttpsClient::operator=(HttpsClient&&) noexcept = default;

HttpAnswer HttpsClient::call(const HttpRequest& request) {
    return wire_->exchange(request, nullptr);
}

HttpAnswer HttpsClient::download(const HttpRequest& request, FunctionRef<void(ByteView)> sink) {
    return wire_->exchange(request, &sink);
}

std::string percent_encode(std::string_view segment) {
    return boost::urls::encode(segment, boost::urls::unreserved_chars);
}

}  // namespace oubliette::tools
