#include "vault/people/match_limit.hpp"

namespace oubliette::people {
namespace {

bool is_old(std::uint32_t at, Timestamp now) noexcept {
    return at + MatchLimit::kWindow <= now.seconds;
}

}  // namespace

bool MatchLimit::may_try(keys::SubjectNumber number, std::uint16_t field, Timestamp now) {
    const std::scoped_lock lock{mutex_};
    const auto found = failures_.find({number.local, field});
    if (found == failures_.end()) {
        if (failures_.size() >= kEntriesMax) forget_old(now);
        return failures_.size() < kEntriesMax;
    }
    while (!found->second.empty() && is_old(found->second.front(), now)) found->second.pop_front();
    return found->second.size() < kFailuresMax;
}

void MatchLimit::failed(keys::SubjectNumber number, std::uint16_t field, Timestamp now) {
    const std::scoped_lock lock{mutex_};
    failures_[{number.local, field}].push_back(now.seconds);
}

void MatchLimit::forget_old(Timestamp now) {
    std::erase_if(failures_, [now](const auto& entry) {
        return entry.second.empty() || is_old(entry.second.back(), now);
    });
}

}  // namespace oubliette::people
