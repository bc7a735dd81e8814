#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>

#include "bench/load_client.hpp"
#include "bench/served_vault.hpp"

// Can a caller without the right tell by the time an answer takes whether somebody is there, was
// erased, or was never known? Dry runs over HTTPS for a living, an erased and an unknown person in
// random order, and Welch's t between their times: |t| < 4.5 says no difference was seen. The same
// with the right is the control: there the difference must be seen.

namespace oubliette::bench {
namespace {

constexpr std::uint64_t kPeople = 2'000;
constexpr std::uint64_t kErased = 500;
constexpr std::uint64_t kSamples = 100'000;  // of each kind
constexpr unsigned kConnections = 16;
constexpr unsigned kThreads = 2;

enum Kind : unsigned { kLiving, kGone, kUnknown, kKindCount };

// Mean and variance of what was added (Welford).
struct Moments {
    std::uint64_t count = 0;
    double mean = 0;
    double squares = 0;

    void add(double value) {
        ++count;
        const double off = value - mean;
        mean += off / static_cast<double>(count);
        squares += off * (value - mean);
    }
    [[nodiscard]] double variance_of_mean() const {
        const auto n = static_cast<double>(count);
        return squares / (n - 1) / n;
    }
};

double welch_t(const Moments& a, const Moments& b) {
    return (a.mean - b.mean) / std::sqrt(a.variance_of_mean() + b.variance_of_mean());
}

struct Connection {
    explicit Connection(std::uint64_t seed) : random(seed) {}
    std::mt19937_64 random;
    Kind kind = kLiving;
    Clock::time_point sent;
    std::uint64_t left = 0;
    std::array<std::vector<double>, kKindCount> times;  // us
};

std::string subject_of(Kind kind, std::mt19937_64& random) {
    if (kind == kGone) return ServedVault::subject(random() % kErased);
    if (kind == kLiving) return ServedVault::subject(kErased + random() % (kPeople - kErased));
    return ServedVault::subject(1'000'000 + random() % 1'000'000);
}

std::vector<Connection> ask(ServedVault& vault, std::string_view purpose, std::uint64_t seed) {
    std::vector<Connection> connections;
    for (unsigned i = 0; i < kConnections; ++i) {
        connections.emplace_back(seed + i).left = kSamples * kKindCount / kConnections;
    }
    Load load;
    load.port = vault.port();
    load.ca = vault.ca();
    load.connections = kConnections;
    load.threads = kThreads;
    load.next = [&](unsigned number, std::string& out) {
        Connection& connection = connections[number];
        if (connection.left == 0) return false;
        --connection.left;
        connection.kind = static_cast<Kind>(connection.random() % kKindCount);
        const std::string body =
            R"({"subject":")" + subject_of(connection.kind, connection.random) +
            R"(","field":"mobile","purpose":")" + std::string{purpose} + R"("})";
        append_post(out, "/v1/decide", vault.app_key(), body);
        connection.sent = Clock::now();
        return true;
    };
    load.answered = [&](unsigned number, std::string_view) {
        Connection& connection = connections[number];
        const std::chrono::duration<double, std::micro> time = Clock::now() - connection.sent;
        connection.times[connection.kind].push_back(time.count());
    };
    (void)run_load(load);
    return connections;
}

// Without the slowest hundredth: a flush of the disk that stands still is nobody's secret, and a
// few of them would hide a difference.
double cut_of(const std::vector<Connection>& connections) {
    std::vector<double> all;
    for (const Connection& connection : connections) {
        for (const auto& times : connection.times)
            all.insert(all.end(), times.begin(), times.end());
    }
    const auto at = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 100 * 99);
    std::nth_element(all.begin(), at, all.end());
    return *at;
}

Result compare(ServedVault& vault, std::string name, std::string_view purpose, std::uint64_t seed) {
    const auto start = Clock::now();
    const auto connections = ask(vault, purpose, seed);
    const double cut = cut_of(connections);
    std::array<Moments, kKindCount> moments;
    Result result;
    for (const Connection& connection : connections) {
        for (unsigned kind = 0; kind < kKindCount; ++kind) {
            for (const double time : connection.times[kind]) {
                if (time <= cut) moments[kind].add(time);
                result.samples.record(std::chrono::duration_cast<Clock::duration>(
                    std::chrono::duration<double, std::micro>{time}));
            }
        }
    }
    result.name = std::move(name);
    result.elapsed = Clock::now() - start;
    result.unit = "answers";
    result.figures = {{"t_living_erased", welch_t(moments[kLiving], moments[kGone])},
                      {"t_living_unknown", welch_t(moments[kLiving], moments[kUnknown])},
                      {"t_erased_unknown", welch_t(moments[kGone], moments[kUnknown])},
                      {"living_us", moments[kLiving].mean},
                      {"samples_of_each", static_cast<double>(moments[kGone].count)}};
    return result;
}

void erase_some(ServedVault& vault) {
    std::uint64_t next = 0;
    Load load;
    load.port = vault.port();
    load.ca = vault.ca();
    load.next = [&](unsigned, std::string& out) {
        if (next == kErased) return false;
        append_post(out, "/v1/subjects/" + ServedVault::subject(next++) + "/erase",
                    vault.officer_key(), R"({"ground":"no_longer_using"})");
        return true;
    };
    (void)run_load(load);
}

void run(const Settings& settings, const Output& output) {
    ServedVault vault{settings.server, settings.directory / "timing", settings.server_cores};
    vault.fill(kPeople);
    erase_some(vault);
    output(compare(vault, "without the right: living, erased, unknown", "promote", settings.seed));
    output(compare(vault, "control, with the right", "own_account", settings.seed));
}

const Registration kRegistration{
    "answer_timing", "what the time of a refusal says about a person, 100,000 of each kind", run};

}  // namespace
}  // namespace oubliette::bench
