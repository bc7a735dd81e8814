#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <stdexcept>

#include "bench/workload.hpp"
#include "vault/keys/key_plane.hpp"

// Erasing and deriving with two real keepers on one disk: how long one erasure takes until it is
// final, how many are final per second when they come together, and what a key costs.

namespace oubliette::bench {
namespace {

using namespace oubliette::keys;

constexpr std::uint64_t kPeople = 1'000'000;
constexpr std::size_t kTogether[] = {16, 256, 4'096};

// Waits until a number of requests are final.
class Finals {
public:
    void one() {
        const std::lock_guard lock{mutex_};
        ++count_;
        changed_.notify_all();
    }
    void wait(std::size_t count) {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return count_ >= count; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t count_ = 0;
};

class Bench {
public:
    Bench(const Settings& settings, const Output& output)
        : output_(output), random_(settings.seed), share_(settings.duration / 6) {
        options_.keepers = {settings.directory / "keeper1", settings.directory / "keeper2"};
        options_.accept_besteffort = true;
        const SealSecret seal{SealType::keyfile, crypto::SecretBytes{Bytes(32, 0x5A)}};
        KeyPlane::init(options_, VaultId{1}, kFirstTenant, seal);
        options_.finish_init = true;
        plane_ = KeyPlane::open(options_, seal, clock_);
        plane_->confirm_ready();
    }

    void derive_people() {
        Result warm;
        warm.name = "item key of a cached person";
        std::uint64_t number = 0;
        crypto::ItemKey key;
        measure(warm, share_, [&] {
            (void)plane_->item_key(kFirstTenant, SubjectNumber{number++ % 1'000}, 7, key);
        });
        output_(warm);
    }

    void derive_punctured() {
        Result cold;
        cold.name = "item key of a person with a dead item";
        for (std::uint64_t n = 0; n < 64; ++n) {
            submit({item_path(person_path(kFirstTenant, SubjectNumber{n}), 3)});
        }
        finals_.wait(submitted_);
        std::uint64_t number = 0;
        crypto::ItemKey key;
        measure(cold, share_, [&] {
            (void)plane_->item_key(kFirstTenant, SubjectNumber{number++ % 64}, 7, key);
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
            for (std::size_t i = 0; i < together; ++i) submit({someone()});
            finals_.wait(submitted_);
            if (ids_.size() > 8'192) forget();
        });
        output_(result);
        forget();
    }

private:
    Path someone() {
        return person_path(kFirstTenant, SubjectNumber{10'000 + random_() % kPeople});
    }

    void submit(std::vector<Path> addresses) {
        Revocation request;
        crypto::random_bytes(request.id);
        crypto::random_bytes(request.blind);
        request.addresses = std::move(addresses);
        ids_.push_back(request.id);
        ++submitted_;
        plane_->submit(
            std::move(request), [](const Fault*) {}, [this](const Finality&) { finals_.one(); });
    }

    void forget() {
        plane_->forget(ids_);
        ids_.clear();
    }

    const Output& output_;
    std::mt19937_64 random_;
    std::chrono::duration<double> share_;
    PlaneOptions options_;
    SystemClock clock_;
    Finals finals_;
    std::size_t submitted_ = 0;
    std::vector<RequestId> ids_;
    std::unique_ptr<KeyPlane> plane_;  // last: its thread uses the rest
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
