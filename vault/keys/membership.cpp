#include "vault/keys/membership.hpp"

#include <algorithm>
#include <utility>

#include "crypto/assert.hpp"

namespace oubliette::keys {
namespace {

bool is_expelled(const Members& members, const KeeperId& id) noexcept {
    const Member* const member = find_member(members, id);
    return member != nullptr && member->status == MemberStatus::expelled;
}

bool permits_step(const Member& before, const Member& after) noexcept {
    if (before.public_key != after.public_key || before.cell_class != after.cell_class) {
        return false;
    }
    if (before.status == MemberStatus::expelled) return after == before;
    if (after.status == MemberStatus::expelled) return true;
    const bool is_step_back =
        before.status == MemberStatus::active && after.status == MemberStatus::joining;
    return !is_step_back && after.last_epoch == 0;
}

}  // namespace

const Member* find_member(const Members& members, const KeeperId& id) noexcept {
    const auto found = std::lower_bound(
        members.begin(), members.end(), id,
        [](const Member& member, const KeeperId& wanted) { return member.id < wanted; });
    return found != members.end() && found->id == id ? &*found : nullptr;
}

bool is_registered(const Members& members, const KeeperId& id) noexcept {
    const Member* const member = find_member(members, id);
    return member != nullptr && member->status != MemberStatus::expelled;
}

std::size_t registered_count(const Members& members) noexcept {
    return static_cast<std::size_t>(std::count_if(
        members.begin(), members.end(),
        [](const Member& member) { return member.status != MemberStatus::expelled; }));
}

Members with_joining(Members members, Member joining) {
    OBL_ASSERT(find_member(members, joining.id) == nullptr);
    joining.status = MemberStatus::joining;
    joining.last_epoch = 0;
    const auto place =
        std::upper_bound(members.begin(), members.end(), joining,
                         [](const Member& a, const Member& b) { return a.id < b.id; });
    members.insert(place, joining);
    return members;
}

Members with_active(Members members, std::span<const KeeperId> ids) {
    for (Member& member : members) {
        const bool is_named = std::find(ids.begin(), ids.end(), member.id) != ids.end();
        if (is_named && member.status == MemberStatus::joining) {
            member.status = MemberStatus::active;
        }
    }
    return members;
}

Members with_expelled(Members members, const KeeperId& id, std::uint64_t last_epoch) {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const Member& member) { return member.id == id; });
    OBL_ASSERT(found != members.end());
    found->status = MemberStatus::expelled;
    found->last_epoch = last_epoch;
    return members;
}

bool permits_change(const Members& before, const Members& after, Steps steps) noexcept {
    if (after.size() > kMemberCountMax) return false;
    for (const Member& member : before) {
        const Member* const now = find_member(after, member.id);
        if (now == nullptr || !permits_step(member, *now)) return false;
    }
    if (steps == Steps::several) return true;
    return std::all_of(after.begin(), after.end(), [&](const Member& member) {
        return member.status == MemberStatus::joining || find_member(before, member.id) != nullptr;
    });
}

std::optional<Verdict> judge(const std::vector<Witness>& witnesses) {
    const std::size_t count = witnesses.size();
    const auto accuses = [&](std::size_t by, std::size_t whom) {
        return by != whom && is_expelled(witnesses[by].members, witnesses[whom].id);
    };
    std::vector<bool> is_clean(count, true);
    for (std::size_t by = 0; by < count; ++by) {
        for (std::size_t whom = 0; whom < count; ++whom) {
            if (accuses(by, whom)) is_clean[whom] = false;
        }
    }
    Verdict verdict;
    verdict.expelled.assign(count, false);
    for (std::size_t by = 0; by < count; ++by) {
        for (std::size_t whom = 0; is_clean[by] && whom < count; ++whom) {
            if (accuses(by, whom)) verdict.expelled[whom] = true;
        }
    }
    const auto rank = [&](std::size_t i) {
        return std::pair{witnesses[i].head.term, witnesses[i].head.epoch};
    };
    if (std::find(is_clean.begin(), is_clean.end(), true) == is_clean.end()) return std::nullopt;
    std::optional<std::size_t> newest;
    for (std::size_t i = 0; i < count; ++i) {
        if (verdict.expelled[i]) continue;
        if (!newest || rank(i) > rank(*newest)) newest = i;
    }
    OBL_ASSERT(newest.has_value());  // who is clean was not expelled
    verdict.newest = *newest;
    for (std::size_t whom = 0; whom < count; ++whom) {
        if (accuses(*newest, whom)) verdict.expelled[whom] = true;
    }
    return verdict;
}

std::string_view name_of(KeeperState state) noexcept {
    switch (state) {
    case KeeperState::unregistered: return "unregistered";
    case KeeperState::joining: return "joining";
    case KeeperState::active: return "active";
    case KeeperState::expelled: return "expelled";
    }
    return "";
}

std::string_view remedy_of(MembershipRefusal refusal) noexcept {
    switch (refusal) {
    case MembershipRefusal::keeper_unknown:
        return "No keeper has this id: see `oubliette keeper list`.";
    case MembershipRefusal::keeper_expelled:
        return "This keeper was expelled before, and that is for ever; enrol a new one.";
    case MembershipRefusal::keeper_away:
        return "The keeper is not reachable: bring it back, or call it lost if it is gone for "
               "good.";
    case MembershipRefusal::last_keeper:
        return "Without this keeper every key would be gone: enrol another one first.";
    case MembershipRefusal::others_away:
        return "Every other keeper must agree, and one is not reachable: bring it back, or expel "
               "or "
               "replace it first.";
    case MembershipRefusal::joining_already:
        return "Another keeper is still being filled: wait until it is active, or expel it.";
    case MembershipRefusal::too_many:
        return "There are as many keepers as there may be: expel one first.";
    case MembershipRefusal::directory_relative:
        return "Name the keeper's directory by an absolute path on the server.";
    case MembershipRefusal::directory_unusable:
        return "The directory cannot be made or used: make its parent, and let the server's user "
               "write there.";
    case MembershipRefusal::directory_nested:
        return "A keeper lies neither in another keeper nor in the data directory, and not around "
               "them: name a directory apart from both.";
    case MembershipRefusal::directory_not_empty:
        return "The directory is not empty: name an empty or a new one.";
    case MembershipRefusal::directory_in_place:
        return "The file system of this directory cannot overwrite in place (or not provably), and "
               "the vault accepts only that: choose ext4 or xfs.";
    }
    return "";
}

}  // namespace oubliette::keys
