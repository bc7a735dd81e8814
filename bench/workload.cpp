#include "bench/workload.hpp"

#include <algorithm>
#include <cmath>

namespace oubliette::bench {
namespace {

std::vector<Workload>& registered() {
    static std::vector<Workload> list;
    return list;
}

std::vector<std::function<void()>>& actions() {
    static std::vector<std::function<void()>> list;
    return list;
}

}  // namespace

void at_end(std::function<void()> action) {
    actions().push_back(std::move(action));
}

void run_at_end() {
    for (const auto& action : actions()) action();
    actions().clear();
}

Registration::Registration(std::string_view name, std::string_view description, Run run) {
    registered().push_back({name, description, run});
}

std::vector<Workload> workloads() {
    std::vector<Workload> list = registered();
    std::sort(list.begin(), list.end(),
              [](const Workload& a, const Workload& b) { return a.name < b.name; });
    return list;
}

double Samples::quantile_us(double share) const {
    if (times_.empty()) return 0;
    const auto rank = std::ceil(share * static_cast<double>(times_.size()));
    const auto index = std::min(times_.size(), static_cast<std::size_t>(rank)) - 1;
    std::vector<std::int64_t> times = times_;
    const auto at = times.begin() + static_cast<std::ptrdiff_t>(index);
    std::nth_element(times.begin(), at, times.end());
    return static_cast<double>(*at) / 1'000;
}

void measure(Result& result, std::chrono::duration<double> duration,
             const std::function<void()>& operation) {
    const auto start = Clock::now();
    auto before = start;
    do {
        operation();
        const auto after = Clock::now();
        result.samples.record(after - before);
        before = after;
    } while (before - start < duration);
    result.elapsed += before - start;
}

}  // namespace oubliette::bench
