#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "crypto/assert.hpp"

// Breadth-first search over every state that a model can reach. The first violation found is one
// with a shortest trace. States are remembered by a 64-bit fingerprint: two states out of n are
// taken for one with a probability of about n^2 / 2^65, which is 3e-6 for ten million. Not
// thread-safe.

namespace oubliette::model {

template <class State, class Action>
struct Exploration {
    struct Step {
        Action action;
        State state;
    };

    std::uint64_t state_count = 0;
    std::uint64_t transition_count = 0;
    unsigned depth = 0;
    bool is_complete = false;  // false: stopped at the limit, or at a violation
    std::string violation;     // empty: none
    std::vector<Step> trace;   // from the initial state to the violation
};

template <class State>
[[nodiscard]] std::uint64_t fingerprint_of(const State& state) {
    static_assert(std::has_unique_object_representations_v<State>, "padding would be hashed");
    std::array<std::uint64_t, (sizeof(State) + 7) / 8> words{};
    std::memcpy(words.data(), &state, sizeof(State));
    std::uint64_t hash = 0x9E37'79B9'7F4A'7C15;
    for (const std::uint64_t word : words) {
        hash = std::rotl(hash ^ (word * 0xBF58'476D'1CE4'E5B9), 29) * 0x94D0'49BB'1331'11EB;
    }
    hash ^= hash >> 31;
    return (hash * 0xD6E8'FEB8'6659'FD93) ^ (hash >> 29);
}

// The fingerprints seen so far, numbered in the order of discovery; open addressing.
class SeenStates {
public:
    SeenStates() : slots_(1U << 16, kFree) {}

    [[nodiscard]] std::uint32_t count() const {
        return static_cast<std::uint32_t>(fingerprints_.size());
    }
    // False if it was seen before.
    bool insert(std::uint64_t fingerprint) {
        std::size_t at = fingerprint & (slots_.size() - 1);
        while (slots_[at] != kFree) {
            if (fingerprints_[slots_[at]] == fingerprint) return false;
            at = (at + 1) & (slots_.size() - 1);
        }
        slots_[at] = count();
        fingerprints_.push_back(fingerprint);
        if (fingerprints_.size() * 2 > slots_.size()) grow();
        return true;
    }

private:
    static constexpr std::uint32_t kFree = 0xFFFF'FFFF;

    void grow() {
        slots_.assign(slots_.size() * 2, kFree);
        for (std::uint32_t i = 0; i < count(); ++i) {
            std::size_t at = fingerprints_[i] & (slots_.size() - 1);
            while (slots_[at] != kFree) at = (at + 1) & (slots_.size() - 1);
            slots_[at] = i;
        }
    }

    std::vector<std::uint64_t> fingerprints_;
    std::vector<std::uint32_t> slots_;
};

// `successors(state, emit)` calls emit(action, next) for every possible step; `check(from, to)`
// returns what is violated, or nullptr. A trace is found again by replaying the actions, so
// successors must be a function of its argument alone.
template <class State, class Action, class Successors, class Check>
[[nodiscard]] Exploration<State, Action> explore(const State& initial, Successors&& successors,
                                                 Check&& check, std::uint64_t state_count_max) {
    struct Origin {
        std::uint32_t parent;
        Action action;
    };
    Exploration<State, Action> result;
    SeenStates seen;
    std::vector<Origin> origins{{0, {}}};
    std::vector<std::pair<std::uint32_t, State>> level{{0, initial}};
    (void)seen.insert(fingerprint_of(initial));

    const auto trace_to = [&](std::uint32_t index, const Action& last, const State& end) {
        std::vector<Action> actions;
        for (; index != 0; index = origins[index].parent) actions.push_back(origins[index].action);
        State state = initial;
        for (auto action = actions.rbegin(); action != actions.rend(); ++action) {
            std::optional<State> next;
            successors(state, [&](const Action& taken, const State& to) {
                if (taken == *action) next = to;
            });
            OBL_ASSERT(next.has_value());
            state = *next;
            result.trace.push_back({*action, state});
        }
        result.trace.push_back({last, end});
    };

    while (!level.empty()) {
        std::vector<std::pair<std::uint32_t, State>> following;
        for (const auto& [index, state] : level) {
            successors(state, [&, index = index](const Action& action, const State& next) {
                if (!result.violation.empty()) return;
                ++result.transition_count;
                if (const char* const violated = check(state, next)) {
                    result.violation = violated;
                    trace_to(index, action, next);
                    return;
                }
                if (!seen.insert(fingerprint_of(next))) return;
                origins.push_back({index, action});
                following.emplace_back(seen.count() - 1, next);
            });
            result.state_count = seen.count();
            if (!result.violation.empty() || seen.count() >= state_count_max) return result;
        }
        level = std::move(following);
        ++result.depth;
    }
    result.is_complete = true;
    return result;
}

}  // namespace oubliette::model
