#pragma once

#include <cstdint>

// Memory that runs out at the k-th allocation of the product: malloc() gives null, so that operator
// new throws std::bad_alloc and LMDB, libsodium and the rest get ENOMEM. A program that is linked
// with allocation_faults.cpp has this malloc; sanitizers bring their own, and there nothing fails.

namespace oubliette::faults {

// Whether this program can make allocations fail.
[[nodiscard]] bool can_fail_allocations() noexcept;

// From now on allocations `at` to `at + count - 1` fail (1 is the next); 0: they are only counted.
void arm_allocations(std::uint64_t at, std::uint64_t count) noexcept;
void disarm_allocations() noexcept;
[[nodiscard]] std::uint64_t allocations_counted() noexcept;
[[nodiscard]] std::uint64_t allocations_failed() noexcept;

// Allocations of the test are not the product's. Threads of the product fail; a test's thread does
// only inside a ProductScope, and a callback of a test on a thread of the product is a TestScope.
inline thread_local bool is_test_here = false;

class AllocationScope {
public:
    explicit AllocationScope(bool is_test) noexcept : before_(is_test_here) {
        is_test_here = is_test;
    }
    ~AllocationScope() { is_test_here = before_; }
    AllocationScope(const AllocationScope&) = delete;
    AllocationScope& operator=(const AllocationScope&) = delete;

private:
    const bool before_;
};
class TestScope : AllocationScope {
public:
    TestScope() noexcept : AllocationScope(true) {}
};
class ProductScope : AllocationScope {
public:
    ProductScope() noexcept : AllocationScope(false) {}
};

}  // namespace oubliette::faults
