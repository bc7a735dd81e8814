#pragma once

#include <filesystem>

namespace oubliette::api {

// Makes a certificate authority and a server certificate of its own (ECDSA P-256, 10 years and
// 825 days) for localhost, 127.0.0.1 and ::1, to begin with and for one machine:
//   DIRECTORY/ca.pem, server.pem (leaf, then CA) and server.key (0600).
// The authority's key is dropped: nobody can sign a second certificate with it.
// Throws Fault: configuration, storage.
void make_self_signed(const std::filesystem::path& directory);

}  // namespace oubliette::api
