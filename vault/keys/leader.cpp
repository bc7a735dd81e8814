#include "vault/keys/leader.hpp"

#include <algorithm>
#include <utility>

namespace oubliette::keys {

Leader::~Leader() {
    stop();
}

void Leader::stop() {
    {
        const std::lock_guard lock{mutex_};
        is_stopping_ = true;
    }
    wake_.notify_all();
    members_changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    for (Task& task : queue_) {
        if (!task.done) continue;
        const Fault fault{FaultKind::storage, "the key plane was closed"};
        task.done->set_exception(std::make_exception_ptr(fault));
    }
    queue_.clear();
}

std::unique_ptr<KeyPlane> KeyPlane::open(const PlaneOptions& options, const SealSecret& seal,
                                         const Clock& clock) {
    check_directories(options.keepers, options.data, 1);
    std::unique_ptr<Leader> leader;
    try {
        leader = std::make_unique<Leader>(options, seal, clock);
    } catch (const std::runtime_error& error) {  // no locked memory; it names the remedy
        throw Fault{FaultKind::configuration, error.what()};
    }
    leader->start();
    return leader;
}

// ---- Keys ----

NodeState Leader::fixed_key(TenantId tenant, SubjectNumber number, crypto::Seed& out) {
    Derived derived =
        tree_.derive_of_person(tenant, number, fixed_path(person_path(tenant, number)));
    out = std::move(derived.seed);
    return derived.state;
}

NodeState Leader::item_key(TenantId tenant, SubjectNumber number, std::uint32_t item,
                           crypto::ItemKey& out) {
    const Derived derived =
        tree_.derive_of_person(tenant, number, item_path(person_path(tenant, number), item));
    out = crypto::ItemKey{derived.seed.expose()};
    return derived.state;
}

NodeState Leader::implicit_marker(TenantId tenant, SubjectNumber number, unsigned marker) {
    return tree_
        .derive_of_person(tenant, number, implicit_marker_path(person_path(tenant, number), marker))
        .state;
}

// ---- Revoking ----

void Leader::submit(Revocation revocation, OnRecorded recorded, OnFinal final) {
    std::vector<Path>& addresses = revocation.addresses;
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    tree_.mark_dead(addresses);
    Task task;
    task.revocation = std::move(revocation);
    task.recorded = std::move(recorded);
    task.final = std::move(final);
    {
        const std::lock_guard lock{mutex_};
        queue_.push_back(std::move(task));
    }
    wake_.notify_all();
}

void Leader::open_bank(TenantId tenant, AddressClass people_or_handles, std::uint16_t bank) {
    const RegisterKey next_bank{RegisterKind::next_bank, tenant,
                                static_cast<std::uint16_t>(people_or_handles), 0};
    if (bank < read_register(next_bank)) {
        throw Fault{FaultKind::conflict, "this bank is in use"};  // somebody else opened it
    }
    if (!is_everyone_in_sync()) {
        throw Fault{FaultKind::storage,
                    "a keeper is away: a new bank waits until all of them are reachable"};
    }
    Task task;
    task.opens.push_back(bank_path(tenant, people_or_handles, bank));
    run_alone(std::move(task));
    raise_registers({{next_bank, std::uint64_t{bank} + 1}});
}

void Leader::advance() {
    run_alone({});
}

}  // namespace oubliette::keys
