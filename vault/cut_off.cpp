#include <algorithm>

#include "vault/core.hpp"
#include "vault/tables.hpp"

// Groups of keys that one request destroys: all tokens of a recipient, a region, a bank, the whole
// tenant. Works on the raw transaction: cutting off must be possible when no policy is in force.

namespace oubliette {
namespace {

using keys::RegisterKind;
using keys::RevocationScope;
using keys::SystemKind;

constexpr std::uint64_t kPeopleEnd = std::uint64_t{1} << 36;
constexpr unsigned kIndexBits = 24;  // of a person's number within the bank

// What a recipient was given; each kind has keys of its own with numbers of their own.
constexpr SystemKind kGivenOut[] = {SystemKind::token, SystemKind::token_row,
                                    SystemKind::pseudonym};

// What the committing work found; handed on after the commit.
struct CutOffWork {
    std::optional<Refusal> refusal;
    ErasureAnswer answer;
    Core::Revoking revoking;
    std::optional<std::pair<keys::SubjectNumber, keys::SubjectNumber>> people;  // [from, to)
};

keys::RegisterKey kid_key(const Core& core, SystemKind kind, std::uint16_t recipient) {
    return {RegisterKind::kid, core.tenant, static_cast<std::uint16_t>(kind), recipient};
}

// All keys that the recipient's tokens, token rows and pseudonyms ever had. The next ones come
// first, and to the keepers: no token must be made with a key that is about to die, and no older
// copy of the data may ask for it again.
std::optional<Refusal> name_recipient(Core& core, const store::ReadView& view,
                                      std::string_view name, CutOffWork& work) {
    const auto recipient = Policies::find_id(view, policy::NameKind::recipient, name);
    if (!recipient) return Refusal::not_found;
    std::vector<std::pair<keys::RegisterKey, std::uint64_t>> next;
    for (const SystemKind kind : kGivenOut) {
        const auto key = kid_key(core, kind, *recipient);
        const std::uint16_t kid = core.kid_of(kind, policy::RecipientId{*recipient});
        constexpr std::uint16_t kLast = 0xFFFE;
        if (kid >= kLast) {
            throw Fault{FaultKind::storage_full, "all token keys of this recipient are used"};
        }
        next.emplace_back(key, std::uint64_t{kid} + 1);
        std::ranges::copy(
            keys::system_kids_paths(core.tenant, static_cast<std::uint8_t>(kind), *recipient, kid),
            std::back_inserter(work.revoking.row.revocation.addresses));
    }
    core.plane->raise_registers(next);
    return std::nullopt;
}

std::optional<Refusal> name_region(Core& core, const store::ReadView& view, std::string_view name,
                                   CutOffWork& work) {
    const auto region = Policies::find_id(view, policy::NameKind::region, name);
    if (!region) return Refusal::not_found;
    work.revoking.row.revocation.addresses = {keys::region_path(core.tenant, *region)};
    return std::nullopt;
}

// A bank that is not open yet would become unusable.
std::optional<Refusal> name_bank(Core& core, std::uint16_t bank, CutOffWork& work) {
    const auto people = static_cast<std::uint16_t>(keys::AddressClass::people);
    const std::uint64_t next =
        core.plane->read_register({RegisterKind::next_bank, core.tenant, people, 0});
    if (bank >= next) return Refusal::not_found;
    work.revoking.row.revocation.addresses = {
        keys::bank_path(core.tenant, keys::AddressClass::people, bank)};
    const keys::SubjectNumber from{std::uint64_t{bank} << kIndexBits};
    const keys::SubjectNumber to{(std::uint64_t{bank} + 1) << kIndexBits};
    work.people = {from, to};
    core.leave_bank(bank);
    return std::nullopt;
}

std::optional<Refusal> name_tenant(Core& core, std::string_view name, CutOffWork& work) {
    if (name != core.tenant_name) return Refusal::value_invalid;
    work.revoking.row.revocation.addresses = {keys::tenant_path(core.tenant)};
    work.people = {keys::SubjectNumber{0}, keys::SubjectNumber{kPeopleEnd}};
    return std::nullopt;
}

std::optional<Refusal> name_keys(Core& core, const store::ReadView& view, const CutOff& what,
                                 CutOffWork& work) {
    switch (what.scope) {
    case RevocationScope::recipient: return name_recipient(core, view, what.name, work);
    case RevocationScope::region: return name_region(core, view, what.name, work);
    case RevocationScope::bank: return name_bank(core, what.bank, work);
    case RevocationScope::tenant: return name_tenant(core, what.name, work);
    case RevocationScope::subject:
    case RevocationScope::field:
    case RevocationScope::category:
    case RevocationScope::consent:
    case RevocationScope::client:
    case RevocationScope::token_key:
    case RevocationScope::superseded:
    case RevocationScope::retention_day: break;
    }
    OBL_ASSERT(false && "not a group of keys");
    return Refusal::malformed;
}

bool is_dead(Core& core, const std::vector<keys::Path>& addresses) {
    return std::ranges::all_of(addresses, [&core](const keys::Path& path) {
        return core.plane->derive(path).state == keys::NodeState::dead;
    });
}

// The rows and the entry of a cut-off, all in this transaction.
void accept(Core& core, store::WriteView& view, const Caller& caller, const CutOff& what,
            CutOffWork& work) {
    keys::Revocation& revocation = work.revoking.row.revocation;
    revocation.scope = what.scope;
    crypto::random_bytes(revocation.id);
    crypto::random_bytes(revocation.blind);
    crypto::random_bytes(work.answer.opening);
    const std::string name =
        what.scope == RevocationScope::bank ? std::to_string(what.bank) : std::string{what.name};
    revocation.opening_commitment = commitment_of(work.answer.opening, name);
    work.revoking.row.due = core.now();
    view.use_reserve();
    core.enqueue(view, work.revoking.row);

    ErasureRow& row = work.answer.erasure;
    row.id = revocation.id;
    row.scope = revocation.scope;
    row.accepted = core.now();
    row.commitment = revocation.opening_commitment;
    row.blind = revocation.blind;
    row.addresses = sorted_addresses(revocation);
    write_erasure(view, row);
    work.answer.first = true;

    PendingEntry entry;
    entry.entry.action = audit::Action::cut_off;
    entry.entry.time = core.now();
    entry.entry.actor = caller.client;
    entry.entry.object = revocation.id;
    core.append_entry(view, entry);
}

void cut_off_in(Core& core, store::WriteView& view, const Caller& caller, const CutOff& what,
                CutOffWork& work) {
    work = {};
    work.refusal = name_keys(core, view, what, work);
    if (!work.refusal && is_dead(core, work.revoking.row.revocation.addresses)) {
        work.refusal = Refusal::erased;
    }
    if (!work.refusal) return accept(core, view, caller, what, work);
    PendingEntry entry;
    entry.entry.action = audit::Action::cut_off;
    entry.entry.refusal = work.refusal;
    entry.entry.time = core.now();
    entry.entry.actor = caller.client;
    core.append_entry(view, entry);
}

// Rows that nothing opens any more. Those of a region go with their people, those of a recipient
// do not exist.
Core::RemoveRows rows_of(Core& core, const CutOffWork& work) {
    if (!work.people) return {};
    return [&core, range = *work.people](store::WriteView& view, std::size_t count_max) {
        return core.people->remove_rows(view, range.first, range.second, count_max);
    };
}

}  // namespace

void Vault::cut_off(const Caller& caller, const CutOff& what, Done<ErasureAnswer> done,
                    std::function<void(const ErasureRow&)> on_final) {
    const auto work = std::make_shared<CutOffWork>();
    Core& core = *core_;
    core.submit_raw(
        [&core, work, caller, what](store::WriteView& view) {
            cut_off_in(core, view, caller, what, *work);
        },
        [&core, work, done = std::move(done), on_final = std::move(on_final)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            if (work->refusal) return done(*work->refusal, nullptr);
            const RevocationScope scope = work->answer.erasure.scope;
            work->revoking.on_final = on_final;
            work->revoking.remove_rows = rows_of(core, *work);
            core.revoke(std::move(work->revoking),
                        [work, done](const Fault* failed) { done(work->answer, failed); });
            // The keys are dead: what memory still knows of them goes now.
            if (work->people) core.index.remove_people(work->people->first, work->people->second);
            if (scope == RevocationScope::tenant) core.clients->publish_none();
        });
}

// A bank that is about to die gets no new people. Committer's thread.
void Core::leave_bank(std::uint16_t bank) {
    const keys::RegisterKey lease{keys::RegisterKind::person_lease, tenant, 0, 0};
    const std::uint64_t end = (std::uint64_t{bank} + 1) << kIndexBits;
    const std::uint64_t next = plane->read_register(lease);
    if (keys::SubjectNumber{next}.bank() == bank) plane->raise_registers({{lease, end}});
    if (keys::SubjectNumber{next_number_}.bank() == bank) next_number_ = lease_end_ = 0;
}

}  // namespace oubliette
