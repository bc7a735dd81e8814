#include "api/server_exchange.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include "api/connection.hpp"
#include "api/problem.hpp"
#include "crypto/assert.hpp"

namespace oubliette::api {
namespace {

void wipe_text(std::string& text) noexcept {
    crypto::wipe({const_cast<Byte*>(bytes_of(text).data()), text.size()});
}

// One chunk of RFC 9112 section 7.1.
crypto::SecretBytes frame_chunk(ByteView chunk) {
    std::array<char, 20> size{};
    char* end = std::to_chars(size.data(), size.data() + 16, chunk.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    const auto head = static_cast<std::size_t>(end - size.data());
    crypto::SecretBytes framed{head + chunk.size() + 2};
    Byte* const out = framed.expose_mut().data();
    std::memcpy(out, size.data(), head);
    std::memcpy(out + head, chunk.data(), chunk.size());
    std::memcpy(out + head + chunk.size(), "\r\n", 2);
    return framed;
}

class ServerBodyStream final : public BodyStream {
public:
    ServerBodyStream(std::shared_ptr<Connection> connection, std::shared_ptr<StreamGate> gate)
        : connection_{std::move(connection)}, gate_{std::move(gate)} {}
    ServerBodyStream(const ServerBodyStream&) = delete;
    ServerBodyStream& operator=(const ServerBodyStream&) = delete;
    ~ServerBodyStream() override {
        if (!finished_) connection_->abandon_stream();
    }

    [[nodiscard]] bool write(ByteView chunk) override {
        if (chunk.empty()) return true;  // an empty chunk would end the body
        return send(frame_chunk(chunk), false);
    }
    void finish() override { finished_ = send(crypto::SecretBytes{bytes_of("0\r\n\r\n")}, true); }

private:
    bool send(crypto::SecretBytes framed, bool is_last) {
        if (finished_ || !gate_->wait_until_ready()) return false;
        gate_->set_busy();
        connection_->deliver_chunk(std::move(framed), is_last);
        return true;
    }

    const std::shared_ptr<Connection> connection_;
    const std::shared_ptr<StreamGate> gate_;
    bool finished_ = false;
};

}  // namespace

ServerExchange::ServerExchange(std::shared_ptr<Connection> connection) noexcept
    : connection_{std::move(connection)} {}

ServerExchange::~ServerExchange() {
    if (!answered_.exchange(true)) {
        connection_->deliver(internal_error_response(request_.request_id));
    }
    wipe_text(request_.authorization);
    wipe_text(request_.path);
    wipe_text(request_.query);
}

void ServerExchange::respond(Response response) {
    const bool again = answered_.exchange(true);
    OBL_ASSERT(!again);
    connection_->deliver(std::move(response));
}

std::unique_ptr<BodyStream> ServerExchange::respond_stream(Response head) {
    const bool again = answered_.exchange(true);
    OBL_ASSERT(!again);
    auto gate = std::make_shared<StreamGate>();
    auto stream = std::make_unique<ServerBodyStream>(connection_, gate);
    connection_->deliver_stream(std::move(head), std::move(gate));
    return stream;
}

void ServerExchange::fail(Response response) {
    if (!answered_.exchange(true)) connection_->deliver(std::move(response));
}

}  // namespace oubliette::api
