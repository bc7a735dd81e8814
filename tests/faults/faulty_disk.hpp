#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>

#include "tests/faults/file_calls.hpp"

// A disk that fails at the k-th call of a kind: once, from then on for all files of the directory
// it happened in (one device is broken), or from then on for all of them. Flushes cost nothing and
// do nothing otherwise: the process lives on, so the page cache is the truth.

namespace oubliette::faults {

enum class CallGroup : std::uint8_t { reading, writing, flushing, opening, naming };
[[nodiscard]] const char* name_of(CallGroup group) noexcept;

enum class Spread : std::uint8_t { once, device, everything };
[[nodiscard]] const char* name_of(Spread spread) noexcept;

struct DiskFault {
    CallGroup group{};
    int error = 0;  // errno; 0: the call says that it happened
    Spread spread = Spread::once;
    bool happens_anyway = false;  // the call is carried out, and its error is a lie
};
[[nodiscard]] std::string text_of(const DiskFault& fault);

class FaultyDisk final : public FileCallHook {
public:
    // Looks only at calls on files below `home`.
    explicit FaultyDisk(std::filesystem::path home) : home_(std::move(home)) {}

    // Counts calls of the group from now on and fails the `at`-th (1 is the next); 0: only counts.
    void arm(const DiskFault& fault, std::uint64_t at);
    void disarm();
    [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }
    [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }

    long on_call(FileCall& call) noexcept override;

private:
    // The first directory below home that the call's file is in; "" if it is elsewhere.
    [[nodiscard]] std::string device_of(const FileCall& call) const;
    [[nodiscard]] bool must_fail(const FileCall& call);

    const std::filesystem::path home_;
    UnsyncedDisk disk_;
    std::mutex mutex_;
    std::atomic<bool> is_armed_{false};
    DiskFault fault_;
    std::uint64_t at_ = 0;
    std::string broken_device_;
    bool is_broken_ = false;
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> failed_{0};
};

}  // namespace oubliette::faults
