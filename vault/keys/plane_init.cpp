#include <algorithm>
#include <utility>

#include "vault/keys/keeper.hpp"
#include "vault/keys/reconcile.hpp"

// KeyPlane::init: epochs 1 to 3 of KEYS 6.3 and the first banks.

namespace oubliette::keys {
namespace {

namespace fs = std::filesystem;

// A directory that init prepares. Unless kept, everything that init made in it is removed again.
class Nursery {
public:
    explicit Nursery(fs::path directory) : directory_(std::move(directory)) {
        std::error_code error;
        is_new_ = fs::create_directory(directory_, error);
        if (error) {
            throw Fault{FaultKind::configuration, "cannot make " + directory_.string() + ": " +
                                                      error.message() +
                                                      ": make its parent directory first"};
        }
        try {
            prepare();
        } catch (...) {
            if (is_new_) fs::remove_all(directory_, error);
            throw;
        }
    }
    Nursery(Nursery&& other) noexcept
        : directory_(std::move(other.directory_)),
          is_new_(other.is_new_),
          is_kept_(std::exchange(other.is_kept_, true)) {}
    Nursery& operator=(Nursery&&) = delete;
    Nursery(const Nursery&) = delete;
    Nursery& operator=(const Nursery&) = delete;
    ~Nursery() {
        if (is_kept_) return;
        std::error_code error;
        if (is_new_) {
            fs::remove_all(directory_, error);
        } else {
            clear();
        }
    }

    [[nodiscard]] const fs::path& directory() const noexcept { return directory_; }
    void keep() noexcept { is_kept_ = true; }

private:
    void prepare() {
        fs::permissions(directory_, fs::perms::owner_all);
        const fs::path mark = directory_ / kUnfinishedMark;
        // Only what an unconfirmed init left may be wiped, and only if nothing else is there.
        if (fs::exists(mark) && holds_only_keeper_files(directory_)) clear();
        if (!fs::is_empty(directory_)) {
            throw Fault{FaultKind::configuration, "keeper directory " + directory_.string() +
                                                      " is not empty: name an empty or a new one"};
        }
        create_file(mark, {});
    }

    // The anchors first: they are keys, the rest is not. Never throws.
    void clear() noexcept {
        try {
            {
                FileLock owner{directory_ / kOwnerLock};
                if (!owner.try_exclusive()) return;
                if (fs::exists(directory_ / kCellFile)) {
                    Cell cell{directory_ / kCellFile};
                    for (unsigned slot = 0; slot < kCellSlotCount; ++slot) cell.erase(slot);
                }
            }
            clear_files();
        } catch (const std::exception&) {
            clear_files();
        }
    }

    void clear_files() const noexcept {
        std::error_code error;
        std::vector<fs::path> files;
        for (fs::directory_iterator next{directory_, error}, end; !error && next != end;
             next.increment(error)) {
            if (next->path().filename() != kUnfinishedMark) files.push_back(next->path());
        }
        for (const fs::path& file : files) fs::remove_all(file, error);
        fs::remove(directory_ / kUnfinishedMark, error);  // last: it allows the wiping
    }

    fs::path directory_;
    bool is_new_ = false;
    bool is_kept_ = false;
};

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
    check_directories(options.keepers);
    std::vector<Nursery> nurseries;
    for (const fs::path& directory : options.keepers) nurseries.emplace_back(directory);
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
