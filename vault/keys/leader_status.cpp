#include <algorithm>
#include <set>
#include <sys/stat.h>
#include <utility>

#include "vault/keys/leader.hpp"

// What the plane says of itself.

namespace oubliette::keys {
namespace {

KeeperState state_of(const Member* member) noexcept {
    if (member == nullptr) return KeeperState::unregistered;
    switch (member->status) {
    case MemberStatus::joining: return KeeperState::joining;
    case MemberStatus::active: return KeeperState::active;
    case MemberStatus::expelled: return KeeperState::expelled;
    }
    return KeeperState::unregistered;
}

void describe_member(const Member& member, KeeperStatus* out) {
    out->id = member.id;
    out->public_key = member.public_key;
    out->cell_class = member.cell_class;
    out->state = state_of(&member);
    out->last_epoch = member.last_epoch;
}

void describe_keeper(const Keeper& keeper, KeeperStatus* out) {
    out->public_key = keeper.public_key();
    out->cell_class = keeper.cell_class();
    out->seal = keeper.seal_name();
    out->epoch = keeper.is_whole() ? keeper.head().epoch : 0;
}

// A directory that never opened can only be that of the one registered keeper that is missing.
void name_the_missing(const std::vector<Member>& missing, std::vector<KeeperStatus>* places) {
    const auto is_nameless = [](const KeeperStatus& status) { return status.id == KeeperId{}; };
    const auto nameless = std::count_if(places->begin(), places->end(), is_nameless);
    const bool is_clear = nameless == 1 && missing.size() == 1;
    if (!is_clear) return;
    KeeperStatus& status = *std::find_if(places->begin(), places->end(), is_nameless);
    describe_member(missing.front(), &status);
}

}  // namespace

PlaneStatus Leader::status() const {
    PlaneStatus out;
    std::vector<std::shared_ptr<Keeper>> keepers;
    Members others;
    {
        const std::lock_guard lock{mutex_};
        out.vault = vault_;
        out.epoch = head_.epoch;
        out.term = term_;
        out.hash = head_.hash;
        out.waiting = queue_.size() + running_count_ + waiting_count_;
        out.scrub = scrub_;
        const auto scrubbed = registers_.find({RegisterKind::scrub_time, kVaultTenant, 0, 0});
        if (scrubbed != registers_.end()) {
            out.scrub.finished = {static_cast<std::uint32_t>(scrubbed->second)};
        }
        others = members_;
        for (const Place& place : places_) {
            KeeperStatus status;
            if (place.id) {
                status.id = *place.id;
                if (const Member* const member = find_member(members_, *place.id)) {
                    describe_member(*member, &status);
                }
                std::erase_if(others, [&](const Member& m) { return m.id == *place.id; });
            }
            status.directory = place.directory;
            status.online = place.is_in_sync;
            status.trouble = place.trouble;
            out.keepers.push_back(std::move(status));
            keepers.push_back(place.keeper);
        }
    }
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        KeeperStatus& status = out.keepers[i];
        struct stat file {};
        if (::stat(status.directory.c_str(), &file) == 0) status.device = file.st_dev;
        if (keepers[i]) describe_keeper(*keepers[i], &status);
    }
    Members missing;
    std::copy_if(others.begin(), others.end(), std::back_inserter(missing),
                 [](const Member& m) { return m.status != MemberStatus::expelled; });
    name_the_missing(missing, &out.keepers);
    for (const Member& member : others) {
        const bool is_named = std::any_of(out.keepers.begin(), out.keepers.end(),
                                          [&](const auto& k) { return k.id == member.id; });
        if (is_named) continue;
        KeeperStatus status;
        describe_member(member, &status);
        if (member.status != MemberStatus::expelled) {
            status.trouble =
                "it is registered, but no directory that opened is its: name it in "
                "the configuration, or expel it as lost";
        }
        out.keepers.push_back(std::move(status));
    }
    return out;
}

std::uint64_t Leader::epoch() const {
    const std::lock_guard lock{mutex_};
    return head_.epoch;
}

void Leader::confirm_ready() {
    for (const std::filesystem::path& directory : options_.keepers) {
        remove_durably(directory / kUnfinishedMark);
    }
}

bool shares_device(const PlaneStatus& status) {
    std::set<std::uint64_t> devices;
    return std::ranges::any_of(status.keepers, [&devices](const KeeperStatus& keeper) {
        const bool counts = keeper.state == KeeperState::active && keeper.device != 0;
        return counts && !devices.insert(keeper.device).second;
    });
}

}  // namespace oubliette::keys
