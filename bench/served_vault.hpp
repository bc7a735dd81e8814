#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "bench/workload.hpp"

// A real vault behind HTTPS in a process of its own: `oubliette init` and `oubliette serve` of a
// binary, two keepers, everything durable, audit on; filled through its API with made-up people.
// Not thread-safe unless said.

namespace oubliette::bench {

struct Memory {
    std::uint64_t resident = 0;   // bytes, pages of mapped files included
    std::uint64_t anonymous = 0;  // bytes, without them
};

class ServedVault {
public:
    static constexpr std::size_t kFieldCount = 5;  // values per person
    static constexpr std::size_t kTokenSize = 77;  // characters

    // Makes a vault in `directory`, which must not exist, and serves it. `server_cores` > 0: on
    // the first so many cores only. Throws std::runtime_error.
    ServedVault(std::filesystem::path binary, std::filesystem::path directory,
                unsigned server_cores);
    ~ServedVault();  // ends the server and removes the directory
    ServedVault(const ServedVault&) = delete;
    ServedVault& operator=(const ServedVault&) = delete;

    // Stores so many new people and keeps their tokens.
    void fill(std::uint64_t people);
    [[nodiscard]] std::size_t token_count() const noexcept { return tokens_.size() / kTokenSize; }
    [[nodiscard]] std::string_view token(std::size_t index) const noexcept {
        return std::string_view{tokens_}.substr(index * kTokenSize, kTokenSize);
    }
    // Forgets all tokens after the first `count`: their people are about to go.
    void keep_tokens(std::size_t count) { tokens_.resize(count * kTokenSize); }

    // Appends a request that stores `people` new people, all their fields, and their consent.
    // Thread-safe.
    void append_new_people(std::string& request, std::uint64_t people);
    // People are numbered from 0 in the order they were made.
    [[nodiscard]] std::uint64_t people_count() const noexcept { return people_; }
    [[nodiscard]] static std::string subject(std::uint64_t number);

    void start();  // after stop()
    void stop();   // throws std::runtime_error unless the server exits with 0

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::filesystem::path ca() const { return directory_ / "keys/ca.pem"; }
    [[nodiscard]] const std::string& app_key() const noexcept { return app_key_; }
    [[nodiscard]] const std::string& officer_key() const noexcept { return officer_key_; }
    [[nodiscard]] std::chrono::duration<double> cpu_time() const;  // of the server until now
    [[nodiscard]] Memory memory() const;                           // of the server
    [[nodiscard]] std::uint64_t store_bytes() const;  // of the data plane's store, on disk
    [[nodiscard]] std::uint64_t process() const noexcept {
        return static_cast<std::uint64_t>(server_);
    }

private:
    void init();

    std::filesystem::path binary_;
    std::filesystem::path directory_;
    unsigned server_cores_;
    std::string app_key_;
    std::string officer_key_;
    std::string tokens_;  // kTokenSize characters each
    std::atomic<std::uint64_t> people_{0};
    pid_t server_ = -1;
    std::uint16_t port_ = 0;
};

}  // namespace oubliette::bench
