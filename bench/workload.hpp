#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// How a workload joins the benchmark program: one .cpp that ends with
//     const Registration kRegistration{"name", "what it measures", run};
// and one line in bench/CMakeLists.txt. A workload prints nothing; it hands its figures to Output.

namespace oubliette::bench {

using Clock = std::chrono::steady_clock;

struct Settings {
    std::uint64_t seed = 1;                     // of everything random in the workload
    std::chrono::duration<double> duration{5};  // for all cases of the workload together
    std::filesystem::path directory;  // empty, on the disk to be measured; removed afterwards
    std::filesystem::path shared;     // the same for what several workloads use; removed at the end
    std::filesystem::path server;     // the `oubliette` binary to be measured
    std::filesystem::path baseline;   // another one to run beside it; empty: none
    std::uint64_t people = 0;         // in the vault to be measured; 0: as the workload likes
    unsigned connections = 64;
    bool is_alone = false;      // no reference runs beside it: for profilers
    unsigned server_cores = 0;  // the server runs on the first so many; 0: on all
};

// The time that each operation of one case took. Not thread-safe: one per thread, then add().
class Samples {
public:
    void record(Clock::duration time) {
        times_.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
    }
    void add(const Samples& other) {
        times_.insert(times_.end(), other.times_.begin(), other.times_.end());
    }
    [[nodiscard]] std::size_t count() const noexcept { return times_.size(); }
    // The smallest time that at least `share` of the operations did not exceed, in microseconds;
    // 0 without samples. `share` in (0, 1].
    [[nodiscard]] double quantile_us(double share) const;

private:
    std::vector<std::int64_t> times_;  // ns
};

// One line of output: one case of a workload.
struct Result {
    std::string name;  // of the case: "64 rows per transaction, store"
    Samples samples;   // of the operations
    std::chrono::duration<double> elapsed{0};
    double units_per_operation = 1;  // rows, values: what `per_second` counts
    std::string unit = "operations";
    // Throughput divided by that of the reference run beside it; 0 if the case has none.
    double ratio = 0;
    std::string reference;
    std::vector<std::pair<std::string, double>> figures{};  // whatever else was measured

    [[nodiscard]] double per_second() const {
        return static_cast<double>(samples.count()) * units_per_operation / elapsed.count();
    }
};

using Output = std::function<void(const Result&)>;
using Run = void (*)(const Settings&, const Output&);

struct Workload {
    std::string_view name;
    std::string_view description;
    Run run;
};

// All workloads linked into the program, by name.
[[nodiscard]] std::vector<Workload> workloads();

// `action` runs when all workloads are done, before Settings::shared is removed.
void at_end(std::function<void()> action);
void run_at_end();  // for main()

// Adds a workload before main() runs. The texts must be literals.
struct Registration {
    Registration(std::string_view name, std::string_view description, Run run);
};

// Repeats `operation` until `duration` has passed and at least once; adds the time of each to
// `result.samples` and the whole time to `result.elapsed`.
void measure(Result& result, std::chrono::duration<double> duration,
             const std::function<void()>& operation);

}  // namespace oubliette::bench
