#include <algorithm>
#include <utility>

#include "vault/keys/keeper.hpp"
#include "vault/keys/nursery.hpp"
#include "vault/keys/reconcile.hpp"

// KeyPlane::init: epochs 1 to 3 of KEYS 6.3 and the first banks.

namespace oubliette::keys {
namespace {

namespace fs = std::filesystem;

using Keepers = std::vector<std::shared_ptr<Keeper>>;

// The next epoch after `first`'s head, on all of `keepers`.
void run_epoch(const Keepers& keepers, const Members& members, std::vector<Path> opens) {
    const Keeper& first = *keepers.front();
    const RootSlot root = first.read_root();
    const PlaneHead head = first.head();
    const GroupOrder order{first.name().vault, head, head.epoch + 1, head.term, members, root};
    std::optional<Advance> change;
    {
        const auto source = first.store();
        const auto view = source->read();
        const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
        change = prepare_group(order, {}, std::move(opens), pages);
    }
    OBL_ASSERT(change.has_value());
    for (const std::shared_ptr<Keeper>& keeper : keepers) (void)keeper->advance(*change);
}

Members members_of(const Keepers& keepers, MemberStatus others) {
    Members members;
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        members.push_back({keepers[i]->name().keeper, keepers[i]->public_key(),
                           keepers[i]->cell_class(), i == 0 ? MemberStatus::active : others, 0});
    }
    std::sort(members.begin(), members.end(),
              [](const Member& a, const Member& b) { return a.id < b.id; });
    return members;
}

void make_plane(const Keepers& keepers, TenantId tenant) {
    constexpr std::uint64_t kFirstTerm = 1;
    Keeper& first = *keepers.front();
    first.found(kFirstTerm);
    // A keeper counts for finality before it receives the first page: one that was listed after
    // the copy could hold keys that an erasure in between did not reach.
    run_epoch({keepers.front()}, members_of(keepers, MemberStatus::joining), {});
    for (std::size_t i = 1; i < keepers.size(); ++i) {
        (void)keepers[i]->rebuild(first.read_root(), *first.store(), first.steps_after(0),
                                  first.members(), {}, 0);
    }
    const Members members = members_of(keepers, MemberStatus::active);
    run_epoch(keepers, members, {});
    std::vector<Path> banks;
    Memory memory;
    for (const AddressClass address_class : {AddressClass::people, AddressClass::handles}) {
        banks.push_back(bank_path(tenant, address_class, 0));
        memory.registers[{RegisterKind::next_bank, tenant,
                          static_cast<std::uint16_t>(address_class), 0}] = 1;
    }
    run_epoch(keepers, members, std::move(banks));
    memory.registers[{RegisterKind::term, kVaultTenant, 0, 0}] = kFirstTerm;
    for (const std::shared_ptr<Keeper>& keeper : keepers) keeper->write_memory(memory);
}

}  // namespace

void KeyPlane::init(const PlaneOptions& options, const VaultId& vault, TenantId tenant,
                    const SealSecret& seal) {
    constexpr std::size_t kKeepersMin = 2;
    check_directories(options.keepers, options.data, kKeepersMin);
    std::vector<Nursery> nurseries;
    for (const fs::path& directory : options.keepers) {
        nurseries.emplace_back(directory, kUnfinishedMark);
    }
    {
        Keepers keepers;
        for (const Nursery& nursery : nurseries) {
            KeeperName name;
            name.vault = vault;
            crypto::random_bytes(name.keeper);
            keepers.push_back(
                Keeper::create(nursery.directory(), name, seal, options.accept_besteffort));
        }
        make_plane(keepers, tenant);
    }
    for (Nursery& nursery : nurseries) nursery.keep();
}

}  // namespace oubliette::keys
