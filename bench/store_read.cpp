#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "bench/workload.hpp"
#include "vault/store/store.hpp"

// What a read costs before any cryptography: a snapshot alone, and a snapshot with one random get,
// by one thread and by four.

namespace oubliette::bench {
namespace {

constexpr std::uint64_t kRows = 1'000'000;
constexpr std::uint64_t kRowsPerWrite = 10'000;
constexpr std::size_t kValueSize = 100;  // bytes
constexpr int kBatch = 100;              // reads per sample: the clock costs 25 ns

using RowKey = std::array<Byte, 8>;

RowKey key_of(std::uint64_t number) {
    RowKey key{};
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<Byte>(number >> (8 * (key.size() - 1 - i)));
    }
    return key;
}

void fill(store::Store& to) {
    const Bytes value(kValueSize, 'v');
    for (std::uint64_t first = 0; first < kRows; first += kRowsPerWrite) {
        to.write([&](store::WriteView& view) {
            for (std::uint64_t i = 0; i < kRowsPerWrite; ++i) {
                view.put({0}, key_of(first + i), value);
            }
        });
    }
}

void read_randomly(const store::Store& from, std::uint64_t seed, bool with_get,
                   std::chrono::duration<double> duration, Result& result) {
    std::mt19937_64 random(seed);
    std::size_t bytes = 0;
    measure(result, duration, [&] {
        for (int i = 0; i < kBatch; ++i) {
            const auto view = from.read();
            if (with_get) bytes += view->get({0}, key_of(random() % kRows))->size();
        }
    });
    // So that the reads are not removed as unused.
    static std::atomic<std::size_t> sink{0};
    sink += bytes;
}

void run(const Settings& settings, const Output& output) {
    const auto opened = store::open_lmdb_store(settings.directory / "store", {"rows"}, {});
    fill(*opened);
    for (const bool with_get : {false, true}) {
        for (const unsigned threads : {1U, 4U}) {
            const std::string what = with_get ? "snapshot and random get" : "snapshot";
            std::vector<Result> results(threads);
            std::vector<std::thread> running;
            for (unsigned t = 0; t < threads; ++t) {
                running.emplace_back([&, t] {
                    read_randomly(*opened, settings.seed + t, with_get, settings.duration / 4,
                                  results[t]);
                });
            }
            for (std::thread& thread : running) thread.join();
            Result all = results[0];
            for (unsigned t = 1; t < threads; ++t) all.samples.add(results[t].samples);
            all.name = what + ", " + std::to_string(threads) + " threads, samples of " +
                       std::to_string(kBatch);
            all.unit = "reads";
            all.units_per_operation = kBatch;
            output(all);
        }
    }
}

const Registration kRegistration{
    "store_read", "a snapshot, and a random get among a million rows, 1 and 4 threads", run};

}  // namespace
}  // namespace oubliette::bench
