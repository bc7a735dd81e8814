#pragma once

#include <atomic>
#include <memory>

#include "api/exchange.hpp"

// Inside the server: an exchange on its way through the handler, and a streamed body. Both hold
// their connection and reach it through its loop, from any thread.

namespace oubliette::api {

class Connection;

// Answers 500 if it is dropped unanswered.
class ServerExchange final : public Exchange {
public:
    explicit ServerExchange(std::shared_ptr<Connection> connection) noexcept;
    ServerExchange(const ServerExchange&) = delete;
    ServerExchange& operator=(const ServerExchange&) = delete;
    ~ServerExchange() override;

    [[nodiscard]] const Request& request() const noexcept override { return request_; }
    void respond(Response response) override;
    [[nodiscard]] std::unique_ptr<BodyStream> respond_stream(Response head) override;

    // For the connection, until the handler has it. The request is filled in place, because a moved
    // short string leaves its letters behind.
    [[nodiscard]] Request& incoming() noexcept { return request_; }
    // The connection answered by itself, or is closed.
    void abandon() noexcept { answered_ = true; }

    // The handler threw: answered here unless it had answered before.
    void fail(Response response);

private:
    const std::shared_ptr<Connection> connection_;
    Request request_;
    std::atomic<bool> answered_{false};
};

}  // namespace oubliette::api
