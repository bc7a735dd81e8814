#include "crypto/patient_memory.hpp"

#include <cstddef>
#include <new>
#include <vector>

#include <catch2/catch.hpp>

// More memory than there is: refused at once, and inside a patient scope after its patience.

namespace oubliette::crypto {
namespace {

// Counts how often operator new asks, and gives up on its behalf the third time.
int asked = 0;
std::new_handler patient_handler = nullptr;

void ask_three_times() {
    if (++asked == 3) throw std::bad_alloc{};
    patient_handler();
}

void* ask_for_too_much() {
    constexpr std::size_t kTooMuch = std::size_t{1} << 60;
    return ::operator new(kTooMuch);
}

}  // namespace

TEST_CASE("only a patient thread asks again for memory that it did not get") {
    { const PatientMemory installs; }
    patient_handler = std::set_new_handler(ask_three_times);
    REQUIRE(patient_handler != nullptr);
    asked = 0;
    CHECK_THROWS_AS(ask_for_too_much(), std::bad_alloc);
    CHECK(asked == 1);
    {
        const PatientMemory patient;
        const PatientMemory nested;
        asked = 0;
        CHECK_THROWS_AS(ask_for_too_much(), std::bad_alloc);
        CHECK(asked == 3);
    }
    asked = 0;
    CHECK_THROWS_AS(ask_for_too_much(), std::bad_alloc);
    CHECK(asked == 1);
    std::set_new_handler(patient_handler);
}

}  // namespace oubliette::crypto
