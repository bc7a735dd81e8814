#include "crypto/patient_memory.hpp"

#include <chrono>
#include <new>
#include <thread>

namespace oubliette::crypto {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::milliseconds{1};
constexpr auto kPatience = std::chrono::seconds{10};

// Without destructors, so that the thread needs no memory to have them.
thread_local unsigned patient_scopes = 0;
thread_local Clock::time_point shortage_began{};
thread_local Clock::time_point tried_again{};

// operator new calls this after each failure and tries again when it returns ([new.handler]).
void wait_or_throw() {
    if (patient_scopes == 0) throw std::bad_alloc{};
    const Clock::time_point now = Clock::now();
    // The second try of one allocation comes at once; a later call is about another one.
    if (now - tried_again > kPause) shortage_began = now;
    if (now - shortage_began > kPatience) throw std::bad_alloc{};
    std::this_thread::sleep_for(kPause);
    tried_again = Clock::now();
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
