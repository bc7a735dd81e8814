#include <random>

#include "bench/erasing_plane.hpp"
#include "bench/workload.hpp"

// Erasing and deriving with two real keepers on one disk: how long one erasure takes until it is
// final, how many are final per second when they come together, and what a key costs.

namespace oubliette::bench {
namespace {

using namespace oubliette::keys;

constexpr std::uint64_t kPeople = 1'000'000;
constexpr std::size_t kTogether[] = {16, 256, 4'096};

class Bench {
public:
    Bench(const Settings& settings, const Output& output)
        : output_(output),
          random_(settings.seed),
          share_(settings.duration / 6),
          plane_(settings.directory) {}

    void derive_people() {
        Result warm;
        warm.name = "item key of a cached person";
        std::uint64_t number = 0;
        crypto::ItemKey key;
        measure(warm, share_, [&] {
            (void)plane_.plane().item_key(kFirstTenant, SubjectNumber{number++ % 1'000}, 7, key);
        });
        output_(warm);
    }

    void derive_punctured() {
        Result cold;
        cold.name = "item key of a person with a dead item";
        for (std::uint64_t n = 0; n < 64; ++n) {
            plane_.submit({item_path(person_path(kFirstTenant, SubjectNumber{n}), 3)});
        }
        plane_.wait();
        std::uint64_t number = 0;
        crypto::ItemKey key;
        measure(cold, share_, [&] {
            (void)plane_.plane().item_key(kFirstTenant, SubjectNumber{number++ % 64}, 7, key);
        });
        output_(cold);
    }

    void erase(std::size_t together) {
        Result result;
        result.name = together == 1 ? "one erasure until it is final"
                                    : std::to_string(together) + " erasures until all are final";
        result.units_per_operation = static_cast<double>(together);
        result.unit = "erasures";
        measure(result, share_, [&] {
            for (std::size_t i = 0; i < together; ++i) plane_.submit({someone()});
            plane_.wait();
            if (plane_.remembered() > 8'192) plane_.forget();
        });
        output_(result);
        plane_.forget();
    }

private:
    Path someone() {
        return person_path(kFirstTenant, SubjectNumber{10'000 + random_() % kPeople});
    }

    const Output& output_;
    std::mt19937_64 random_;
    std::chrono::duration<double> share_;
    ErasingPlane plane_;
};

void run(const Settings& settings, const Output& output) {
    Bench bench{settings, output};
    bench.derive_people();
    bench.derive_punctured();
    bench.erase(1);
    for (const std::size_t together : kTogether) bench.erase(together);
}

const Registration kRegistration{"erase", "erasures with two keepers, and deriving keys", run};

}  // namespace
}  // namespace oubliette::bench
