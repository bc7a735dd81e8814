#include "api/connection.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <sys/socket.h>

#include "api/answer_head.hpp"
#include "api/problem.hpp"
#include "api/server_exchange.hpp"
#include "crypto/encoding.hpp"

namespace oubliette::api {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLinger{1'000};
// Read after a refusal, so that it arrives: a client that is still sending when the connection is
// reset loses the answer. Larger than the largest body plus what is usual above it.
constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
constexpr std::size_t kRequestIdSizeMax = 64;
constexpr std::size_t kCoalesceMax = 16 * 1024;  // bodies up to this go out in the head's write

void count(std::atomic<std::uint64_t>& counter) noexcept {
    counter.fetch_add(1, std::memory_order_relaxed);
}

// From the peer only if it can do no harm in a log line.
std::string choose_request_id(std::string_view offered) {
    const auto is_safe = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' || letter == '.';
    };
    const bool usable = !offered.empty() && offered.size() <= kRequestIdSizeMax &&
                        std::all_of(offered.begin(), offered.end(), is_safe);
    if (usable) return std::string{offered};
    ByteArray<12> random{};
    crypto::random_bytes(random);
    return crypto::hex_encode(random);
}

}  // namespace

Connection::Connection(std::shared_ptr<Loop> loop, Socket socket, std::string address)
    : loop_{std::move(loop)},
      socket_{std::move(socket)},
      admission_{loop_->front->tally, std::move(address)},
      tls_{loop_->front->tls, socket_.native_handle()} {
    enter(Phase::handshake, loop_->front->limits.handshake);
    count(loop_->counts.open);
}

Connection::~Connection() {
    crypto::wipe(input_);
    loop_->counts.open.fetch_sub(1, std::memory_order_relaxed);
}

void Connection::enter(Phase phase, milliseconds limit) noexcept {
    phase_ = phase;
    deadline_ = std::chrono::steady_clock::now() + limit;
}

void Connection::advance() {
    if (advancing_ || phase_ == Phase::closed) return;
    advancing_ = true;
    Step next = Step::again;
    try {
        while (next == Step::again) next = step();
    } catch (...) {  // no memory: this connection ends, the server goes on
        close();
        next = Step::stop;
    }
    advancing_ = false;
    if (next == Step::wait_read) wait(Socket::wait_read);
    if (next == Step::wait_write) wait(Socket::wait_write);
}

void Connection::wait(Socket::wait_type direction) {
    socket_.async_wait(direction,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           if (error && !self->timed_out_) return self->close();
                           self->advance();
                       });
}

Connection::Step Connection::step() {
    switch (phase_) {
    case Phase::handshake: return shake_hands();
    case Phase::head: return read_head();
    case Phase::body: return read_body();
    case Phase::writing: return write_answer();
    case Phase::lingering: return linger();
    case Phase::answering:
    case Phase::streaming:
    case Phase::closed: break;
    }
    return Step::stop;
}

// For a stream that could not move on at once.
Connection::Step Connection::step_for(TlsStatus status) noexcept {
    if (status == TlsStatus::want_read) return Step::wait_read;
    if (status == TlsStatus::want_write) return Step::wait_write;
    close();
    return Step::stop;
}

Connection::Step Connection::shake_hands() {
    const TlsStatus status = tls_.handshake();
    if (status == TlsStatus::closed || status == TlsStatus::failed) {
        count(loop_->counts.handshake_failed);
    }
    if (status != TlsStatus::done) return step_for(status);
    client_san_ = tls_.client_san();
    // Nothing was asked yet, but a peer that has just connected has no reason to be idle.
    enter(Phase::head, loop_->front->limits.header);
    return Step::again;
}

Connection::Step Connection::read_head() {
    const std::string_view bytes = text_of({input_.data(), input_size_});
    if (timed_out_) {
        timed_out_ = false;
        keep_alive_ = false;
        request_id_ = choose_request_id({});
        compose(timeout_response(request_id_));
        return Step::again;
    }
    if (const auto end = find_head_end(bytes, searched_))
        return begin_request(bytes.substr(0, *end));
    searched_ = input_size_;
    if (input_size_ == input_.size()) {
        refuse_head(HeadError::head_too_large);
        return Step::again;
    }
    std::size_t read = 0;
    const TlsStatus status = tls_.read(ByteSpan{input_}.subspan(input_size_), read);
    if (status != TlsStatus::done) return step_for(status);
    if (input_size_ == 0) enter(Phase::head, loop_->front->limits.header);
    input_size_ += read;
    return Step::again;
}

Connection::Step Connection::begin_request(std::string_view head_bytes) {
    const auto head = parse_request_head(head_bytes);
    if (head.has_error()) {
        refuse_head(head.error());
        return Step::again;
    }
    count(loop_->counts.requests);
    begin_exchange(*head);
    keep_alive_ = head->keep_alive;
    const std::size_t body_size = head->content_length;
    drop_input(head_bytes.size());  // the views of `head` end here
    answered_early_ = body_size > 0;
    if (body_size > loop_->front->limits.body_size_max) {
        compose(problem_response(Refusal::too_large, request_id_));
        return Step::again;
    }
    std::optional<Response> early;
    try {
        early = loop_->front->gate(exchange_->request(), body_size);
    } catch (const Fault& fault) {
        early = problem_response(fault.kind(), request_id_);
    } catch (...) {
        early = internal_error_response(request_id_);
    }
    if (early) {
        compose(std::move(*early));
        return Step::again;
    }
    exchange_->incoming().body = crypto::SecretBytes{body_size};
    body_filled_ = 0;
    enter(Phase::body, loop_->front->limits.body);
    return Step::again;
}

void Connection::begin_exchange(const RequestHead& head) {
    exchange_ = std::make_shared<ServerExchange>(shared_from_this());
    Request& request = exchange_->incoming();
    request.method = head.method;
    request.path = head.path;
    request.query = head.query;
    request.authorization = head.authorization;
    request.content_type = head.content_type;
    request.idempotency_key = head.idempotency_key;
    request.prefer = head.prefer;
    request.traceparent = head.traceparent;
    request_id_ = choose_request_id(head.request_id);
    request.request_id = request_id_;
    request.client_san = client_san_;
}

void Connection::drop_exchange() noexcept {
    if (!exchange_) return;
    exchange_->abandon();
    exchange_.reset();
}

void Connection::refuse_head(HeadError error) {
    count(loop_->counts.framing_errors);
    keep_alive_ = false;
    request_id_ = choose_request_id({});
    compose(problem_response(error, request_id_));
}

// Forgets the first `count` bytes; what a pipelining peer sent behind them moves to the front.
void Connection::drop_input(std::size_t count) noexcept {
    const std::size_t rest = input_size_ - count;
    if (rest > 0) std::memmove(input_.data(), input_.data() + count, rest);
    crypto::wipe(ByteSpan{input_}.subspan(rest, count));
    input_size_ = rest;
    searched_ = 0;
}

Connection::Step Connection::read_body() {
    if (timed_out_) {
        timed_out_ = false;
        compose(timeout_response(request_id_));
        return Step::again;
    }
    const ByteSpan open = exchange_->incoming().body.expose_mut().subspan(body_filled_);
    if (open.empty()) return hand_over();
    std::size_t read = std::min(open.size(), input_size_);
    if (read > 0) {
        std::memcpy(open.data(), input_.data(), read);
        drop_input(read);
    } else {
        const TlsStatus status = tls_.read(open, read);
        // A body cut short is no request: the peer is gone, nothing is done.
        if (status != TlsStatus::done) return step_for(status);
    }
    body_filled_ += read;
    return Step::again;
}

Connection::Step Connection::hand_over() {
    answered_early_ = false;
    phase_ = Phase::answering;
    deadline_ = SteadyTime::max();  // the handler's own business; it always answers
    const auto exchange = std::exchange(exchange_, nullptr);
    try {
        loop_->front->handler(exchange);
    } catch (const Fault& fault) {
        exchange->fail(problem_response(fault.kind(), exchange->request().request_id));
    } catch (const std::bad_alloc&) {
        exchange->fail(problem_response(Refusal::overloaded, exchange->request().request_id));
    } catch (...) {
        exchange->fail(internal_error_response(exchange->request().request_id));
    }
    return Step::again;  // stops by itself if the answer comes later
}

void Connection::deliver(Response response) {
    if (loop_->is_on_thread()) return take_answer(std::move(response));
    loop_->post([self = shared_from_this(), response = std::move(response)]() mutable {
        self->take_answer(std::move(response));
    });
}

void Connection::deliver_stream(Response head, std::shared_ptr<StreamGate> gate) {
    loop_->post(
        [self = shared_from_this(), head = std::move(head), gate = std::move(gate)]() mutable {
            self->take_stream(std::move(head), std::move(gate));
        });
}

void Connection::deliver_chunk(crypto::SecretBytes framed, bool is_last) {
    loop_->post([self = shared_from_this(), framed = std::move(framed), is_last]() mutable {
        self->take_chunk(std::move(framed), is_last);
    });
}

void Connection::abandon_stream() {
    // Without close_notify and without the last chunk: nobody can take this for a whole body.
    loop_->post([self = shared_from_this()] { self->close(); });
}

void Connection::take_stream(Response head, std::shared_ptr<StreamGate> gate) {
    if (phase_ != Phase::answering) return gate->set_closed();
    stream_ = std::move(gate);
    if (!has_safe_headers(head)) return close();
    head.body = {};
    compose(std::move(head));
    advance();
}

void Connection::take_chunk(crypto::SecretBytes framed, bool is_last) {
    if (phase_ != Phase::streaming) return;  // closed meanwhile
    body_ = std::move(framed);
    written_ = 0;
    if (is_last) stream_.reset();
    enter(Phase::writing, loop_->front->limits.write);
    advance();
}

void Connection::take_answer(Response response) {
    if (phase_ != Phase::answering) return;  // closed meanwhile
    compose(std::move(response));
    advance();
}

void Connection::compose(Response response) {
    drop_exchange();  // if it is answered before the handler has seen it
    if (!has_safe_headers(response)) response = internal_error_response(request_id_);
    keep_alive_ = keep_alive_ && !answered_early_ && !loop_->is_draining() && !stream_;
    output_.clear();
    const std::size_t body_size = response.body.size();
    output_.reserve(512 + (body_size <= kCoalesceMax ? body_size : 0));
    append_answer_head(output_, response,
                       {request_id_, loop_->date(), keep_alive_, stream_ != nullptr});
    if (body_size <= kCoalesceMax) {
        output_.append(response.body.expose());
    } else {
        body_ = std::move(response.body);
    }
    written_ = 0;
    enter(Phase::writing, loop_->front->limits.write);
}

Connection::Step Connection::write_answer() {
    while (written_ < output_.size() + body_.size()) {
        const ByteView rest = written_ < output_.size()
                                  ? output_.bytes().subspan(written_)
                                  : body_.expose().subspan(written_ - output_.size());
        std::size_t moved = 0;
        const TlsStatus status = tls_.write(rest, moved);
        if (status != TlsStatus::done) return step_for(status);
        written_ += moved;
    }
    return finish_answer();
}

Connection::Step Connection::finish_answer() {
    output_.clear();
    body_ = {};
    if (stream_) {
        phase_ = Phase::streaming;
        deadline_ = SteadyTime::max();  // the next chunk is the producer's business
        stream_->set_ready();
        return Step::stop;
    }
    if (!keep_alive_) {
        // Closing with unread bytes would make the kernel send a reset, which can overtake the
        // answer. So: our end first, then wait a little for the other one.
        tls_.shutdown();
        ::shutdown(socket_.native_handle(), SHUT_WR);
        lingered_ = 0;
        enter(Phase::lingering, kLinger);
        return Step::again;
    }
    const auto& limits = loop_->front->limits;
    enter(Phase::head, input_size_ > 0 ? limits.header : limits.idle);
    if (input_size_ > 0 || tls_.has_pending()) return Step::again;
    return Step::wait_read;
}

Connection::Step Connection::linger() {
    std::array<Byte, 4096> unread{};
    while (lingered_ < kLingerBytesMax) {
        const ssize_t size =
            ::recv(socket_.native_handle(), unread.data(), unread.size(), MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) return Step::wait_read;
        if (size <= 0) break;
        lingered_ += static_cast<std::size_t>(size);
    }
    close();
    return Step::stop;
}

void Connection::expire() {
    const bool is_idle = phase_ == Phase::head && input_size_ == 0;
    if (phase_ != Phase::lingering && !is_idle) count(loop_->counts.timed_out);
    const bool can_say_so = (phase_ == Phase::head && !is_idle) || phase_ == Phase::body;
    if (!can_say_so) return close();
    // The pending wait ends with an error, which then means this.
    timed_out_ = true;
    socket_.cancel();
    enter(phase_, loop_->front->limits.write);
}

void Connection::drain() {
    const bool is_idle = phase_ == Phase::head && input_size_ == 0;
    if (is_idle || phase_ == Phase::handshake) close();
}

void Connection::close() noexcept {
    if (phase_ == Phase::closed) return;
    if (phase_ == Phase::head) tls_.shutdown();
    phase_ = Phase::closed;
    if (stream_) stream_->set_closed();
    deadline_ = SteadyTime::max();
    boost::system::error_code ignored;
    socket_.close(ignored);
    output_.clear(0);
    body_ = {};
    drop_exchange();
    loop_->forget(shared_from_this());
}

}  // namespace oubliette::api
