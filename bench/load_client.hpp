#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "bench/workload.hpp"

// A lean HTTPS/1.1 client for loading a server: some threads, many keep-alive TLS 1.3 connections,
// one request under way on each. It checks no more than it must: the certificate, the status, the
// length.

namespace oubliette::bench {

struct Load {
    std::uint16_t port = 0;  // on 127.0.0.1
    std::filesystem::path ca;
    unsigned connections = 1;
    unsigned threads = 1;
    std::chrono::duration<double> duration{0};
    // Appends the next request of `connection` to `out`; false: this connection is finished.
    // Called by several threads, for one connection always by the same.
    std::function<bool(unsigned connection, std::string& out)> next;
    // Takes the body of an answer with status 200. May be empty. Threads as for `next`.
    std::function<void(unsigned connection, std::string_view body)> answered;
};

struct LoadOutcome {
    Samples samples;  // from handing the request to TLS until its whole answer is here
    std::chrono::duration<double> elapsed{0};
};

// Runs until `duration` has passed, or until every connection is finished if it is 0. Throws
// std::runtime_error when a connection fails or an answer is not 200.
[[nodiscard]] LoadOutcome run_load(const Load& load);

// Request text. `key` is an API key; empty for none.
void append_get(std::string& out, std::string_view path);
void append_post(std::string& out, std::string_view path, std::string_view key,
                 std::string_view body);

}  // namespace oubliette::bench
