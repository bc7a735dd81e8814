#pragma once

#include <chrono>
#include <functional>

namespace oubliette::api {

// Runs `task` once after `delay`, on one thread that all share. For waits of seconds, of which a
// few thousand may be under way. `task` must be quick. Thread-safe; tasks that are still waiting
// when the program ends are dropped.
void run_after(std::chrono::milliseconds delay, std::function<void()> task);

}  // namespace oubliette::api
