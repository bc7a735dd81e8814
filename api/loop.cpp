#include <ctime>

#include <boost/asio/post.hpp>

#include "api/connection.hpp"
#include "crypto/assert.hpp"

namespace oubliette::api {
namespace {

constexpr std::chrono::milliseconds kTick{100};  // how late a deadline may be noticed

}  // namespace

bool StreamGate::wait_until_ready() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return ready_ || closed_; });
    return !closed_;
}

void StreamGate::set_busy() {
    const std::lock_guard lock{mutex_};
    ready_ = false;
}

void StreamGate::set_ready() {
    const std::lock_guard lock{mutex_};
    ready_ = true;
    changed_.notify_all();
}

void StreamGate::set_closed() {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    changed_.notify_all();
}

bool AddressTally::admit(const std::string& address, const ServerLimits& limits) {
    const std::lock_guard lock{mutex_};
    if (open_ >= limits.connections_max) return false;
    std::size_t& here = open_by_address_[address];
    if (here >= limits.connections_per_address_max) return false;
    ++here;
    ++open_;
    return true;
}

void AddressTally::leave(const std::string& address) noexcept {
    const std::lock_guard lock{mutex_};
    const auto found = open_by_address_.find(address);
    OBL_ASSERT(open_ > 0 && found != open_by_address_.end());
    --open_;
    if (--found->second == 0) open_by_address_.erase(found);
}

void Loop::run() {
    thread_ = std::this_thread::get_id();
    watch_deadlines();
    for (bool done = false; !done;) {
        try {
            io.run();
            done = true;
        } catch (const std::bad_alloc&) {
            continue;  // what needed the memory is gone; the others go on
        }
    }
    {
        const std::lock_guard lock{post_mutex_};
        ended_ = true;
    }
    // An answer posted in the last moment would keep its connection, and that this loop, alive.
    io.restart();
    io.poll();
}

void Loop::start_draining() {
    boost::asio::post(io, [self = shared_from_this()] {
        self->draining_ = true;
        self->drain_deadline_ = std::chrono::steady_clock::now() + self->front->limits.drain;
        const auto connections = self->connections_;  // drain() takes away from the set
        for (const auto& connection : connections) connection->drain();
        self->tick_.cancel();
    });
}

void Loop::adopt(Socket socket, const std::string& address) {
    try {
        const auto connection =
            std::make_shared<Connection>(shared_from_this(), std::move(socket), address);
        connections_.insert(connection);
        connection->start();
    } catch (const std::bad_alloc&) {  // the peer sees its connection close
        counts.refused.fetch_add(1, std::memory_order_relaxed);
    }
}

void Loop::forget(const std::shared_ptr<Connection>& connection) {
    connections_.erase(connection);
}

// One timer for all connections of the loop: a timer object per operation costs more than a
// request does.
void Loop::watch_deadlines() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (draining_ && (connections_.empty() || drain_deadline_ <= now)) return close_all();
    tick_.expires_after(kTick);  // first, so that nothing below can end the watch
    tick_.async_wait(
        [self = shared_from_this()](const boost::system::error_code&) { self->watch_deadlines(); });
    std::vector<std::shared_ptr<Connection>> late;
    for (const auto& connection : connections_) {
        if (connection->deadline() <= now) late.push_back(connection);
    }
    for (const auto& connection : late) connection->expire();
}

void Loop::close_all() {
    const auto connections = std::exchange(connections_, {});
    for (const auto& connection : connections) connection->close();
}

std::string_view Loop::date() {
    const std::time_t now = std::time(nullptr);
    if (now != date_second_) {
        date_second_ = now;
        std::tm parts{};
        gmtime_r(&now, &parts);
        std::strftime(date_.data(), date_.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    }
    return date_.data();
}

}  // namespace oubliette::api
