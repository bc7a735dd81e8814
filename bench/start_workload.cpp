#include <random>

#include "bench/load_client.hpp"
#include "bench/served_vault.hpp"

// How long a vault takes from its start until it serves, index included, and what memory it needs.

namespace oubliette::bench {
namespace {

constexpr std::uint64_t kPeople = 200'000;
constexpr std::size_t kDetokenizations = 200'000;
constexpr std::size_t kBatch = 100;
constexpr int kStarts = 3;
constexpr double kMebibyte = 1024 * 1024;

void detokenize_randomly(const ServedVault& vault, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::size_t left = kDetokenizations / kBatch;
    Load load;
    load.port = vault.port();
    load.ca = vault.ca();
    load.connections = 4;
    load.next = [&](unsigned, std::string& out) {
        if (left == 0) return false;
        --left;
        std::string body = R"({"purpose":"own_account","tokens":[)";
        for (std::size_t i = 0; i < kBatch; ++i) {
            body.append("\"").append(vault.token(random() % vault.token_count())).append("\",");
        }
        body.back() = ']';
        append_post(out, "/v1/detokenize", vault.app_key(), body.append("}"));
        return true;
    };
    (void)run_load(load);
}

void run(const Settings& settings, const Output& output) {
    ServedVault vault{settings.server, settings.directory / "vault", settings.server_cores};
    vault.fill(settings.people != 0 ? settings.people : kPeople);
    Result starts;
    starts.name = std::to_string(vault.token_count()) + " values";
    starts.unit = "starts";
    std::chrono::duration<double> cpu{0};
    for (int i = 0; i < kStarts; ++i) {
        vault.stop();
        const auto before = Clock::now();
        vault.start();
        const auto time = Clock::now() - before;
        starts.samples.record(time);
        starts.elapsed += time;
        cpu += vault.cpu_time();
    }
    const Memory fresh = vault.memory();
    detokenize_randomly(vault, settings.seed);
    const Memory used = vault.memory();
    starts.figures = {
        {"server_cpu_seconds_per_start", cpu.count() / kStarts},
        {"resident_mib_after_start", static_cast<double>(fresh.resident) / kMebibyte},
        {"anonymous_mib_after_start", static_cast<double>(fresh.anonymous) / kMebibyte},
        {"resident_mib_after_reads", static_cast<double>(used.resident) / kMebibyte},
        {"anonymous_mib_after_reads", static_cast<double>(used.anonymous) / kMebibyte}};
    output(starts);
}

const Registration kRegistration{
    "start_to_ready", "start with a million values until it serves, and the memory it takes", run};

}  // namespace
}  // namespace oubliette::bench
