#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "crypto/bytes.hpp"

// TLS 1.3 over a connected, non-blocking socket. OpenSSL works on the descriptor itself (no memory
// BIO in between), so a request costs one read and an answer one write. OpenSSL stays in tls.cpp.
// A context may be shared between threads; a stream belongs to one thread at a time.

struct ssl_st;
struct ssl_ctx_st;

namespace oubliette::api {

struct TlsFiles {
    std::filesystem::path certificate;  // PEM: leaf first, then its chain
    std::filesystem::path key;          // PEM, not encrypted
    std::filesystem::path client_ca;    // PEM; empty: client certificates are not asked for
};

using TlsContext = std::shared_ptr<ssl_ctx_st>;

// TLS 1.3 only, no tickets, no resumption, no early data, no compression. A client certificate is
// asked for if client_ca is set, and never demanded: an API key may stand in for it.
// Throws Fault: configuration, naming the file and the remedy.
[[nodiscard]] TlsContext make_server_context(const TlsFiles& files);

// `done`: the operation moved on. `want_*`: wait for the socket, then call again with the same
// arguments. `closed`: the peer said close_notify. `failed`: the connection is of no use any more,
// also when it ended without close_notify.
enum class TlsStatus : std::uint8_t { done, want_read, want_write, closed, failed };

class TlsStream {
public:
    // REQUIRES: `descriptor` stays open and non-blocking as long as the stream lives; SIGPIPE is
    // ignored in this process.
    TlsStream(const TlsContext& context, int descriptor);

    [[nodiscard]] TlsStatus handshake() noexcept;
    // `count` bytes were moved, if `done`.
    [[nodiscard]] TlsStatus read(ByteSpan out, std::size_t& count) noexcept;
    [[nodiscard]] TlsStatus write(ByteView bytes, std::size_t& count) noexcept;
    // True if bytes of the peer wait inside OpenSSL, where the socket does not show them.
    [[nodiscard]] bool has_pending() const noexcept;
    // Says close_notify, once and without waiting.
    void shutdown() noexcept;

    // "urn:oubliette:client:<id>" if the peer proved a certificate with EKU clientAuth and exactly
    // this one SAN URI of ours, else empty. Never the common name.
    [[nodiscard]] std::string client_san() const;

private:
    struct Deleter {
        void operator()(ssl_st* session) const noexcept;
    };
    std::unique_ptr<ssl_st, Deleter> session_;
};

// Makes OpenSSL wipe every block that it frees. REQUIRES: called before the first use of OpenSSL
// in the process; throws Fault: configuration otherwise.
void use_wiping_allocators_in_openssl();

}  // namespace oubliette::api
