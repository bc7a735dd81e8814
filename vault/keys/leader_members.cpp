#include <algorithm>
#include <utility>

#include "vault/keys/leader.hpp"
#include "vault/keys/nursery.hpp"

// Which keepers take part: what the member list says is compared with what is in the directories,
// and an enrolment or expulsion that was cut off goes on or is undone. Called by start() and by the
// group thread.

namespace oubliette::keys {
namespace {

std::string text_of_epoch(const Member& member) {
    return std::to_string(member.last_epoch + 1);
}

}  // namespace

bool Leader::is_in_sync(const KeeperId& id) const {
    const std::lock_guard lock{mutex_};
    return std::any_of(places_.begin(), places_.end(),
                       [&](const Place& place) { return place.is_in_sync && place.id == id; });
}

bool Leader::is_everyone_in_sync() const {
    Members members;
    {
        const std::lock_guard lock{mutex_};
        members = members_;
    }
    return std::all_of(members.begin(), members.end(), [&](const Member& member) {
        return member.status == MemberStatus::expelled || is_in_sync(member.id);
    });
}

// ---- Who may take part ----

// From here on its keeper takes part in nothing.
void Leader::refuse(Place& place, const std::string& trouble) {
    const std::lock_guard lock{mutex_};
    place.is_refused = true;
    place.is_in_sync = false;
    place.trouble = trouble;
}

void Leader::close(Place& place) {
    std::shared_ptr<Keeper> keeper;  // goes after the lock
    const std::lock_guard lock{mutex_};
    keeper.swap(place.keeper);
}

// A keeper that comes while others are in use cannot expel them: two leaders were at work, and a
// person has to say which one is right.
void Leader::refuse_accusers() {
    for (Place& place : places_) {
        if (!place.keeper || place.is_refused || place.is_in_sync || !place.keeper->is_whole()) {
            continue;
        }
        const std::optional<Witness> witness = hear(place);
        if (!witness) continue;
        const Members& says = witness->members;
        const bool accuses = std::any_of(places_.begin(), places_.end(), [&](const Place& other) {
            return other.is_in_sync && find_member(says, *other.id) != nullptr &&
                   !is_registered(says, *other.id);
        });
        if (!accuses) continue;
        refuse(place,
               "it says that keepers in use here were expelled: stop the vault, and name only the "
               "keepers of the part that is to go on");
        close(place);
    }
}

// What the keeper says, if that can be read.
std::optional<Witness> Leader::hear(Place& place) {
    try {
        return Witness{*place.id, place.keeper->head(), place.keeper->members()};
    } catch (const Fault& fault) {
        if (fault.kind() != FaultKind::corrupt) throw;
        {
            const std::lock_guard lock{mutex_};
            place.is_in_sync = false;
            place.trouble = fault.what();
        }
        close(place);
        return std::nullopt;
    }
}

// REQUIRES: memory_mutex_ is held.
void Leader::judge_places() {
    refuse_accusers();
    std::vector<Witness> witnesses;
    std::vector<Place*> owners;
    for (Place& place : places_) {
        const bool may_speak =
            place.keeper && !place.is_refused && !place.needs_restart && place.keeper->is_whole();
        if (!may_speak) continue;
        std::optional<Witness> witness = hear(place);
        if (!witness) continue;
        witnesses.push_back(std::move(*witness));
        owners.push_back(&place);
    }
    if (witnesses.empty()) {
        throw Fault{FaultKind::corrupt, "no keeper that counts opens: see status for the remedy"};
    }
    const std::optional<Verdict> verdict = judge(witnesses);
    if (!verdict) {
        throw Fault{FaultKind::configuration,
                    "the keepers of this vault expelled each other: name only those of the part "
                    "that is to go on"};
    }
    const Members members = witnesses[verdict->newest].members;
    for (Place& place : places_) {
        if (!place.keeper || place.is_refused) continue;
        const auto owner = std::find(owners.begin(), owners.end(), &place);
        const bool is_expelled =
            owner != owners.end() &&
            verdict->expelled[static_cast<std::size_t>(owner - owners.begin())];
        judge_place(place, members, is_expelled);
    }
    const bool is_running = !members_.empty();
    if (!is_running) adopt_members(members, witnesses[verdict->newest].head.epoch);
}

void Leader::judge_place(Place& place, const Members& members, bool is_expelled) {
    const Member* const member = find_member(members, *place.id);
    const bool was_expelled_here = member != nullptr && member->status == MemberStatus::expelled;
    if (is_expelled || was_expelled_here) {
        forget(place, "this keeper was expelled" +
                          (was_expelled_here ? " at epoch " + text_of_epoch(*member)
                                             : std::string{" by another one"}) +
                          " and may not come back: remove its directory, or empty it and enrol it "
                          "as a new keeper");
        return;
    }
    if (member != nullptr) {
        remove_durably(place.directory / kJoiningMark);
        return;
    }
    // One that was never registered is undone, once it is closed.
    refuse(place,
           "it is not registered in this vault: empty its directory and enrol it, or name another "
           "one");
    close(place);
}

// The member list as of `epoch`, and what follows from it for the places.
void Leader::adopt_members(const Members& members, std::uint64_t epoch) {
    const std::lock_guard lock{mutex_};
    if (members_ == members) return;
    members_ = members;
    members_epoch_ = epoch;
    for (Place& place : places_) {
        const Member* const member = place.id ? find_member(members, *place.id) : nullptr;
        if (member == nullptr || member->status != MemberStatus::expelled) continue;
        place.is_in_sync = false;
        place.is_refused = true;
        place.is_forgotten = true;
        place.trouble = "it was expelled at epoch " + text_of_epoch(*member);
    }
}

// ---- What follows ----

// True if the keeper holds nothing that those in use do not: it is expelled, and went nowhere
// since. One that went on by itself is only refused: what was done there may be nowhere else.
bool Leader::may_retire(const Place& place) const {
    const Member* const member = find_member(members_, *place.id);
    if (member == nullptr || member->status != MemberStatus::expelled) return false;
    return !place.keeper->is_whole() || place.keeper->head().epoch <= member->last_epoch;
}

// Anchors of expelled keepers that can be reached are overwritten, but not while a new keeper is
// being filled: until then there may be only one other copy. Whatever was erased after the
// expulsion is not final before this, because the new keeper has not acknowledged.
// REQUIRES: memory_mutex_ is held.
void Leader::retire_expelled() {
    const bool is_filling = std::any_of(members_.begin(), members_.end(), [&](const Member& m) {
        return m.status == MemberStatus::joining && !is_in_sync(m.id);
    });
    if (is_filling) return;
    for (Place& place : places_) {
        if (!place.keeper || !place.is_refused || !place.is_forgotten) continue;
        std::string trouble = place.trouble;
        bool is_destroyed = false;
        try {
            if (may_retire(place)) {
                place.keeper->retire();
                is_destroyed = true;
                trouble += "; its anchors were overwritten, so that nothing in it opens any more";
            } else {
                trouble += "; it went on by itself since, so its anchors were left: destroy them";
            }
        } catch (const Fault& fault) {
            trouble += "; its cell could not be overwritten (" + std::string{fault.what()} +
                       "): destroy its disk";
        }
        {
            const std::lock_guard lock{mutex_};
            place.trouble = trouble;
            place.is_destroyed = is_destroyed;
        }
        close(place);
    }
}

// What an enrolment left that was cut off before any keeper knew of it. The mark goes before the
// first page comes, so nothing is lost with it.
void Leader::undo_unfinished() {
    for (Place& place : places_) {
        const bool is_unfinished =
            !place.keeper && std::filesystem::exists(place.directory / kJoiningMark);
        if (!is_unfinished) continue;
        wipe_keeper(place.directory, kJoiningMark);
        forget(
            place,
            "its enrolment was cut off before it was registered, and was undone: enrol it again");
    }
}

// When every registered keeper is there, the directories that did not open hold none.
void Leader::forget_superfluous() {
    if (!is_everyone_in_sync()) return;
    for (Place& place : places_) {
        if (place.keeper || place.is_refused) continue;
        forget(place,
               "no registered keeper is missing, so it is not one of them: it was taken out of the "
               "configuration");
    }
}

void Leader::forget(Place& place, const std::string& trouble) {
    refuse(place, trouble);
    const std::lock_guard lock{mutex_};
    place.is_forgotten = true;
}

// A keeper that was filled becomes active. If that fails it is tried again at the next look.
void Leader::promote_joined() {
    std::vector<KeeperId> ids;
    for (const Member& member : members_) {
        if (member.status == MemberStatus::joining && is_in_sync(member.id)) {
            ids.push_back(member.id);
        }
    }
    if (ids.empty()) return;
    try {
        change_members(with_active(members_, ids));
    } catch (const Fault&) {
        return;  // no keeper could be written: status says so
    }
    settle();
    const std::lock_guard lock{mutex_};
    arrived_.insert(ids.begin(), ids.end());
    members_changed_.notify_all();
}

// One epoch in which nothing changes but the list. Throws if no keeper took it.
void Leader::change_members(const Members& members) {
    Tasks tasks(1);
    tasks.front().is_alone = true;
    const std::optional<Advance> change = prepare(tasks, members);
    OBL_ASSERT(change.has_value());  // it rewrites one page
    {
        const std::lock_guard lock{mutex_};
        ++running_count_;
    }
    std::optional<Fault> fault = apply(*change, tasks);
    if (!fault) return;
    {
        const std::lock_guard lock{mutex_};
        --running_count_;
    }
    throw Fault{*fault};
}

}  // namespace oubliette::keys
