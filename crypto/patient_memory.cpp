#include "crypto/patient_memory.hpp"

#include <chrono>
#include <new>
#include <thread>

namespace oubliette::crypto {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::milliseconds{1};
constexpr auto kPatience = std::chrono::seconds{10};
constexpr auto kEpisodeGap = std::chrono::seconds{1};  // without a failure: a new shortage

// Without destructors, so that the thread needs no memory to have them.
thread_local unsigned patient_scopes = 0;
thread_local Clock::time_point shortage_began{};
thread_local Clock::time_point failed_last{};

// operator new calls this after each failure and tries again when it returns ([new.handler]).
void wait_or_throw() {
    if (patient_scopes == 0) throw std::bad_alloc{};
    const Clock::time_point now = Clock::now();
    if (now - failed_last > kEpisodeGap) shortage_began = now;
    failed_last = now;
    if (now - shortage_began > kPatience) throw std::bad_alloc{};
    std::this_thread::sleep_for(kPause);
}

}  // namespace

PatientMemory::PatientMemory() noexcept {
    static const std::new_handler before = std::set_new_handler(wait_or_throw);
    static_cast<void>(before);
    ++patient_scopes;
}

PatientMemory::~PatientMemory() {
    --patient_scopes;
}

}  // namespace oubliette::crypto
