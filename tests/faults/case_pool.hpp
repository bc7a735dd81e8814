#pragma once

#include <atomic>
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
// With OUBLIETTE_FAULTS_CASE=number only that one runs, in this process.
// REQUIRES: this process has no other thread.
[[nodiscard]] PoolResult run_cases(std::uint64_t first, std::uint64_t count, unsigned processes,
                                   const MakeCase& make_case, unsigned seconds_max = 60);

// The failures as one text for a test's report.
[[nodiscard]] std::string text_of(const PoolResult& result);

// Numbers that cases in all processes add to.
class Counters {
public:
    explicit Counters(std::size_t count);
    ~Counters();
    Counters(const Counters&) = delete;
    Counters& operator=(const Counters&) = delete;
    void add(std::size_t index) noexcept { ++counts_[index]; }
    [[nodiscard]] std::uint64_t of(std::size_t index) const noexcept { return counts_[index]; }

private:
    const std::size_t bytes_;
    std::atomic<std::uint64_t>* counts_;
};

// Processes that may run at once.
[[nodiscard]] unsigned process_count();

}  // namespace oubliette::faults
