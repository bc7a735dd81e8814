#pragma once

#include <deque>
#include <map>
#include <mutex>

#include "vault/clock.hpp"
#include "vault/keys/path.hpp"

// Bounds guessing by `match`: a person's field takes 5 wrong candidates an hour, whoever tries.
// In memory; a restart forgives. Thread-safe.

namespace oubliette::people {

class MatchLimit {
public:
    static constexpr std::size_t kFailuresMax = 5;
    static constexpr std::uint32_t kWindow = 3'600;     // seconds
    static constexpr std::size_t kEntriesMax = 65'536;  // beyond it all further tries wait

    // True if another try is allowed now. It counts as a failure until right() takes it back, so
    // that tries at the same moment do not all slip through.
    [[nodiscard]] bool may_try(keys::SubjectNumber number, std::uint16_t field, Timestamp now);
    // The last allowed try named the right value.
    void right(keys::SubjectNumber number, std::uint16_t field);

private:
    using Key = std::pair<std::uint64_t, std::uint16_t>;
    void forget_old(Timestamp now);

    std::mutex mutex_;
    std::map<Key, std::deque<std::uint32_t>> failures_;
};

}  // namespace oubliette::people
