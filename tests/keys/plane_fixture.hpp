#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vault/keys/key_plane.hpp"

// A vault's keepers in a directory of their own, for tests of the key plane.

namespace oubliette::keys::test {

inline constexpr TenantId kTenant = kFirstTenant;

// Removed with everything in it when it goes.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

[[nodiscard]] SealSecret keyfile_seal(Byte fill = 0x5A);
[[nodiscard]] Revocation revocation_of(std::vector<Path> addresses);
[[nodiscard]] Path person(std::uint64_t number);
[[nodiscard]] Path item(std::uint64_t number, std::uint32_t item_number);

// What became of one submitted request; waits for it.
class Outcome {
public:
    [[nodiscard]] KeyPlane::OnRecorded on_recorded();
    [[nodiscard]] KeyPlane::OnFinal on_final();
    // False if it did not come within ten seconds.
    [[nodiscard]] bool wait_recorded();
    [[nodiscard]] bool wait_final();
    [[nodiscard]] bool is_final_within(std::chrono::milliseconds time);
    [[nodiscard]] bool had_fault();
    [[nodiscard]] Finality finality();

private:
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        int recorded = 0;
        bool had_fault = false;
        std::optional<Finality> finality;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct Vault {
    explicit Vault(std::size_t keeper_count = 2);

    TemporaryDirectory home;
    PlaneOptions options;
    VaultId id{};
    SystemClock clock;

    void init(const SealSecret& seal = keyfile_seal()) const;
    void confirm() const;
    [[nodiscard]] std::unique_ptr<KeyPlane> open(const SealSecret& seal = keyfile_seal()) const;
    [[nodiscard]] const std::filesystem::path& keeper(std::size_t i) const {
        return options.keepers[i];
    }
};

// Submits and waits until it is final; fails the test if it is not.
Finality revoke(KeyPlane& plane, const Revocation& revocation);

// The key at `path`, in hex, or the name of the state.
[[nodiscard]] std::string key_text(KeyPlane& plane, const Path& path);
[[nodiscard]] std::string item_text(KeyPlane& plane, std::uint64_t number, std::uint32_t item);

}  // namespace oubliette::keys::test
