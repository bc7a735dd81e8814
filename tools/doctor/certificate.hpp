#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

// When a server's certificate holds, and whether it belongs to its key. OpenSSL stays in the .cpp.

namespace oubliette::tools {

struct CertificateState {
    std::string trouble;          // empty, or why the file cannot be used; then the rest is 0
    std::int64_t not_before = 0;  // Unix seconds
    std::int64_t not_after = 0;
    bool fits_key = false;
};

// The first certificate in the PEM file, and the key in the other one. Never throws for their
// contents.
[[nodiscard]] CertificateState read_certificate(const std::filesystem::path& certificate,
                                                const std::filesystem::path& key);

}  // namespace oubliette::tools
