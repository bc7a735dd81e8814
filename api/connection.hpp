#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/request_head.hpp"
#include "api/server.hpp"
#include "api/wiped_buffer.hpp"

// Inside the server: one event loop and its connections. A connection lives on one loop and is
// touched by that loop's thread only; the one way in from other threads is Loop::post().

namespace oubliette::api {

using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
using SteadyTime = std::chrono::steady_clock::time_point;

// Counts connections per address over all loops. Thread-safe.
class AddressTally {
public:
    // False if the address or the server has reached its limit; nothing was counted then.
    [[nodiscard]] bool admit(const std::string& address, const ServerLimits& limits);
    void leave(const std::string& address) noexcept;

private:
    std::mutex mutex_;
    std::unordered_map<std::string, std::size_t> open_by_address_;
    std::size_t open_ = 0;
};

// The place of one connection in the tally.
class Admission {
public:
    Admission(AddressTally& tally, std::string address) noexcept
        : tally_{tally}, address_{std::move(address)} {}
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;
    ~Admission() { tally_.leave(address_); }

private:
    AddressTally& tally_;
    const std::string address_;
};

struct AtomicCounts {
    std::atomic<std::uint64_t> open{0};
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> handshake_failed{0};
    std::atomic<std::uint64_t> timed_out{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> framing_errors{0};
};

// What all loops share. Immutable once the server runs, but for the last two.
struct Front {
    ServerLimits limits;
    TlsContext tls;
    HeaderGate gate;
    Handler handler;
    AddressTally tally;
    std::atomic<bool> is_stopping{false};  // from then on every answer closes its connection
};

class Connection;
class ServerExchange;

// Where a thread that streams a body waits for the connection. Thread-safe.
class StreamGate {
public:
    // True once the connection has taken everything so far; false if it is closed.
    [[nodiscard]] bool wait_until_ready();
    void set_busy();
    void set_ready();
    void set_closed();

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ready_ = false;
    bool closed_ = false;
};

// One thread's event loop. Outlives its thread as long as an exchange refers to it.
class Loop : public std::enable_shared_from_this<Loop> {
public:
    explicit Loop(std::shared_ptr<Front> shared_front) : front{std::move(shared_front)} {}

    // Serves until drained; called once, by the loop's thread.
    void run();
    void start_draining();  // from any thread
    void adopt(Socket socket, const std::string& address);
    // Runs `work` on the loop's thread; drops it if the loop has ended.
    template <class Work>
    void post(Work work) {
        const std::lock_guard lock{post_mutex_};
        if (!ended_) boost::asio::post(io, std::move(work));
    }
    [[nodiscard]] bool is_on_thread() const noexcept {
        return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
    }
    // "Sun, 22 Nov 2026 18:27:09 GMT", made once per second.
    [[nodiscard]] std::string_view date();
    [[nodiscard]] bool is_draining() const noexcept { return front->is_stopping; }
    void forget(const std::shared_ptr<Connection>& connection);

    boost::asio::io_context io{1};
    AtomicCounts counts;
    const std::shared_ptr<Front> front;

private:
    void watch_deadlines();
    void close_all();

    boost::asio::steady_timer tick_{io};
    std::unordered_set<std::shared_ptr<Connection>> connections_;
    std::atomic<std::thread::id> thread_;
    bool draining_ = false;
    SteadyTime drain_deadline_;
    std::time_t date_second_ = 0;
    std::array<char, 32> date_{};
    std::mutex post_mutex_;
    bool ended_ = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    // REQUIRES: `address` was admitted by the tally; the connection leaves it at its end.
    Connection(std::shared_ptr<Loop> loop, Socket socket, std::string address);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    void start() { advance(); }
    // The answer of the exchange in flight; on the loop's thread.
    void take_answer(Response response);
    // From any thread.
    void deliver(Response response);
    // Sends the head of an answer whose body comes in chunks, each after the gate said ready. From
    // any thread; so are the two below.
    void deliver_stream(Response head, std::shared_ptr<StreamGate> gate);
    void deliver_chunk(crypto::SecretBytes framed, bool is_last);
    void abandon_stream();
    // Called by the loop when the deadline has passed.
    void expire();
    void drain();
    void close() noexcept;

    [[nodiscard]] SteadyTime deadline() const noexcept { return deadline_; }

private:
    enum class Phase : std::uint8_t {
        handshake,
        head,
        body,
        answering,
        writing,
        streaming,
        lingering,
        closed
    };
    enum class Step : std::uint8_t { again, wait_read, wait_write, stop };

    void advance();
    void wait(Socket::wait_type direction);
    Step step();
    Step shake_hands();
    Step read_head();
    Step begin_request(std::string_view head_bytes);
    Step read_body();
    Step hand_over();
    Step write_answer();
    Step finish_answer();
    Step linger();
    Step step_for(TlsStatus status) noexcept;

    void refuse_head(HeadError error);
    void begin_exchange(const RequestHead& head);
    void drop_exchange() noexcept;
    void drop_input(std::size_t count) noexcept;
    void compose(Response response);
    void take_stream(Response head, std::shared_ptr<StreamGate> gate);
    void take_chunk(crypto::SecretBytes framed, bool is_last);
    void enter(Phase phase, std::chrono::milliseconds limit) noexcept;

    const std::shared_ptr<Loop> loop_;
    Socket socket_;
    const Admission admission_;  // before what may throw
    TlsStream tls_;
    Phase phase_ = Phase::handshake;
    bool advancing_ = false;
    bool timed_out_ = false;
    bool keep_alive_ = true;
    bool answered_early_ = false;  // before the body was read: the rest of the stream is not ours
    SteadyTime deadline_;

    std::array<Byte, kHeadSizeMax> input_{};
    std::size_t input_size_ = 0;
    std::size_t searched_ = 0;                  // no head ends before this position
    std::string request_id_;                    // of the exchange in flight
    std::shared_ptr<ServerExchange> exchange_;  // while its request is still coming in
    std::size_t body_filled_ = 0;
    std::string client_san_;

    WipedBuffer output_;                  // head of the answer, and its body if that is short
    crypto::SecretBytes body_;            // of the answer, if it is long
    std::size_t written_ = 0;             // of output_ and body_ together
    std::shared_ptr<StreamGate> stream_;  // set while a body is streamed
    std::size_t lingered_ = 0;            // bytes thrown away after the last answer
};

}  // namespace oubliette::api
