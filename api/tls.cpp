#include "api/tls.hpp"

#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <string_view>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "vault/result.hpp"

namespace oubliette::api {
namespace {

constexpr std::string_view kClientUrn = "urn:oubliette:client:";
constexpr std::size_t kClientUrnSizeMax = 128;
constexpr int kChainDepthMax = 2;

[[noreturn]] void refuse_start(const std::string& what) {
    ERR_clear_error();  // its text holds paths and is of no use to the reader
    throw Fault{FaultKind::configuration, what};
}

bool allows_client_auth(X509* certificate) noexcept {
    // Without the extension a certificate is good for everything: that is not enough here.
    return (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0 &&
           (X509_get_extended_key_usage(certificate) & XKU_SSL_CLIENT) != 0;
}

int verify_certificate(int chain_is_valid, X509_STORE_CTX* store) noexcept {
    if (chain_is_valid == 0 || X509_STORE_CTX_get_error_depth(store) != 0) return chain_is_valid;
    if (allows_client_auth(X509_STORE_CTX_get_current_cert(store))) return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
    return 0;
}

void ask_for_client_certificates(SSL_CTX* context, const std::filesystem::path& authority) {
    if (SSL_CTX_load_verify_file(context, authority.c_str()) != 1) {
        refuse_start("cannot read the client CA " + authority.string() + "; give a PEM file");
    }
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(authority.c_str()));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verify_certificate);
    SSL_CTX_set_verify_depth(context, kChainDepthMax);
}

void set_protocol(SSL_CTX* context) {
    // In code, because an openssl.cnf may say otherwise.
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_CLEANSE_PLAINTEXT);
    // A ticket is a key that opens old traffic; a session cache is a list of such keys.
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    const bool set = SSL_CTX_set_ciphersuites(context,
                                              "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                                              "TLS_AES_128_GCM_SHA256") == 1 &&
                     SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
    if (!set) refuse_start("this OpenSSL lacks the TLS 1.3 suites or groups; install OpenSSL 3");
}

TlsStatus status_of(SSL* session, int result) noexcept {
    const int error = SSL_get_error(session, result);
    if (error == SSL_ERROR_WANT_READ) return TlsStatus::want_read;
    if (error == SSL_ERROR_WANT_WRITE) return TlsStatus::want_write;
    ERR_clear_error();  // the queue is per thread: what stays there would spoil the next stream
    return error == SSL_ERROR_ZERO_RETURN ? TlsStatus::closed : TlsStatus::failed;
}

void* wiping_allocate(std::size_t size, const char*, int) {
    return std::malloc(size);
}

void wiping_free(void* block, const char*, int) {
    if (block == nullptr) return;
    OPENSSL_cleanse(block, malloc_usable_size(block));
    std::free(block);
}

void* wiping_reallocate(void* block, std::size_t size, const char* file, int line) {
    if (block == nullptr) return std::malloc(size);
    if (size == 0) {
        wiping_free(block, file, line);
        return nullptr;
    }
    const std::size_t usable = malloc_usable_size(block);
    if (size <= usable) return block;
    void* const grown = std::malloc(size);
    if (grown == nullptr) return nullptr;
    std::memcpy(grown, block, usable);
    wiping_free(block, file, line);
    return grown;
}

}  // namespace

TlsContext make_server_context(const TlsFiles& files) {
    TlsContext context{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
    if (!context) refuse_start("OpenSSL cannot make a TLS context");
    set_protocol(context.get());
    if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
        refuse_start("cannot read the certificate " + files.certificate.string() +
                     "; give a PEM file with the leaf first");
    }
    const bool key_is_good =
        SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(context.get()) == 1;
    if (!key_is_good) {
        refuse_start("cannot use the private key " + files.key.string() +
                     "; give the unencrypted PEM key of the certificate");
    }
    if (!files.client_ca.empty()) ask_for_client_certificates(context.get(), files.client_ca);
    return context;
}

void TlsStream::Deleter::operator()(ssl_st* session) const noexcept {
    SSL_free(session);
}

TlsStream::TlsStream(const TlsContext& context, int descriptor) : session_{SSL_new(context.get())} {
    if (!session_ || SSL_set_fd(session_.get(), descriptor) != 1) throw std::bad_alloc{};
    SSL_set_accept_state(session_.get());
}

TlsStatus TlsStream::handshake() noexcept {
    ERR_clear_error();
    const int result = SSL_do_handshake(session_.get());
    return result == 1 ? TlsStatus::done : status_of(session_.get(), result);
}

TlsStatus TlsStream::read(ByteSpan out, std::size_t& count) noexcept {
    ERR_clear_error();
    const int result = SSL_read_ex(session_.get(), out.data(), out.size(), &count);
    return result == 1 ? TlsStatus::done : status_of(session_.get(), result);
}

TlsStatus TlsStream::write(ByteView bytes, std::size_t& count) noexcept {
    ERR_clear_error();
    const int result = SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &count);
    return result == 1 ? TlsStatus::done : status_of(session_.get(), result);
}

bool TlsStream::has_pending() const noexcept {
    return SSL_has_pending(session_.get()) == 1;
}

void TlsStream::shutdown() noexcept {
    ERR_clear_error();
    if (SSL_is_init_finished(session_.get()) == 1) SSL_shutdown(session_.get());
    ERR_clear_error();
}

std::string TlsStream::client_san() const {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate{
        SSL_get1_peer_certificate(session_.get()), X509_free};
    if (!certificate || SSL_get_verify_result(session_.get()) != X509_V_OK) return {};
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names{
        static_cast<GENERAL_NAMES*>(
            X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
        GENERAL_NAMES_free};
    std::string found;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_URI) continue;
        const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
        const std::string_view text = text_of(
            {ASN1_STRING_get0_data(uri), static_cast<std::size_t>(ASN1_STRING_length(uri))});
        if (!text.starts_with(kClientUrn)) continue;
        // Two identities in one certificate: which one is meant is not ours to choose. A NUL would
        // make another program read a shorter name than we do.
        const bool unusable = !found.empty() || text.size() > kClientUrnSizeMax ||
                              text.find('\0') != std::string_view::npos;
        if (unusable) return {};
        found = text;
    }
    return found;
}

void use_wiping_allocators_in_openssl() {
    if (CRYPTO_set_mem_functions(wiping_allocate, wiping_reallocate, wiping_free) != 1) {
        refuse_start("OpenSSL was used before its allocator could be set");
    }
}

}  // namespace oubliette::api
