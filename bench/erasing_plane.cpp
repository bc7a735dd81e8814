#include "bench/erasing_plane.hpp"

#include <condition_variable>
#include <mutex>

namespace oubliette::bench {

using namespace oubliette::keys;

// Waits until a number of requests are final.
class ErasingPlane::Finals {
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

ErasingPlane::ErasingPlane(const std::filesystem::path& directory)
    : finals_(std::make_unique<Finals>()) {
    options_.keepers = {directory / "keeper1", directory / "keeper2"};
    options_.accept_besteffort = true;
    const SealSecret seal{SealType::keyfile, crypto::SecretBytes{Bytes(32, 0x5A)}};
    KeyPlane::init(options_, VaultId{1}, kFirstTenant, seal);
    options_.finish_init = true;
    plane_ = KeyPlane::open(options_, seal, clock_);
    plane_->confirm_ready();
}

ErasingPlane::~ErasingPlane() = default;

void ErasingPlane::submit(std::vector<Path> addresses) {
    Revocation request;
    crypto::random_bytes(request.id);
    crypto::random_bytes(request.blind);
    request.addresses = std::move(addresses);
    ids_.push_back(request.id);
    ++submitted_;
    plane_->submit(
        std::move(request), [](const Fault*) {}, [this](const Finality&) { finals_->one(); });
}

void ErasingPlane::wait() {
    finals_->wait(submitted_);
}

void ErasingPlane::forget() {
    plane_->forget(ids_);
    ids_.clear();
}

}  // namespace oubliette::bench
