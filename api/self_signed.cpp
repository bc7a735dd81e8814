#include "api/self_signed.hpp"

#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "vault/result.hpp"

namespace oubliette::api {
namespace {

struct Free {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
    void operator()(X509_EXTENSION* extension) const noexcept { X509_EXTENSION_free(extension); }
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
    void operator()(BIGNUM* number) const noexcept { BN_free(number); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;
using CertificatePtr = std::unique_ptr<X509, Free>;

constexpr long kDay = 86'400;  // seconds

void require(bool is_done) {
    if (!is_done) throw Fault{FaultKind::configuration, "OpenSSL could not make a certificate"};
}

struct Extension {
    int nid;
    const char* value;
};

void add_extension(X509* certificate, X509* issuer, const Extension& extension) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, Free> made{
        X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value)};
    require(made != nullptr && X509_add_ext(certificate, made.get(), -1) == 1);
}

CertificatePtr begin_certificate(EVP_PKEY* key, const char* name, long days) {
    CertificatePtr certificate{X509_new()};
    const std::unique_ptr<BIGNUM, Free> serial{BN_new()};
    require(certificate != nullptr && serial != nullptr && BN_rand(serial.get(), 127, 0, 0) == 1);
    require(X509_set_version(certificate.get(), 2) == 1);
    require(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) != nullptr);
    // An hour back, for clocks that are a little behind.
    require(X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3'600) != nullptr);
    require(X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDay) != nullptr);
    require(X509_set_pubkey(certificate.get(), key) == 1);
    X509_NAME* const subject = X509_get_subject_name(certificate.get());
    const auto* const text = static_cast<const unsigned char*>(static_cast<const void*>(name));
    require(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1);
    return certificate;
}

void write_file(const std::filesystem::path& file, BIO* content, mode_t mode) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(content, &data);
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    const bool is_written = descriptor >= 0 &&
                            ::write(descriptor, data, static_cast<std::size_t>(size)) == size &&
                            ::fsync(descriptor) == 0;
    if (descriptor >= 0) (void)::close(descriptor);
    if (!is_written) throw Fault{FaultKind::storage, file.string() + " cannot be written"};
}

void write_certificates(const std::filesystem::path& file, std::initializer_list<X509*> chain) {
    const std::unique_ptr<BIO, Free> bio{BIO_new(BIO_s_mem())};
    for (X509* const certificate : chain) require(PEM_write_bio_X509(bio.get(), certificate) == 1);
    write_file(file, bio.get(), 0644);
}

void write_key(const std::filesystem::path& file, EVP_PKEY* key) {
    const std::unique_ptr<BIO, Free> bio{BIO_new(BIO_s_secmem())};
    require(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    write_file(file, bio.get(), 0600);
}

}  // namespace

void make_self_signed(const std::filesystem::path& directory) {
    const KeyPtr authority_key{EVP_EC_gen("P-256")};
    const KeyPtr server_key{EVP_EC_gen("P-256")};
    require(authority_key != nullptr && server_key != nullptr);

    const CertificatePtr authority =
        begin_certificate(authority_key.get(), "Oubliette self-signed authority", 3'650);
    X509* const ca = authority.get();
    require(X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1);
    add_extension(ca, ca, {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"});
    add_extension(ca, ca, {NID_key_usage, "critical,keyCertSign,cRLSign"});
    add_extension(ca, ca, {NID_subject_key_identifier, "hash"});
    require(X509_sign(ca, authority_key.get(), EVP_sha256()) > 0);

    const CertificatePtr certificate = begin_certificate(server_key.get(), "localhost", 825);
    X509* const leaf = certificate.get();
    require(X509_set_issuer_name(leaf, X509_get_subject_name(ca)) == 1);
    add_extension(leaf, ca, {NID_basic_constraints, "critical,CA:FALSE"});
    add_extension(leaf, ca, {NID_key_usage, "critical,digitalSignature"});
    add_extension(leaf, ca, {NID_ext_key_usage, "serverAuth"});
    add_extension(leaf, ca,
                  {NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"});
    add_extension(leaf, ca, {NID_subject_key_identifier, "hash"});
    add_extension(leaf, ca, {NID_authority_key_identifier, "keyid"});
    require(X509_sign(leaf, authority_key.get(), EVP_sha256()) > 0);

    write_certificates(directory / "ca.pem", {ca});
    write_certificates(directory / "server.pem", {leaf, ca});
    write_key(directory / "server.key", server_key.get());
}

}  // namespace oubliette::api
