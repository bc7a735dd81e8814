#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// Numbered cases that run in several processes at once. A case that crashes or hangs ends its
// process only: it is reported, and another process goes on with the next.

namespace oubliette::faults {

struct CaseFailure {
    std::uint64_t number = 0;
    std::string text;
};

struct PoolResult {
    std::uint64_t run = 0;
    std::vector<CaseFailure> failures;  // by number; at most kFailuresMax are kept
    std::uint64_t failed = 0;
};

inline constexpr std::size_t kFailuresMax = 64;

// Returns what is wrong with case `number`, "" if nothing. Called in ascending order in each
// process.
using Case = std::function<std::string(std::uint64_t number)>;
// Makes the Case of one process, inside it.
using MakeCase = std::function<Case(unsigned process)>;

// Runs cases first, first + 1 .. first + count - 1 in `processes` children, each one range of them.
// A case that takes more than `seconds_max` has hung.
// REQUIRES: this process has no other thread.
[[nodiscard]] PoolResult run_cases(std::uint64_t first, std::uint64_t count, unsigned processes,
                                   const MakeCase& make_case, unsigned seconds_max = 60);

// Processes that may run at once.
[[nodiscard]] unsigned process_count();

}  // namespace oubliette::faults
