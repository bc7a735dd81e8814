#include "tools/doctor/certificate.hpp"

#include <ctime>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace oubliette::tools {
namespace {

struct Free {
    void operator()(BIO* file) const noexcept { BIO_free(file); }
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};

std::unique_ptr<BIO, Free> open_file(const std::filesystem::path& file) {
    return std::unique_ptr<BIO, Free>{BIO_new_file(file.c_str(), "r")};
}

// A key that asks for a passphrase cannot be used by a server: nobody is asked.
int no_passphrase(char* /*text*/, int /*size*/, int /*is_writing*/, void* /*context*/) {
    return -1;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

}  // namespace

CertificateState read_certificate(const std::filesystem::path& certificate,
                                  const std::filesystem::path& key) {
    CertificateState state;
    const auto certificate_file = open_file(certificate);
    const std::unique_ptr<X509, Free> leaf{
        certificate_file
            ? PEM_read_bio_X509(certificate_file.get(), nullptr, no_passphrase, nullptr)
            : nullptr};
    const auto key_file = open_file(key);
    const std::unique_ptr<EVP_PKEY, Free> secret{
        key_file ? PEM_read_bio_PrivateKey(key_file.get(), nullptr, no_passphrase, nullptr)
                 : nullptr};
    if (!leaf) {
        state.trouble = certificate.string() + " holds no certificate that can be read";
    } else if (!secret) {
        state.trouble = key.string() + " holds no key that can be read";
    } else {
        state.not_before = seconds_of(X509_get0_notBefore(leaf.get()));
        state.not_after = seconds_of(X509_get0_notAfter(leaf.get()));
        state.fits_key = X509_check_private_key(leaf.get(), secret.get()) == 1;
    }
    ERR_clear_error();
    return state;
}

}  // namespace oubliette::tools
