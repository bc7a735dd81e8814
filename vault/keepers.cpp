#include <algorithm>

#include "vault/core.hpp"

// The verbs of key operators: who the keepers are, fresh anchors, a new bank, scrubbing.

namespace oubliette {
namespace {

constexpr unsigned kIndexBits = 24;  // of a person's number within its bank

PendingEntry entry_of(const Core& core, const Caller& caller, audit::Action action) {
    PendingEntry pending;
    pending.entry.action = action;
    pending.entry.time = core.now();
    pending.entry.actor = caller.client;
    return pending;
}

// After what it records: a keeper has no id before it is made. Without it the answer is a fault,
// and status tells what was done.
void record(Core& core, PendingEntry pending) {
    core.run_raw([&](store::WriteView& view) {
        PendingEntry entry = pending;
        core.append_entry(view, entry);
    });
}

std::optional<Refusal> refusal_in_log(const std::optional<keys::MembershipRefusal>& refusal) {
    return refusal ? std::optional{refusal_of(*refusal)} : std::nullopt;
}

void warn_of_keeper(const keys::KeeperStatus& keeper, std::vector<std::string>& warnings) {
    const bool is_registered =
        keeper.state == keys::KeeperState::active || keeper.state == keys::KeeperState::joining;
    if (keeper.state == keys::KeeperState::joining) {
        warnings.emplace_back("a keeper is still being filled: erasures wait for it");
    }
    if (!is_registered && !keeper.trouble.empty() && !keeper.directory.empty()) {
        warnings.emplace_back(
            "a keeper that is configured was refused: see `oubliette keeper list`");
    }
    if (!is_registered) return;
    if (!keeper.online) warnings.emplace_back("a keeper is offline: erasures wait for it");
    if (keeper.online && keeper.cell_class == keys::CellClass::besteffort) {
        warnings.emplace_back(
            "a keeper's file system cannot overwrite in place: receipts say class B");
    }
    if (keeper.seal == "keyfile") {
        warnings.emplace_back(
            "a keeper is sealed by a key file: whoever reads it and the cell has all keys");
    }
}

}  // namespace

Refusal refusal_of(keys::MembershipRefusal refusal) noexcept {
    switch (refusal) {
    case keys::MembershipRefusal::keeper_unknown: return Refusal::not_found;
    case keys::MembershipRefusal::directory_relative:
    case keys::MembershipRefusal::directory_unusable:
    case keys::MembershipRefusal::directory_nested:
    case keys::MembershipRefusal::directory_not_empty:
    case keys::MembershipRefusal::directory_in_place: return Refusal::value_invalid;
    case keys::MembershipRefusal::keeper_expelled:
    case keys::MembershipRefusal::keeper_away:
    case keys::MembershipRefusal::last_keeper:
    case keys::MembershipRefusal::others_away:
    case keys::MembershipRefusal::joining_already:
    case keys::MembershipRefusal::too_many: return Refusal::wrong_state;
    }
    return Refusal::wrong_state;
}

std::vector<std::string> warnings_of(const VaultStatus& status) {
    std::vector<std::string> warnings;
    const std::vector<keys::KeeperStatus>& keepers = status.plane.keepers;
    const auto active =
        std::ranges::count(keepers, keys::KeeperState::active, &keys::KeeperStatus::state);
    if (status.answers_overdue > 0) {
        warnings.emplace_back(
            "a subject request was not answered in time: see `oubliette request "
            "list`");
    }
    if (status.recalls_overdue > 0) {
        warnings.emplace_back("a recipient did not acknowledge a recall for seven days");
    }
    if (active < 2) {
        warnings.emplace_back(
            "there is one keeper only: if its disk dies, every key is gone; enrol another");
    }
    if (keys::shares_device(status.plane)) {
        warnings.emplace_back(
            "TWO KEEPERS SHARE A DEVICE: when it dies, every key is gone and with it everything "
            "that is stored; move one keeper to another device");
    }
    for (const keys::KeeperStatus& keeper : keepers) warn_of_keeper(keeper, warnings);
    if (status.plane.scrub.unrepairable > 0) {
        warnings.emplace_back(
            "pages of the key tree are damaged in every keeper: the keys below them are lost");
    }
    if (status.poison_opened > 0) {
        warnings.emplace_back(
            "A POISON TOKEN WAS OPENED: somebody reads what they should not have; the audit "
            "entries "
            "poison_opened name the client");
    }
    if (status.damaged_rows > 0) {
        warnings.emplace_back(
            "stored rows are damaged: restore a backup, and check it first with a drill");
    }
    if (status.overdue_notices > 0) {
        warnings.emplace_back(
            "somebody was not told in time of a break-glass order: tell them, and record it with "
            "`oubliette order notice`; the officer's orders are blocked until then");
    }
    if (status.rolled_back) {
        warnings.emplace_back(
            "an older copy of the data is served: what was revoked since stays revoked, what was "
            "stored since is missing");
    }
    std::ranges::sort(warnings);
    const auto repeated = std::ranges::unique(warnings);
    warnings.erase(repeated.begin(), repeated.end());
    return warnings;
}

Core::Guest::Guest(Core& core) : core_(core) {
    const std::scoped_lock lock{core_.guests_mutex_};
    ++core_.guests_;
}

Core::Guest::~Guest() {
    const std::scoped_lock lock{core_.guests_mutex_};
    --core_.guests_;
    core_.guest_left_.notify_all();
}

// ---- Keepers

keys::EnrolAnswer Vault::enrol_keeper(const Caller& caller, const std::filesystem::path& directory,
                                      const std::optional<keys::KeeperId>& replaces,
                                      std::chrono::milliseconds wait) {
    const Core::Guest guest{*core_};
    const keys::EnrolAnswer answer = core_->plane->enrol(directory, replaces, wait);
    PendingEntry pending = entry_of(*core_, caller, audit::Action::keeper_enrol);
    pending.entry.refusal = refusal_in_log(answer.refusal);
    pending.entry.object = answer.id;
    record(*core_, pending);
    if (replaces && !answer.refusal) {
        pending.entry.action = audit::Action::keeper_expel;
        pending.entry.object = *replaces;
        record(*core_, pending);
        core_->drop_lease();
    }
    return answer;
}

keys::ExpelAnswer Vault::expel_keeper(const Caller& caller, const keys::KeeperId& keeper,
                                      keys::Expulsion expulsion) {
    const Core::Guest guest{*core_};
    const keys::ExpelAnswer answer = core_->plane->expel(keeper, expulsion);
    PendingEntry pending = entry_of(*core_, caller, audit::Action::keeper_expel);
    pending.entry.refusal = refusal_in_log(answer.refusal);
    pending.entry.object = keeper;
    record(*core_, pending);
    if (!answer.refusal && expulsion == keys::Expulsion::lost) core_->drop_lease();
    return answer;
}

keys::ScrubStatus Vault::scrub(const Caller& caller) {
    const Core::Guest guest{*core_};
    const keys::ScrubStatus status = core_->plane->scrub();
    PendingEntry pending = entry_of(*core_, caller, audit::Action::scrub);
    if (status.unrepairable > 0) pending.entry.refusal = Refusal::integrity;
    record(*core_, pending);
    return status;
}

// ---- Keys

KeyStatus Vault::key_status() const {
    const auto next_bank = [&](keys::AddressClass address_class) {
        return core_->plane->read_register({keys::RegisterKind::next_bank, core_->tenant,
                                            static_cast<std::uint16_t>(address_class), 0});
    };
    KeyStatus status;
    status.plane = core_->plane->status();
    status.people_banks = next_bank(keys::AddressClass::people);
    status.handle_banks = next_bank(keys::AddressClass::handles);
    const keys::SubjectNumber next{
        core_->plane->read_register({keys::RegisterKind::person_lease, core_->tenant, 0, 0})};
    status.people_bank = next.bank();
    return status;
}

void Vault::rotate_anchor() {
    const Core::Guest guest{*core_};
    core_->plane->advance();
}

std::uint16_t Vault::rotate_bank(const Caller& caller) {
    const Core::Guest guest{*core_};
    const std::uint16_t bank = core_->rotate_bank();
    PendingEntry pending = entry_of(*core_, caller, audit::Action::bank_open);
    pending.entry.object[0] = static_cast<std::uint8_t>(bank);
    pending.entry.object[1] = static_cast<std::uint8_t>(bank >> 8);
    record(*core_, pending);
    return bank;
}

// The bank first, on all keepers (Rule N), and the numbers after it: a failure between the two
// leaves a bank that the leases reach by themselves one day.
std::uint16_t Core::rotate_bank() {
    constexpr std::uint16_t kBankReserved = 0xFFF;
    constexpr auto kPeople = static_cast<std::uint16_t>(keys::AddressClass::people);
    const std::uint64_t next =
        plane->read_register({keys::RegisterKind::next_bank, tenant, kPeople, 0});
    if (next >= kBankReserved) {
        throw Fault{FaultKind::storage_full, "all banks of this tenant are used"};
    }
    const auto bank = static_cast<std::uint16_t>(next);
    plane->open_bank(tenant, keys::AddressClass::people, bank);
    plane->raise_registers(
        {{{keys::RegisterKind::person_lease, tenant, 0, 0}, next << kIndexBits}});
    drop_lease();
    return bank;
}

// The next person gets a number of a new lease.
void Core::drop_lease() {
    run_raw([this](store::WriteView&) { next_number_ = lease_end_ = 0; });
}

}  // namespace oubliette
