#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "vault/keys/path.hpp"
#include "vault/timed_set.hpp"

// How many different people each client reads in an hour (`subjects_per_hour` of its recipient,
// step 13 of MISSION 3.1). The hour slides: a person counts for an hour from the first read. In
// memory, at most 48 bytes for each person of a budget; a restart forgets. Thread-safe.

namespace oubliette {

class SubjectBudgets {
public:
    static constexpr std::uint32_t kWindow = 3'600;  // seconds

    SubjectBudgets();
    ~SubjectBudgets();

    // nullopt: the client may read this person, who counts from now on (unless `is_dry_run`).
    // Otherwise the seconds after which another person has room.
    [[nodiscard]] std::optional<std::uint32_t> take(std::uint16_t client, std::uint32_t budget,
                                                    keys::SubjectNumber subject,
                                                    std::uint32_t uptime, bool is_dry_run);

private:
    struct Window;
    [[nodiscard]] Window& window_of(std::uint16_t client);

    std::mutex mutex_;
    std::map<std::uint16_t, std::unique_ptr<Window>> windows_;
};

}  // namespace oubliette
