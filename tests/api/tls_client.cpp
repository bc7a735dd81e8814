#include "tests/api/tls_client.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace oubliette::api::test {
namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;

void require(bool ok, const char* what) {
    if (!ok) throw std::runtime_error{what};
}

KeyPtr make_key() {
    KeyPtr key{EVP_EC_gen("P-256"), EVP_PKEY_free};
    require(key != nullptr, "cannot make a key");
    return key;
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
    if (value.empty()) return;
    X509V3_CTX context{};
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
    require(extension != nullptr, "bad extension");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

struct Subject {
    std::string common_name;
    std::string constraints;
    std::string usage;
    std::string san;
};

CertificatePtr make_certificate(EVP_PKEY* key, const Subject& subject, X509* issuer,
                                EVP_PKEY* issuer_key) {
    static long serial = 1;
    CertificatePtr certificate{X509_new(), X509_free};
    X509* const raw = certificate.get();
    X509_set_version(raw, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(raw), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(raw), -3600);
    X509_gmtime_adj(X509_getm_notAfter(raw), 24 * 3600);
    X509_set_pubkey(raw, key);
    X509_NAME* const name = X509_get_subject_name(raw);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, bytes_of(subject.common_name).data(), -1,
                               -1, 0);
    X509* const signer = issuer == nullptr ? raw : issuer;
    X509_set_issuer_name(raw, X509_get_subject_name(signer));
    add_extension(raw, signer, NID_basic_constraints, subject.constraints);
    add_extension(raw, signer, NID_ext_key_usage, subject.usage);
    add_extension(raw, signer, NID_subject_alt_name, subject.san);
    require(X509_sign(raw, issuer_key == nullptr ? key : issuer_key, EVP_sha256()) > 0,
            "cannot sign");
    return certificate;
}

void write_pem(const std::filesystem::path& path, X509* certificate, EVP_PKEY* key) {
    const std::unique_ptr<FILE, int (*)(FILE*)> file{std::fopen(path.c_str(), "w"), std::fclose};
    require(file != nullptr, "cannot write a PEM file");
    if (certificate != nullptr) PEM_write_X509(file.get(), certificate);
    if (key != nullptr)
        PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
}

template <class T, class Read>
T* read_pem(const std::filesystem::path& path, Read read) {
    const std::unique_ptr<FILE, int (*)(FILE*)> file{std::fopen(path.c_str(), "r"), std::fclose};
    require(file != nullptr, "cannot read a PEM file");
    return read(file.get(), nullptr, nullptr, nullptr);
}

void make_authority(const std::filesystem::path& directory, const std::string& name) {
    const KeyPtr key = make_key();
    const CertificatePtr certificate =
        make_certificate(key.get(), {name, "critical,CA:TRUE", "", ""}, nullptr, nullptr);
    write_pem(directory / (name + ".pem"), certificate.get(), nullptr);
    write_pem(directory / (name + ".key"), nullptr, key.get());
}

void make_leaf(const std::filesystem::path& directory, const std::string& name,
               const Subject& subject, const std::string& authority) {
    const CertificatePtr issuer{read_pem<X509>(directory / (authority + ".pem"), PEM_read_X509),
                                X509_free};
    const KeyPtr issuer_key{
        read_pem<EVP_PKEY>(directory / (authority + ".key"), PEM_read_PrivateKey), EVP_PKEY_free};
    const KeyPtr key = make_key();
    const CertificatePtr certificate =
        make_certificate(key.get(), subject, issuer.get(), issuer_key.get());
    write_pem(directory / (name + ".pem"), certificate.get(), nullptr);
    write_pem(directory / (name + ".key"), nullptr, key.get());
}

}  // namespace

TestCertificates::TestCertificates() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "oubliette-tls-XXXXXX").string();
    require(::mkdtemp(pattern.data()) != nullptr, "cannot make a directory");
    directory_ = pattern;
    make_authority(directory_, "ca");
    make_authority(directory_, "foreign");
    make_leaf(directory_, "server", {"localhost", "", "serverAuth", "DNS:localhost,IP:127.0.0.1"},
              "ca");
}

TestCertificates::~TestCertificates() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void TestCertificates::make_client(const std::string& name, const ClientOptions& options) const {
    make_leaf(directory_, name, {options.common_name, "", options.extended_key_usage, options.san},
              options.foreign_ca ? "foreign" : "ca");
}

TlsFiles TestCertificates::server_files(bool with_client_ca) const {
    return {path("server.pem"), path("server.key"),
            with_client_ca ? path("ca.pem") : std::filesystem::path{}};
}

std::optional<std::string> Answer::field(std::string_view name) const {
    const std::string line = "\r\n" + std::string{name} + ": ";
    const std::size_t at = head.find(line);
    if (at == std::string::npos) return std::nullopt;
    const std::size_t start = at + line.size();
    return head.substr(start, head.find("\r\n", start) - start);
}

struct TlsClient::Session {
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()),
                                                              SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
    int descriptor = -1;
    ~Session() {
        if (descriptor >= 0) ::close(descriptor);
    }
};

TlsClient::TlsClient(const ClientSetup& setup) : session_{std::make_unique<Session>()} {
    SSL_CTX* const context = session_->context.get();
    if (setup.protocol_max != 0) SSL_CTX_set_max_proto_version(context, setup.protocol_max);
    if (!setup.certificate.empty()) {
        SSL_CTX_use_certificate_file(context, setup.certificate.c_str(), SSL_FILETYPE_PEM);
        SSL_CTX_use_PrivateKey_file(context, setup.key.c_str(), SSL_FILETYPE_PEM);
    }
    session_->descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (!setup.source_address.empty()) {
        ::inet_pton(AF_INET, setup.source_address.c_str(), &address.sin_addr);
        ::bind(session_->descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    address.sin_port = htons(setup.port);
    if (::connect(session_->descriptor, reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) != 0) {
        return;
    }
    const timeval patience{20, 0};
    ::setsockopt(session_->descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    session_->ssl.reset(SSL_new(context));
    SSL_set_fd(session_->ssl.get(), session_->descriptor);
    connected_ = SSL_connect(session_->ssl.get()) == 1;
}

TlsClient::~TlsClient() = default;

bool TlsClient::send(std::string_view bytes) {
    while (connected_ && !bytes.empty()) {
        std::size_t moved = 0;
        if (SSL_write_ex(session_->ssl.get(), bytes.data(), bytes.size(), &moved) != 1)
            return false;
        bytes.remove_prefix(moved);
    }
    return connected_;
}

bool TlsClient::fill(std::chrono::milliseconds wait) {
    if (!connected_) return false;
    SSL* const ssl = session_->ssl.get();
    if (SSL_has_pending(ssl) == 0) {
        pollfd poll{session_->descriptor, POLLIN, 0};
        if (::poll(&poll, 1, static_cast<int>(wait.count())) != 1) return false;
    }
    std::array<char, 16384> chunk{};
    std::size_t read = 0;
    if (SSL_read_ex(ssl, chunk.data(), chunk.size(), &read) != 1) {
        clean_end_ = (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
        connected_ = false;
        return false;
    }
    input_.append(chunk.data(), read);
    return true;
}

std::optional<Answer> TlsClient::receive(std::chrono::milliseconds wait) {
    for (;;) {
        const std::size_t end = input_.find("\r\n\r\n");
        if (end != std::string::npos) {
            Answer answer;
            answer.head = input_.substr(0, end + 2);
            const std::size_t size = std::stoul(answer.field("Content-Length").value_or("0"));
            if (input_.size() >= end + 4 + size) {
                answer.status = static_cast<unsigned>(std::stoul(input_.substr(9, 3)));
                answer.body = input_.substr(end + 4, size);
                input_.erase(0, end + 4 + size);
                return answer;
            }
        }
        if (!fill(wait)) return std::nullopt;
    }
}

std::optional<std::string> TlsClient::receive_bytes() {
    if (input_.empty() && !fill(std::chrono::seconds{20})) return std::nullopt;
    return std::exchange(input_, {});
}

bool TlsClient::is_closed_by_peer(std::chrono::milliseconds wait) {
    while (connected_ && input_.empty()) {
        if (!fill(wait) && connected_) return false;  // nothing came: still open
    }
    return input_.empty();
}

}  // namespace oubliette::api::test
