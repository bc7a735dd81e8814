#include "tests/faults/case_pool.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "crypto/assert.hpp"
#include "tests/faults/room.hpp"

namespace oubliette::faults {
namespace {

// Shared between a child and its parent; written by the child only.
struct Progress {
    std::uint64_t next = 0;  // the case that runs
    std::uint64_t end = 0;
    std::uint64_t run = 0;
    std::uint64_t failed = 0;
    struct {
        std::uint64_t number;
        char text[1'000];
    } failures[kFailuresMax]{};
};

void add_failure(Progress& progress, std::uint64_t number, const std::string& text) {
    if (progress.failed < kFailuresMax) {
        auto& failure = progress.failures[progress.failed];
        failure.number = number;
        std::strncpy(failure.text, text.c_str(), sizeof failure.text - 1);
    }
    ++progress.failed;
}

[[noreturn]] void work(Progress& progress, const MakeCase& make_case, unsigned process,
                       unsigned seconds_max) {
    // The test framework's handlers report for the parent only.
    for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGTERM}) {
        (void)std::signal(number, SIG_DFL);
    }
    try {
        const Case run = make_case(process);
        while (progress.next < progress.end) {
            ::alarm(seconds_max);
            std::string wrong;
            try {
                wrong = run(progress.next);
            } catch (const std::exception& error) {
                wrong = std::string{"threw: "} + error.what();
            }
            if (!wrong.empty()) add_failure(progress, progress.next, wrong);
            ++progress.run;
            ++progress.next;
        }
        ::_exit(0);
    } catch (const std::exception& error) {
        add_failure(progress, progress.next, std::string{"cannot start: "} + error.what());
        progress.next = progress.end;
        ::_exit(1);
    }
}

pid_t start(Progress& progress, const MakeCase& make_case, unsigned process, unsigned seconds_max) {
    const pid_t child = ::fork();
    OBL_ASSERT(child >= 0);
    if (child == 0) work(progress, make_case, process, seconds_max);
    return child;
}

void* shared_memory(std::size_t bytes) {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    OBL_ASSERT(memory != MAP_FAILED);
    return memory;
}

std::string death_of(int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "hangs";
    if (WIFSIGNALED(status)) return std::string{"crashes: "} + ::strsignal(WTERMSIG(status));
    return "exits with " + std::to_string(WEXITSTATUS(status));
}

// One case again, in this process: for a debugger. Twice, because the first run of a program makes
// things that later ones find.
PoolResult run_here(std::uint64_t number, const MakeCase& make_case) {
    PoolResult result;
    const Case run = make_case(0);
    std::string wrong = run(number);
    if (wrong.empty()) wrong = run(number);
    result.run = 1;
    result.failed = wrong.empty() ? 0 : 1;
    if (!wrong.empty()) result.failures.push_back({number, wrong});
    return result;
}

}  // namespace

std::string text_of(const PoolResult& result) {
    std::string text = std::to_string(result.failed) + " of " + std::to_string(result.run);
    for (const CaseFailure& failure : result.failures) {
        text += "\ncase " + std::to_string(failure.number) + ": " + failure.text;
    }
    return text;
}

Counters::Counters(std::size_t count) : bytes_(count * sizeof *counts_) {
    void* const memory = shared_memory(bytes_);
    counts_ = new (memory) std::atomic<std::uint64_t>[count] {};
}

Counters::~Counters() {
    ::munmap(counts_, bytes_);
}

unsigned process_count() {
    return std::max(1U, std::thread::hardware_concurrency());
}

PoolResult run_cases(std::uint64_t first, std::uint64_t count, unsigned processes,
                     const MakeCase& make_case, unsigned seconds_max) {
    if (const char* const one = std::getenv("OUBLIETTE_FAULTS_CASE")) {
        return run_here(std::strtoull(one, nullptr, 10), make_case);
    }
    auto* const all = static_cast<Progress*>(shared_memory(processes * sizeof(Progress)));
    std::map<pid_t, unsigned> children;
    for (unsigned i = 0; i < processes; ++i) {
        new (&all[i]) Progress{};
        all[i].next = first + count * i / processes;
        all[i].end = first + count * (i + 1) / processes;
        children[start(all[i], make_case, i, seconds_max)] = i;
    }
    while (!children.empty()) {
        int status = 0;
        const pid_t child = ::waitpid(-1, &status, 0);
        const auto found = children.find(child);
        if (found == children.end()) continue;
        const unsigned i = found->second;
        children.erase(found);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
        remove_rooms_of(child);
        if (all[i].next >= all[i].end) continue;
        add_failure(all[i], all[i].next++, death_of(status));
        ++all[i].run;
        if (all[i].next < all[i].end) children[start(all[i], make_case, i, seconds_max)] = i;
    }
    PoolResult result;
    for (unsigned i = 0; i < processes; ++i) {
        result.run += all[i].run;
        result.failed += all[i].failed;
        for (std::size_t k = 0; k < std::min<std::size_t>(all[i].failed, kFailuresMax); ++k) {
            result.failures.push_back({all[i].failures[k].number, all[i].failures[k].text});
        }
    }
    ::munmap(all, processes * sizeof(Progress));
    return result;
}

}  // namespace oubliette::faults
