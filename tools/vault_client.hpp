#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "tools/https_client.hpp"

// The vault's HTTP contract as the client verbs see it: JSON in, JSON out, and every problem turned
// into one line that says what to do. One thread at a time per client.

namespace oubliette::tools {

// Where the server is and who we are: --url, --ca, --key-file or their environment variables.
struct ServerOptions {
    std::string url = "https://127.0.0.1:8443";
    std::string ca_file;
    std::string key_file;
};

// REQUIRES: nothing. Throws what HttpsClient's constructor throws.
[[nodiscard]] HttpsClient make_client(const ServerOptions& options);

// The JSON of a 2xx answer. Throws CommandError: `refused` or `failed` with the problem's code,
// detail and remedy for any other status; `failed` if the body is not JSON.
[[nodiscard]] boost::json::value accepted_json(const HttpAnswer& answer);
void expect_accepted(const HttpAnswer& answer);

// call() that waits as the server asks (429, 503 OVERLOADED, 409 IDEMPOTENCY_IN_FLIGHT) and goes
// on when a connection breaks, up to kPatience in all. REQUIRES: the request may be repeated.
inline constexpr std::chrono::seconds kPatience{60};
[[nodiscard]] HttpAnswer call_patiently(HttpsClient& client, const HttpRequest& request);

// The code of a problem answer ("CONSENT_MISSING"), or empty.
[[nodiscard]] std::string problem_code(const HttpAnswer& answer);

// Appends `text` as a JSON string. REQUIRES: UTF-8.
void append_json_string(std::string& out, std::string_view text);

// The string member `name` of `object`, or empty.
[[nodiscard]] std::string string_member(const boost::json::value& object, std::string_view name);

}  // namespace oubliette::tools
