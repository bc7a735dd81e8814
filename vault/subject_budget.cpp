#include "vault/subject_budget.hpp"

#include <algorithm>
#include <deque>

namespace oubliette {
namespace {

constexpr std::size_t kBudgetMax = 1'000'000'000;  // of a policy (rule_readers.cpp)

}  // namespace

// Who counts, and since when, oldest first.
struct SubjectBudgets::Window {
    std::mutex mutex;
    TimedSet people{kWindow, kBudgetMax};
    std::deque<std::uint32_t> since;

    void forget_old(std::uint32_t now) {
        while (!since.empty() && now - since.front() >= kWindow) since.pop_front();
    }
};

SubjectBudgets::SubjectBudgets() = default;
SubjectBudgets::~SubjectBudgets() = default;

SubjectBudgets::Window& SubjectBudgets::window_of(std::uint16_t client) {
    const std::scoped_lock lock{mutex_};
    auto& window = windows_[client];
    if (!window) window = std::make_unique<Window>();
    return *window;
}

std::optional<std::uint32_t> SubjectBudgets::take(std::uint16_t client, std::uint32_t budget,
                                                  keys::SubjectNumber subject, std::uint32_t uptime,
                                                  bool is_dry_run) {
    Window& window = window_of(client);
    const std::scoped_lock lock{window.mutex};
    const std::uint64_t person = mixed_key(subject.local);
    if (window.people.holds(person, uptime)) return std::nullopt;
    window.forget_old(uptime);
    if (window.since.size() >= budget) {
        return std::max<std::uint32_t>(1, window.since.front() + kWindow - uptime);
    }
    if (is_dry_run) return std::nullopt;
    (void)window.people.put(person, uptime);
    window.since.push_back(uptime);
    return std::nullopt;
}

}  // namespace oubliette
