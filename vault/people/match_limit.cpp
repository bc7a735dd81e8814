#include "vault/people/match_limit.hpp"

namespace oubliette::people {
namespace {

bool is_old(std::uint32_t at, Timestamp now) noexcept {
    return now.seconds >= at && now.seconds - at >= MatchLimit::kWindow;
}

}  // namespace

bool MatchLimit::may_try(keys::SubjectNumber number, std::uint16_t field, Timestamp now) {
    const std::scoped_lock lock{mutex_};
    const Key key{number.local, field};
    if (!failures_.contains(key) && failures_.size() >= kEntriesMax) forget_old(now);
    if (!failures_.contains(key) && failures_.size() >= kEntriesMax) return false;
    auto& tries = failures_[key];
    while (!tries.empty() && is_old(tries.front(), now)) tries.pop_front();
    if (tries.size() >= kFailuresMax) return false;
    tries.push_back(now.seconds);
    return true;
}

void MatchLimit::right(keys::SubjectNumber number, std::uint16_t field) {
    const std::scoped_lock lock{mutex_};
    const auto found = failures_.find({number.local, field});
    if (found == failures_.end()) return;
    if (!found->second.empty()) found->second.pop_back();
    if (found->second.empty()) failures_.erase(found);
}

void MatchLimit::forget_old(Timestamp now) {
    std::erase_if(failures_, [now](const auto& entry) {
        return entry.second.empty() || is_old(entry.second.back(), now);
    });
}

}  // namespace oubliette::people
