#include <algorithm>
#include <utility>

#include "vault/keys/leader.hpp"
#include "vault/keys/nursery.hpp"

// Enrolling and expelling keepers (PLANE.md, "Members"). The order of the steps is what makes every
// crash between two of them recoverable: the truth is in the member lists of the keepers.

namespace oubliette::keys {
namespace {

namespace fs = std::filesystem;

// True if nothing stands in the way but what creating it will tell.
std::optional<MembershipRefusal> judge_directory(const fs::path& directory,
                                                 const std::vector<fs::path>& apart_from) {
    if (!directory.is_absolute()) return MembershipRefusal::directory_relative;
    try {
        const fs::path path = resolved(directory);
        for (const fs::path& other : apart_from) {
            if (are_nested(path, resolved(other))) return MembershipRefusal::directory_nested;
        }
        const bool exists = fs::exists(path);
        if (exists ? !fs::is_directory(path) : !fs::is_directory(path.parent_path())) {
            return MembershipRefusal::directory_unusable;
        }
        if (!is_free_for_keeper(path, kJoiningMark)) return MembershipRefusal::directory_not_empty;
    } catch (const fs::filesystem_error&) {
        return MembershipRefusal::directory_unusable;
    }
    return std::nullopt;
}

// nullptr if the file system cannot overwrite in place.
std::shared_ptr<Keeper> make_keeper(const fs::path& directory, const VaultId& vault,
                                    const SealSecret& seal, bool accept_besteffort) {
    KeeperName name;
    name.vault = vault;
    crypto::random_bytes(name.keeper);
    try {
        return Keeper::create(directory, name, seal, accept_besteffort);
    } catch (const Fault& fault) {
        if (fault.kind() != FaultKind::configuration || accept_besteffort) throw;
        return nullptr;
    }
}

constexpr RegisterKind lease_of(std::uint16_t address_class) noexcept {
    return address_class == static_cast<std::uint16_t>(AddressClass::people)
               ? RegisterKind::person_lease
               : RegisterKind::handle_lease;
}

}  // namespace

// ---- What is refused. REQUIRES: membership_mutex_ is held.

std::optional<MembershipRefusal> Leader::judge_enrolment(
    const std::optional<KeeperId>& replaces) const {
    Members members;
    {
        const std::lock_guard lock{mutex_};
        members = members_;
    }
    if (replaces) {
        if (const auto refusal = judge_expulsion(*replaces, Expulsion::lost);
            refusal && *refusal != MembershipRefusal::last_keeper) {
            return refusal;
        }
    }
    if (members.size() >= kMemberCountMax ||
        registered_count(members) - (replaces ? 1 : 0) >= kKeeperCountMax) {
        return MembershipRefusal::too_many;
    }
    std::size_t agreeing = 0;
    for (const Member& member : members) {
        if (member.status == MemberStatus::expelled || member.id == replaces) continue;
        if (member.status == MemberStatus::joining) return MembershipRefusal::joining_already;
        if (!is_in_sync(member.id)) return MembershipRefusal::others_away;
        ++agreeing;
    }
    // The new keeper is filled by one that stays.
    if (agreeing == 0) return MembershipRefusal::last_keeper;
    return std::nullopt;
}

std::optional<MembershipRefusal> Leader::judge_expulsion(const KeeperId& id,
                                                         Expulsion expulsion) const {
    Members members;
    {
        const std::lock_guard lock{mutex_};
        members = members_;
    }
    const Member* const member = find_member(members, id);
    if (member == nullptr) return MembershipRefusal::keeper_unknown;
    if (member->status == MemberStatus::expelled) return MembershipRefusal::keeper_expelled;
    const auto is_other = [&](const Member& other) {
        return other.id != id && other.status == MemberStatus::active;
    };
    if (std::none_of(members.begin(), members.end(), is_other)) {
        return MembershipRefusal::last_keeper;
    }
    const bool can_agree = std::any_of(members.begin(), members.end(), [&](const Member& other) {
        return is_other(other) && is_in_sync(other.id);
    });
    if (!can_agree) return MembershipRefusal::others_away;
    if (expulsion == Expulsion::reachable && !is_in_sync(id)) {
        return MembershipRefusal::keeper_away;
    }
    return std::nullopt;
}

// ---- The configuration

std::vector<fs::path> Leader::directories() const {
    const std::lock_guard lock{mutex_};
    std::vector<fs::path> out;
    for (const Place& place : places_) {
        if (!place.is_forgotten) out.push_back(place.directory);
    }
    return out;
}

// What the configuration holds too much is found out at the next open, so this may fail.
void Leader::tell_directories() const noexcept {
    try {
        if (options_.keepers_changed) options_.keepers_changed(directories());
    } catch (const std::exception&) {
        // Told again at the next change or open.
    }
}

// ---- Enrol

EnrolAnswer Leader::enrol(const fs::path& directory, const std::optional<KeeperId>& replaces,
                          std::chrono::milliseconds wait) {
    const std::lock_guard one{membership_mutex_};
    EnrolAnswer answer;
    answer.refusal = judge_enrolment(replaces);
    if (answer.refusal) return answer;
    std::vector<fs::path> all = directories();
    std::vector<fs::path> apart_from = all;
    if (!options_.data.empty()) apart_from.push_back(options_.data);
    answer.refusal = judge_directory(directory, apart_from);
    if (answer.refusal) return answer;

    Place place;
    place.directory = resolved(directory);
    Nursery nursery{place.directory, kJoiningMark};
    place.keeper = make_keeper(place.directory, vault_, seal_, options_.accept_besteffort);
    if (!place.keeper) {
        answer.refusal = MembershipRefusal::directory_in_place;
        return answer;
    }
    place.id = place.keeper->name().keeper;
    answer.id = *place.id;
    all.push_back(place.directory);
    if (options_.keepers_changed) {
        try {
            options_.keepers_changed(all);
        } catch (...) {
            place.keeper.reset();  // its files are removed now
            throw;
        }
    }
    // From here on a keeper may know of it: whether it does is found out at the next open.
    nursery.keep();
    Task task;
    task.work = [&] { join(std::move(place), replaces); };
    run_alone(std::move(task));
    tell_directories();

    std::unique_lock lock{mutex_};
    (void)members_changed_.wait_for(lock, wait,
                                    [&] { return is_stopping_ || arrived_.contains(answer.id); });
    answer.is_active = arrived_.contains(answer.id);
    lock.unlock();
    if (replaces && answer.is_active) (void)open_new_banks();
    return answer;
}

// In the place of one that was forgotten, if its directory is used again.
void Leader::add_place(Place place) {
    const std::lock_guard lock{mutex_};
    const auto former = std::find_if(places_.begin(), places_.end(), [&](const Place& other) {
        return other.is_forgotten && !other.keeper && other.directory == place.directory;
    });
    if (former == places_.end()) {
        places_.push_back(std::move(place));
    } else {
        *former = std::move(place);
    }
}

// The group thread's part: register, then fill. Throws if no keeper could be written.
void Leader::join(Place place, const std::optional<KeeperId>& replaces) {
    const KeeperId id = *place.id;
    const fs::path directory = place.directory;
    Member member;
    member.id = id;
    member.public_key = place.keeper->public_key();
    member.cell_class = place.keeper->cell_class();
    add_place(std::move(place));
    Members members = members_;
    if (replaces) {
        if (!is_in_sync(*replaces)) jump_leases();
        members = with_expelled(std::move(members), *replaces, head_.epoch);
    }
    change_members(with_joining(std::move(members), member));
    remove_durably(directory / kJoiningMark);
    // It is filled now, or, if a keeper went away just now, when that one is back.
    const std::lock_guard lock{memory_mutex_};
    reconcile_places();
    forget_superfluous();
}

// ---- Expel

ExpelAnswer Leader::expel(const KeeperId& id, Expulsion expulsion) {
    const std::lock_guard one{membership_mutex_};
    ExpelAnswer answer;
    answer.refusal = judge_expulsion(id, expulsion);
    if (answer.refusal) return answer;
    Task task;
    task.work = [&] { answer.is_destroyed = expel_now(id, expulsion); };
    run_alone(std::move(task));
    tell_directories();
    if (expulsion == Expulsion::lost) answer.has_new_banks = open_new_banks();
    return answer;
}

// True if its anchors are destroyed.
bool Leader::expel_now(const KeeperId& id, Expulsion expulsion) {
    if (expulsion == Expulsion::lost) jump_leases();
    change_members(with_expelled(members_, id, head_.epoch));
    const std::lock_guard lock{memory_mutex_};
    retire_expelled();
    forget_superfluous();
    return std::any_of(places_.begin(), places_.end(),
                       [&](const Place& place) { return place.id == id && place.is_destroyed; });
}

// Rule N: the lost keeper may have known of numbers that nobody else does. Numbers go on in a bank
// that was never opened. Before the expulsion, so that no crash leaves the one without the other.
void Leader::jump_leases() {
    std::vector<std::pair<RegisterKey, std::uint64_t>> raised;
    {
        const std::lock_guard lock{mutex_};
        for (const auto& [key, next] : registers_) {
            if (key.kind != RegisterKind::next_bank) continue;
            raised.push_back({{lease_of(key.a), key.tenant, 0, 0}, next << 24});
        }
    }
    raise_registers(raised);
}

// Opens the banks that the leases jumped to. False if one has to wait: whoever needs a number of it
// opens it then.
bool Leader::open_new_banks() {
    RegisterMap registers;
    {
        const std::lock_guard lock{mutex_};
        registers = registers_;
    }
    bool all = true;
    for (const auto& [key, next] : registers) {
        if (key.kind != RegisterKind::next_bank) continue;
        if (read_register({lease_of(key.a), key.tenant, 0, 0}) >> 24 < next) continue;
        try {
            open_bank(key.tenant, static_cast<AddressClass>(key.a),
                      static_cast<std::uint16_t>(next));
        } catch (const Fault&) {
            all = false;
        }
    }
    return all;
}

}  // namespace oubliette::keys
