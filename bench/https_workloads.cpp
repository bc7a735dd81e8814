#include <algorithm>
#include <array>
#include <atomic>
#include <fcntl.h>
#include <memory>
#include <random>
#include <stdexcept>
#include <unistd.h>

#include "bench/load_client.hpp"
#include "bench/served_vault.hpp"

// What an application gets over HTTPS: each case runs in turns with GET /livez of the same server,
// and, with --baseline, with another binary on the same data.

namespace oubliette::bench {
namespace {

constexpr std::uint64_t kPeople = 50'000;
constexpr std::size_t kBatch = 100;  // values per request
constexpr std::uint64_t kPeopleToErase = 20'000;
constexpr unsigned kRounds = 3;
constexpr const char* kNoopName = "GET /livez";
constexpr unsigned kClientThreads = 2;

// One kind of request. `next` as Load::next; connection numbers are below `connections`.
struct Case {
    std::string name;
    std::string unit;
    double units = 1;  // per request
    unsigned connections = 1;
    std::function<bool(ServedVault&, unsigned connection, std::string& out)> next;
};

struct Measured {
    Samples samples;
    std::chrono::duration<double> elapsed{0};
    std::chrono::duration<double> cpu{0};  // of the server

    [[nodiscard]] double per_second(double units) const {
        return elapsed.count() == 0
                   ? 0
                   : static_cast<double>(samples.count()) * units / elapsed.count();
    }
    [[nodiscard]] double cpu_per(double units) const {  // us
        return samples.count() == 0
                   ? 0
                   : cpu.count() * 1e6 / (static_cast<double>(samples.count()) * units);
    }
};

// The vaults of this run, made when first asked for.
struct Vaults {
    std::unique_ptr<ServedVault> server;
    std::unique_ptr<ServedVault> baseline;  // may be null
};

Vaults& vaults(const Settings& settings) {
    static Vaults made;
    if (made.server) return made;
    const std::uint64_t people = settings.people != 0 ? settings.people : kPeople;
    const auto make = [&](const std::filesystem::path& binary, const char* name) {
        auto vault =
            std::make_unique<ServedVault>(binary, settings.shared / name, settings.server_cores);
        vault->fill(people);
        return vault;
    };
    made.server = make(settings.server, "server");
    if (!settings.baseline.empty()) made.baseline = make(settings.baseline, "baseline");
    at_end([] { made = {}; });
    return made;
}

void load(ServedVault& vault, const Case& what, std::chrono::duration<double> duration,
          Measured& measured) {
    Load load;
    load.port = vault.port();
    load.ca = vault.ca();
    load.connections = what.connections;
    load.threads = kClientThreads;
    load.duration = duration;
    load.next = [&](unsigned connection, std::string& out) {
        return what.next(vault, connection, out);
    };
    const auto cpu = vault.cpu_time();
    const LoadOutcome outcome = run_load(load);
    measured.cpu += vault.cpu_time() - cpu;
    measured.samples.add(outcome.samples);
    measured.elapsed += outcome.elapsed;
}

Case noop(unsigned connections) {
    return {kNoopName, "requests", 1, connections, [](ServedVault&, unsigned, std::string& out) {
                append_get(out, "/livez");
                return true;
            }};
}

// Both in turns, with the noop beside each.
void run_case(const Settings& settings, const Output& output, const Case& what) {
    Vaults& served = vaults(settings);
    const bool has_baseline = served.baseline != nullptr;
    const bool has_noop = !settings.is_alone && what.name != kNoopName;
    const auto slice =
        settings.duration / (kRounds * ((has_baseline ? 2U : 1U) + (has_noop ? 1U : 0U)));
    Measured measured;
    Measured baseline;
    Measured empty;
    const Case reference = noop(what.connections);
    for (unsigned round = 0; round < kRounds; ++round) {
        if (has_noop) load(*served.server, reference, slice, empty);
        load(*served.server, what, slice, measured);
        if (!has_baseline) continue;
        load(*served.baseline, what, slice, baseline);
    }
    Result result;
    result.name = what.name + ", " + std::to_string(what.connections) + " connections";
    result.samples = measured.samples;
    result.elapsed = measured.elapsed;
    result.unit = what.unit;
    result.units_per_operation = what.units;
    const double cpu = measured.cpu_per(what.units);
    result.figures = {{"server_cpu_us_per_unit", cpu},
                      {"per_server_core_second", cpu == 0 ? 0 : 1e6 / cpu}};
    if (has_noop) {
        result.ratio = measured.per_second(what.units) / empty.per_second(1);
        result.reference = kNoopName;
        result.figures.emplace_back("noop_per_second", empty.per_second(1));
        result.figures.emplace_back("noop_server_cpu_us", empty.cpu_per(1));
    }
    if (has_baseline) {
        result.figures.emplace_back("throughput_to_baseline",
                                    measured.per_second(1) / baseline.per_second(1));
        result.figures.emplace_back("cpu_to_baseline", measured.cpu_per(1) / baseline.cpu_per(1));
        result.figures.emplace_back("baseline_cpu_us_per_unit", baseline.cpu_per(what.units));
    }
    output(result);
}

// ---- The cases -----------------------------------------------------------------------------

void run_noop(const Settings& settings, const Output& output) {
    run_case(settings, output, noop(settings.connections));
}

std::string detokenize_body(const ServedVault& vault, std::mt19937_64& random, std::size_t count) {
    std::string body = R"({"purpose":"own_account","tokens":[)";
    for (std::size_t i = 0; i < count; ++i) {
        body.append("\"").append(vault.token(random() % vault.token_count())).append("\",");
    }
    body.back() = ']';
    return body.append("}");
}

void run_detokenize(const Settings& settings, const Output& output, std::size_t count,
                    const std::string& name) {
    std::vector<std::mt19937_64> randoms;
    for (unsigned i = 0; i < settings.connections; ++i) randoms.emplace_back(settings.seed + i);
    run_case(settings, output,
             {name, "values", static_cast<double>(count), settings.connections,
              [&](ServedVault& vault, unsigned connection, std::string& out) {
                  append_post(out, "/v1/detokenize", vault.app_key(),
                              detokenize_body(vault, randoms[connection], count));
                  return true;
              }});
}

void run_detokenize_one(const Settings& settings, const Output& output) {
    run_detokenize(settings, output, 1, "one random token");
}

void run_detokenize_batch(const Settings& settings, const Output& output) {
    run_detokenize(settings, output, kBatch, "100 random tokens");
}

void run_tokenize_batch(const Settings& settings, const Output& output) {
    const ServedVault& vault = *vaults(settings).server;
    const std::uint64_t bytes = vault.store_bytes();
    Result space;
    space.name = "space of the people, their consents and the audit log";
    space.unit = "values";
    space.elapsed = std::chrono::seconds{1};
    space.figures = {
        {"bytes_per_value", static_cast<double>(bytes) / static_cast<double>(vault.token_count())}};
    output(space);
    run_case(settings, output,
             {"100 values of 20 new people", "values", kBatch, settings.connections,
              [](ServedVault& to, unsigned, std::string& out) {
                  to.append_new_people(out, kBatch / ServedVault::kFieldCount);
                  return true;
              }});
}

// What the disk takes for the smallest durable write, the reference of erasures.
void measure_durable_write(const Settings& settings, const Output& output) {
    constexpr std::size_t kPage = 4096;
    constexpr auto kDuration = std::chrono::milliseconds{500};
    const auto path = settings.directory / "page";
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) throw std::runtime_error("bench: a file cannot be made");
    std::array<char, kPage> page{};
    Result result;
    result.name = "reference: 4 KiB in place and fdatasync";
    result.unit = "writes";
    measure(result, kDuration, [&] {
        ++page[0];
        if (::pwrite(file, page.data(), kPage, 0) != static_cast<ssize_t>(kPage) ||
            ::fdatasync(file) != 0) {
            throw std::runtime_error("bench: a page cannot be written");
        }
    });
    ::close(file);
    output(result);
}

// Erases people that are made for it, until they are used up.
void run_erase(const Settings& settings, const Output& output) {
    Vaults& served = vaults(settings);
    std::array<std::pair<std::atomic<std::uint64_t>, std::uint64_t>, 2> ranges{};
    const auto prepare = [](ServedVault* vault, auto& range) {
        if (vault == nullptr) return;
        const std::uint64_t first = vault->people_count();
        const std::size_t kept = vault->token_count();
        vault->fill(kPeopleToErase);
        vault->keep_tokens(kept);
        range.first = first;
        range.second = first + kPeopleToErase;
    };
    prepare(served.server.get(), ranges[0]);
    prepare(served.baseline.get(), ranges[1]);
    for (const unsigned connections : {1U, 256U}) {
        measure_durable_write(settings, output);
        run_case(settings, output,
                 {connections == 1 ? "one after the other" : "many at once", "people", 1,
                  connections, [&](ServedVault& vault, unsigned, std::string& out) {
                      auto& [next, end] = ranges[&vault == served.server.get() ? 0 : 1];
                      const std::uint64_t number = next++;
                      if (number >= end) return false;
                      append_post(out, "/v1/subjects/" + ServedVault::subject(number) + "/erase",
                                  vault.officer_key(), R"({"ground":"no_longer_using"})");
                      return true;
                  }});
    }
}

const Registration kNoop{"noop_https", "GET /livez: what the front costs", run_noop};
const Registration kDetokenize{"detokenize_https", "one random token per request",
                               run_detokenize_one};
const Registration kDetokenizeBatch{"detokenize_batch_https", "100 random tokens per request",
                                    run_detokenize_batch};
const Registration kTokenizeBatch{"tokenize_batch_https",
                                  "100 new values of 20 new people per request, and bytes on disk",
                                  run_tokenize_batch};
const Registration kErase{"erase_https", "erasures until final, one by one and 256 at once",
                          run_erase};

}  // namespace
}  // namespace oubliette::bench
