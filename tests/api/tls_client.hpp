#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/server.hpp"

// A blocking TLS client that sends exactly the bytes it is given, and certificates made for one
// run. Test code only.

namespace oubliette::api::test {

// A directory with a CA, a server certificate and client certificates; removed at its end.
class TestCertificates {
public:
    TestCertificates();
    TestCertificates(const TestCertificates&) = delete;
    TestCertificates& operator=(const TestCertificates&) = delete;
    ~TestCertificates();

    struct ClientOptions {
        std::string san = "URI:urn:oubliette:client:c7";
        std::string extended_key_usage = "clientAuth";  // empty: no such extension
        std::string common_name = "nobody";
        bool foreign_ca = false;
    };
    // Writes NAME.pem and NAME.key.
    void make_client(const std::string& name, const ClientOptions& options) const;

    [[nodiscard]] TlsFiles server_files(bool with_client_ca) const;
    [[nodiscard]] std::filesystem::path path(const std::string& file) const {
        return directory_ / file;
    }

private:
    std::filesystem::path directory_;
};

struct Answer {
    unsigned status = 0;
    std::string head;  // status line and fields
    std::string body;
    [[nodiscard]] std::optional<std::string> field(std::string_view name) const;
};

struct ClientSetup {
    std::uint16_t port = 0;
    std::filesystem::path certificate;
    std::filesystem::path key;
    int protocol_max = 0;        // 0: as OpenSSL likes
    std::string source_address;  // "127.0.0.2"; empty: any
};

class TlsClient {
public:
    // Connects and shakes hands; is_connected() says whether that worked.
    explicit TlsClient(const ClientSetup& setup);
    explicit TlsClient(std::uint16_t port) : TlsClient{ClientSetup{port, {}, {}, 0, {}}} {}
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;
    ~TlsClient();

    [[nodiscard]] bool is_connected() const noexcept { return connected_; }
    // False if the peer is gone.
    bool send(std::string_view bytes);
    // The next answer, or nullopt if the connection ended or `wait` passed first.
    [[nodiscard]] std::optional<Answer> receive(
        std::chrono::milliseconds wait = std::chrono::seconds{20});
    // What has come, or comes next; nullopt at the end.
    [[nodiscard]] std::optional<std::string> receive_bytes();
    // True if the peer closes within `wait` and sends no byte before.
    [[nodiscard]] bool is_closed_by_peer(std::chrono::milliseconds wait = std::chrono::seconds{5});
    // True if the peer said close_notify before it closed (only after is_closed_by_peer).
    [[nodiscard]] bool was_closed_cleanly() const noexcept { return clean_end_; }

private:
    [[nodiscard]] bool fill(std::chrono::milliseconds wait);

    struct Session;
    std::unique_ptr<Session> session_;
    std::string input_;
    bool connected_ = false;
    bool clean_end_ = false;
};

}  // namespace oubliette::api::test
