#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "vault/keys/key_plane.hpp"

// A key plane with two real keepers and nothing around it, for measuring what erasures cost. One
// thread at a time.

namespace oubliette::bench {

class ErasingPlane {
public:
    // Makes the keepers in `directory`. Throws Fault.
    explicit ErasingPlane(const std::filesystem::path& directory);
    ~ErasingPlane();
    ErasingPlane(const ErasingPlane&) = delete;
    ErasingPlane& operator=(const ErasingPlane&) = delete;

    [[nodiscard]] keys::KeyPlane& plane() noexcept { return *plane_; }
    [[nodiscard]] const std::vector<std::filesystem::path>& keepers() const noexcept {
        return options_.keepers;
    }

    // One request of its own for the addresses; returns before it is final.
    void submit(std::vector<keys::Path> addresses);
    // Until all that was submitted is final.
    void wait();
    // As a vault does when it has recorded the ends: keepers forget the requests.
    void forget();
    [[nodiscard]] std::size_t remembered() const noexcept { return ids_.size(); }

    // Ends the plane: its files can be looked at. Nothing else may be called afterwards.
    void close() { plane_.reset(); }

private:
    class Finals;

    keys::PlaneOptions options_;
    SystemClock clock_;
    std::unique_ptr<Finals> finals_;
    std::size_t submitted_ = 0;
    std::vector<keys::RequestId> ids_;
    std::unique_ptr<keys::KeyPlane> plane_;  // last: its thread uses the rest
};

}  // namespace oubliette::bench
