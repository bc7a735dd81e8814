#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "api/exchange.hpp"
#include "api/router.hpp"
#include "vault/vault.hpp"

// Between the front and the vault: who calls, which operation, is it allowed, then decode, call
// the verb, encode. Thread-safe; one per server.

namespace oubliette::api {

struct ServiceLimits {
    std::size_t items_max = 10'000;  // of one batch
};

class Service {
public:
    // `scratch`: where a backup is staged before it is streamed (on the data's own file system).
    // REQUIRES: `vault` outlives the service.
    Service(Vault& vault, std::filesystem::path scratch, ServiceLimits limits = {});

    // The front's HeaderGate: route, method, credential, role and media type, before any body is
    // read. An unknown client, a wrong secret and a revoked key get the same bytes.
    [[nodiscard]] std::optional<Response> check_header(const Request& request,
                                                       std::size_t body_size) const;
    // The front's Handler. Answers now or when the vault has committed.
    void handle(const ExchangePtr& exchange) const;

private:
    [[nodiscard]] std::optional<Caller> caller_of(const Request& request) const;

    Vault& vault_;
    std::filesystem::path scratch_;
    ServiceLimits limits_;
};

}  // namespace oubliette::api
