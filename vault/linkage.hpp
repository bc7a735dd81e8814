#pragma once

#include <array>
#include <memory>
#include <mutex>

#include "vault/keys/path.hpp"
#include "vault/policy/gate.hpp"
#include "vault/timed_set.hpp"

// Watches that no client brings together what a policy keeps apart (`never_together`, step 13 of
// MISSION 3.1): which fields of whom each client saw in the last ten minutes. In memory only, for
// clients whose recipient could complete a set at all; a restart forgets. Thread-safe.

namespace oubliette {

class LinkageWatch {
public:
    static constexpr std::uint32_t kWindow = 600;            // seconds
    static constexpr std::size_t kSightingsMax = 3'145'728;  // 64 MB; beyond it such reads wait

    LinkageWatch();
    ~LinkageWatch();

    struct Sighting {
        policy::RecipientId recipient{};
        std::uint16_t client = 0;
        keys::SubjectNumber subject;
        policy::FieldId field{};
    };
    // May the client see this field now? What is allowed counts as seen at once, so that requests
    // at the same moment do not slip through together. `is_dry_run`: nothing is counted.
    // Refuses: linkage, overloaded (too many people are watched; nothing is shown unwatched).
    [[nodiscard]] std::optional<Refusal> see(const policy::Gate& gate, const Sighting& sighting,
                                             std::uint32_t uptime, bool is_dry_run);

private:
    static constexpr std::size_t kShardCount = 64;
    struct Shard {
        std::mutex mutex;
        TimedSet seen{kWindow, kSightingsMax / kShardCount};
    };
    std::array<Shard, kShardCount> shards_;
};

}  // namespace oubliette
