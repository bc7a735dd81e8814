#include "vault/committer.hpp"

#include <array>
#include <atomic>
#include <semaphore>

#include "bench/workload.hpp"

// Rows per second through the committer when W works wait for it, each of one appended 100 B row:
// what many clients with one small write each get out of group commit.

namespace oubliette::bench {
namespace {

constexpr std::size_t kValueSize = 100;  // bytes

Bytes key_of(std::uint64_t number) {
    Bytes key(8);
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<Byte>(number >> (8 * (key.size() - 1 - i)));
    }
    return key;
}

void run_case(const Settings& settings, std::size_t waiting, const Output& output) {
    const auto opened = store::open_lmdb_store(
        settings.directory / ("store" + std::to_string(waiting)), {"rows"}, {});
    Result result{.name = std::to_string(waiting) + " works waiting",
                  .samples = {},
                  .reference = {},
                  .figures = {}};
    result.unit = "works";
    const Bytes value(kValueSize, 'v');
    std::counting_semaphore<> free_places(static_cast<std::ptrdiff_t>(waiting));
    const auto start = Clock::now();
    {
        Committer committer(*opened);
        for (std::uint64_t number = 0; Clock::now() - start < settings.duration / 3; ++number) {
            free_places.acquire();
            const auto submitted = Clock::now();
            committer.submit(
                [&value, number](store::WriteView& view) { view.put({0}, key_of(number), value); },
                [&, submitted](const Fault* fault) {
                    if (fault == nullptr) result.samples.record(Clock::now() - submitted);
                    free_places.release();
                });
        }
    }
    result.elapsed = Clock::now() - start;
    output(result);
}

void run(const Settings& settings, const Output& output) {
    for (const std::size_t waiting : {std::size_t{1}, std::size_t{64}, std::size_t{512}}) {
        run_case(settings, waiting, output);
    }
}

const Registration kRegistration{"committer",
                                 "works of one appended 100 B row with 1, 64 and 512 waiting", run};

}  // namespace
}  // namespace oubliette::bench
