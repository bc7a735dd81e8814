#include <algorithm>
#include <utility>

#include "vault/keys/leader.hpp"
#include "vault/keys/reconcile.hpp"

// Keepers that come and go: opening, reconciling, leaving out, trying again.

namespace oubliette::keys {
namespace {

using namespace std::chrono_literals;

constexpr auto kRetryFirst = 1s;
constexpr auto kRetryLongest = 60s;
constexpr auto kReadersWait = 2s;  // for readers of a store that is to be closed

std::string key_of(const RequestId& id) {
    return std::string{text_of(id)};
}

}  // namespace

// ---- Opening ----

void Leader::open_place(Place& place) {
    place.keeper.reset();
    place.is_in_sync = false;
    place.fault.reset();
    try {
        if (!options_.finish_init && std::filesystem::exists(place.directory / kUnfinishedMark)) {
            throw Fault{FaultKind::configuration,
                        "the vault's init was not finished: run init again"};
        }
        place.keeper = Keeper::open(place.directory, seal_);
        place.id = place.keeper->name().keeper;
        place.trouble.clear();
    } catch (const Fault& fault) {
        if (fault.kind() == FaultKind::conflict) throw;
        place.fault = fault.kind();
        place.trouble = fault.what();
    } catch (const std::filesystem::filesystem_error& error) {
        place.fault = FaultKind::storage;
        place.trouble = "cannot read the keeper's directory: " + error.code().message();
    }
}

// The most telling reason of all.
void Leader::throw_if_none_opened() const {
    for (const Place& place : places_) {
        if (place.keeper && place.keeper->is_whole() && !place.needs_restart) return;
    }
    for (const FaultKind kind : {FaultKind::sealed, FaultKind::corrupt, FaultKind::storage,
                                 FaultKind::storage_full, FaultKind::configuration}) {
        for (const Place& place : places_) {
            if (place.fault != kind) continue;
            const bool is_gone = kind == FaultKind::configuration;
            throw Fault{kind, is_gone ? "none of the keepers is there; without one nothing that is "
                                        "stored can be read, nor any backup, and nothing can bring "
                                        "the keys back: " +
                                            place.trouble
                                      : place.trouble};
        }
    }
    throw Fault{FaultKind::corrupt,
                "no keeper opens: its cell and its plane do not belong together; the keys are "
                "lost unless another keeper of this vault exists"};
}

void Leader::check_vault() {
    std::optional<VaultId> vault;
    for (const Place& place : places_) {
        if (!place.keeper) continue;
        const VaultId& id = place.keeper->name().vault;
        if (vault && *vault != id) {
            throw Fault{FaultKind::configuration, "keeper " + place.directory.string() +
                                                      " belongs to another vault: name one of "
                                                      "this vault"};
        }
        vault = id;
    }
    if (vault_ == VaultId{}) vault_ = *vault;
    if (vault_ != *vault) {
        throw Fault{FaultKind::configuration, "the keepers belong to another vault"};
    }
}

Leader::Leader(const PlaneOptions& options, const SealSecret& seal, const Clock& clock)
    : options_(options),
      seal_(seal.duplicate()),
      clock_(clock),
      tree_(options.seed_cache_count, options.page_cache_bytes) {
    for (const std::filesystem::path& directory : options_.keepers) {
        Place place;
        place.directory = directory;
        places_.push_back(std::move(place));
    }
}

void Leader::start() {
    for (Place& place : places_) {
        open_place(place);
        if (place.fault == FaultKind::configuration &&
            std::filesystem::exists(place.directory / kUnfinishedMark)) {
            throw Fault{FaultKind::configuration, place.trouble};
        }
    }
    throw_if_none_opened();
    {
        const std::lock_guard lock{memory_mutex_};
        reconcile_places();
        undo_unfinished();
        forget_superfluous();
    }
    if (directories() != options_.keepers) tell_directories();
    const RegisterKey term_key{RegisterKind::term, kVaultTenant, 0, 0};
    const std::uint64_t term = std::max(read_register(term_key), head_.term) + 1;
    raise_registers({{term_key, term}});
    term_ = term;
    retry_after_ = kRetryFirst;
    retry_at_ = std::chrono::steady_clock::now() + retry_after_;
    thread_ = std::thread{[this] { run(); }};
}

// ---- Reconciling ----

// Those that may take part. A new keeper that holds no page yet is left for a second round: it is
// filled only when all active ones are in sync, so that all of them know that it is registered.
std::vector<std::size_t> Leader::places_to_reconcile(bool with_unfilled) const {
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        if (!place.keeper || place.needs_restart || place.is_refused) continue;
        const Member* const member = find_member(members_, *place.id);
        const bool is_unfilled = member != nullptr && member->status == MemberStatus::joining &&
                                 !place.keeper->is_whole();
        if (!is_unfilled || with_unfilled) indices.push_back(i);
    }
    return indices;
}

// REQUIRES: memory_mutex_ is held; called by start() or by the group thread.
void Leader::reconcile_places() {
    check_vault();
    judge_places();
    const std::vector<std::size_t> filled = places_to_reconcile(false);
    const bool has_whole = std::any_of(
        filled.begin(), filled.end(), [&](std::size_t i) { return places_[i].keeper->is_whole(); });
    if (!has_whole) {
        throw Fault{FaultKind::corrupt,
                    "no keeper that opens is registered in this vault: name the ones that are"};
    }
    reconcile_those(filled);
    const bool is_complete =
        std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
            return member.status != MemberStatus::active || is_in_sync(member.id);
        });
    const std::vector<std::size_t> all = places_to_reconcile(true);
    const bool has_unfilled = std::any_of(
        all.begin(), all.end(), [&](std::size_t i) { return !places_[i].keeper->is_whole(); });
    if (is_complete && has_unfilled) reconcile_those(all);
    retire_expelled();
    collect_missing_acks();
}

void Leader::reconcile_those(const std::vector<std::size_t>& indices) {
    std::vector<std::shared_ptr<Keeper>> keepers;
    for (const std::size_t i : indices) keepers.push_back(places_[i].keeper);
    std::size_t newest = 0;
    const std::vector<Reconciled> states = reconcile(keepers, &newest);
    const Keeper& first = *keepers[newest];
    adopt_members(first.members(), first.head().epoch);
    const PlaneHead head = first.head();
    RootSlot root = first.read_root();
    Memory memory = first.memory();
    run_again_what_is_lost(first);

    LiveTree::Stores stores{first.store()};
    std::vector<Revocation> pending;
    {
        const std::lock_guard lock{mutex_};
        for (std::size_t i = 0; i < indices.size(); ++i) {
            Place& place = places_[indices[i]];
            place.is_in_sync = states[i].is_in_sync;
            place.trouble = states[i].note;
            if (place.is_in_sync && i != newest) stores.push_back(place.keeper->store());
        }
        head_ = head;
        // Another leader may have led a keeper that is back: k0 refuses a term that is over.
        term_ = std::max(term_, head.term);
        for (const auto& [key, value] : memory.registers) {
            std::uint64_t& mine = registers_[key];
            mine = std::max(mine, value);
        }
        if (is_older(state_, memory.state)) state_ = memory.state;
        const auto view = stores.front()->read();
        for (const auto& [id, epoch] : KeeperRows::request_ids(*view)) {
            applied_[key_of(id)] = epoch;
        }
        // What is pending runs whether or not anybody submits it again (KEYS 4.6).
        for (Revocation& request : memory.pending) {
            const bool is_queued = std::any_of(queue_.begin(), queue_.end(), [&](const Task& task) {
                return task.revocation.id == request.id;
            });
            if (!is_queued) pending.push_back(std::move(request));
        }
    }
    for (Revocation& request : pending) {
        tree_.mark_dead(request.addresses);
        Task task;
        task.revocation = std::move(request);
        const std::lock_guard lock{mutex_};
        queue_.push_back(std::move(task));
    }
    tree_.use_stores(std::move(stores));
    tree_.publish_whole(head.epoch, root);
    root_ = std::move(root);
}

// Acknowledgements that a keeper can sign now for groups that lack its own.
void Leader::collect_missing_acks() {
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        const KeeperId& id = keeper->name().keeper;
        acknowledged_[id] = keeper->head().epoch;
        for (auto& [epoch, waiting] : waiting_) {
            if (waiting.acks.contains(id)) continue;
            if (auto ack = keeper->acknowledge(epoch)) waiting.acks.emplace(id, *ack);
        }
    }
}

// ---- Leaving out and trying again ----

std::vector<std::shared_ptr<Keeper>> Leader::keepers_in_sync() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::shared_ptr<Keeper>> out;
    for (const Place& place : places_) {
        if (place.is_in_sync) out.push_back(place.keeper);
    }
    return out;
}

bool Leader::is_anyone_away() const {
    const std::lock_guard lock{mutex_};
    return std::any_of(places_.begin(), places_.end(),
                       [](const Place& place) { return !place.is_in_sync && !place.is_refused; });
}

void Leader::take_out(const Keeper& keeper, const std::string& trouble) {
    const std::lock_guard lock{mutex_};
    for (Place& place : places_) {
        if (place.keeper.get() != &keeper) continue;
        place.is_in_sync = false;
        place.trouble = trouble;
        must_look_ = true;
        // After a failed flush the kernel shows pages that are not on the disk: opening the store
        // again in this process would believe them.
        if (keeper.is_whole() && !keeper.store()->healthy()) {
            place.needs_restart = true;
            place.trouble += ": its disk failed; check it and restart the process";
        }
    }
    wake_.notify_all();
}

// REQUIRES: memory_mutex_ is held.
void Leader::write_everywhere(FunctionRef<void(Keeper&)> write) {
    std::optional<Fault> last;
    std::size_t written = 0;
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        try {
            write(*keeper);
            ++written;
        } catch (const Fault& fault) {
            last = fault;
            take_out(*keeper, fault.what());
        }
    }
    if (written > 0) return;
    if (last) throw Fault{*last};
    throw Fault{FaultKind::storage, "no keeper can be reached: see status for the remedy"};
}

// Closes keepers that have to be opened again, after their readers are gone.
void Leader::close_places(const std::vector<std::size_t>& indices) {
    std::vector<std::weak_ptr<const Keeper>> keepers;
    std::vector<std::weak_ptr<const store::Store>> stores;
    LiveTree::Stores left;
    {
        const std::lock_guard lock{mutex_};
        for (const std::size_t i : indices) {
            Place& place = places_[i];
            if (!place.keeper) continue;
            keepers.emplace_back(place.keeper);
            if (place.keeper->is_whole()) stores.emplace_back(place.keeper->store());
            place.keeper.reset();
        }
        for (const Place& place : places_) {
            if (place.is_in_sync) left.push_back(place.keeper->store());
        }
    }
    tree_.use_stores(std::move(left));
    const Instant deadline = std::chrono::steady_clock::now() + kReadersWait;
    const auto is_held = [](const auto& weak) { return !weak.expired(); };
    while (std::any_of(keepers.begin(), keepers.end(), is_held) ||
           std::any_of(stores.begin(), stores.end(), is_held)) {
        if (std::chrono::steady_clock::now() > deadline) return;  // opening says conflict then
        std::this_thread::sleep_for(100us);
    }
}

// Between two groups: is it time to try keepers that are away?
void Leader::look_after_places() {
    const Instant now = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock{mutex_};
        if (must_look_) {
            must_look_ = false;
            const bool is_alone = std::none_of(places_.begin(), places_.end(),
                                               [](const auto& p) { return p.is_in_sync; });
            // Without any keeper nothing works: then not even a second is waited.
            retry_after_ = kRetryFirst;
            retry_at_ = is_alone ? now : std::min(retry_at_, now + retry_after_);
        }
    }
    if (now < retry_at_) return;
    try {
        repair_damage();
        if (is_anyone_away()) retry_places();
    } catch (const std::exception&) {
        // Out of memory or descriptors: the next try may have them.
    }
    retry_after_ = std::min<std::chrono::milliseconds>(retry_after_ * 2, kRetryLongest);
    retry_at_ = std::chrono::steady_clock::now() + retry_after_;
    settle();
}

void Leader::retry_places() {
    std::vector<std::size_t> away;
    {
        const std::lock_guard lock{mutex_};
        for (std::size_t i = 0; i < places_.size(); ++i) {
            const Place& place = places_[i];
            if (!place.is_in_sync && !place.needs_restart && !place.is_refused) away.push_back(i);
        }
    }
    // No register may be raised between the merge and the moment when the keeper takes part.
    const std::lock_guard lock{memory_mutex_};
    close_places(away);
    bool is_back = false;
    for (const std::size_t i : away) {
        Place place;
        place.directory = places_[i].directory;
        place.id = places_[i].id;
        try {
            open_place(place);
        } catch (const Fault& fault) {
            place.trouble = fault.what();
        }
        is_back = is_back || place.keeper != nullptr;
        const std::lock_guard inner{mutex_};
        places_[i] = std::move(place);
    }
    if (!is_back) return;
    try {
        throw_if_none_opened();
        reconcile_places();
    } catch (const Fault& fault) {
        const std::lock_guard inner{mutex_};
        for (const std::size_t i : away) {
            if (!places_[i].is_in_sync) places_[i].trouble = fault.what();
        }
    }
}

}  // namespace oubliette::keys
