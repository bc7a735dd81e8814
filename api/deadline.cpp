#include "api/deadline.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace oubliette::api {
namespace {

class Deadlines {
public:
    Deadlines() : thread_{[this] { run(); }} {}
    ~Deadlines() {
        {
            const std::scoped_lock lock{mutex_};
            stopping_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
    Deadlines(const Deadlines&) = delete;
    Deadlines& operator=(const Deadlines&) = delete;

    void add(std::chrono::milliseconds delay, std::function<void()> task) {
        {
            const std::scoped_lock lock{mutex_};
            tasks_.emplace(std::chrono::steady_clock::now() + delay, std::move(task));
        }
        changed_.notify_one();
    }

private:
    void run() {
        std::unique_lock lock{mutex_};
        while (!stopping_) {
            if (tasks_.empty()) {
                changed_.wait(lock);
                continue;
            }
            const auto first = tasks_.begin();
            const auto due = first->first;
            if (std::chrono::steady_clock::now() < due) {
                changed_.wait_until(lock, due);
                continue;
            }
            const auto task = std::move(first->second);
            tasks_.erase(first);
            lock.unlock();
            task();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> tasks_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace

void run_after(std::chrono::milliseconds delay, std::function<void()> task) {
    static Deadlines deadlines;
    deadlines.add(delay, std::move(task));
}

}  // namespace oubliette::api
