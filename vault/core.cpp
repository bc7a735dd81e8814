#include "vault/core.hpp"

#include <algorithm>

#include "crypto/kdf.hpp"
#include "vault/campaigns.hpp"
#include "vault/exception_table.hpp"
#include "vault/holds.hpp"
#include "vault/orders.hpp"
#include "vault/retention.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

using keys::NodeState;

constexpr std::size_t kLeafCacheCount = 4'096;
constexpr std::uint32_t kLeaseSize = 4'096;  // person numbers taken at once

[[noreturn]] void refuse_start(const std::string& what) {
    throw Fault{FaultKind::configuration, what};
}

}  // namespace

// ---- Writing -------------------------------------------------------------------------------

Writing::Writing(Core& core_in, store::WriteView& view_in)
    : core(core_in), view(view_in), now(core_in.now()), gate(core_in.policies->current()) {
    if (!gate) {
        throw Fault{FaultKind::configuration,
                    "the newest policy of this copy is older than one already published; publish "
                    "the current policy again"};
    }
}

void Writing::audit(PendingEntry entry) {
    core.append(view, entry);
}

Result<keys::SubjectNumber> Writing::find_number(std::string_view external_id) const {
    const auto fresh = core.group_.subjects.find(external_id);
    const bool is_fresh = fresh != core.group_.subjects.end();
    const Result<keys::SubjectNumber> number =
        is_fresh ? Result<keys::SubjectNumber>{fresh->second} : core.find_number(view, external_id);
    if (number && core.group_.erased.contains(*number)) return Refusal::erased;
    return number;
}

Result<people::Person> Writing::find_person(std::string_view external_id) {
    const auto number = find_number(external_id);
    if (!number) return number.error();
    return core.people->load(view, *gate, *number);
}

people::Person Writing::create_person(std::string_view external_id) {
    const keys::SubjectNumber number = core.next_number();
    core.remember_lease(view);
    people::Person person = core.people->create(view, *gate, number, external_id);
    core.group_.subjects.emplace(external_id, number);
    index({0, index_fingerprint(core.fingerprint(0, bytes_of(external_id))), number});
    return person;
}

void Writing::index(const IndexEntry& entry) {
    core.group_.index.push_back({entry, true});
    core.group_.fresh.emplace(entry.fingerprint, entry);
}

void Writing::unindex(const IndexEntry& entry) {
    core.group_.index.push_back({entry, false});
}

void Writing::mark_erased(keys::SubjectNumber number) {
    core.group_.erased.insert(number);
}

bool Writing::claim_client_name(const std::string& name) {
    return core.group_.client_names.insert(name).second;
}

void Writing::enqueue(const QueueRow& row) {
    // Replacing a value is no erasure: the reserve is not for what adds data.
    if (row.revocation.scope != keys::RevocationScope::superseded) view.use_reserve();
    core.enqueue(view, row);
}

// ---- Opening -------------------------------------------------------------------------------

Core::Core(const VaultOptions& options, const keys::SealSecret& seal, const Clock& clock_in)
    : clock(clock_in), backup_settings{options.listen, options.plane.accept_besteffort} {
    keys::PlaneOptions plane_options = options.plane;
    plane_options.data = options.data;
    plane = keys::KeyPlane::open(plane_options, seal, clock);
    try {
        start(options);
    } catch (...) {
        stop();  // the plane may be calling into the committer already
        throw;
    }
}

void Core::start(const VaultOptions& options) {
    open_store(options);
    leaves = std::make_unique<keys::LeafCache>(*plane, kLeafCacheCount);
    {
        const auto view = store->read();
        log_ = std::make_unique<audit::AuditLog>(*view);
        accept_rollback(*view);
        teach_lease(*view);
    }
    people = std::make_unique<people::People>(*plane, *leaves, tenant,
                                              static_cast<std::uint16_t>(generation_));
    exceptions = std::make_unique<ExceptionTable>(*plane, *leaves, tenant);
    orders = std::make_unique<Orders>(*this);
    holds = std::make_unique<Holds>(*this);
    clients = std::make_unique<Clients>(*plane, tenant);
    policies = std::make_unique<Policies>(*plane, tenant);
    token_table = std::make_unique<TokenTable>(*this);
    token_table->teach_lease(*store->read());
    start_committer(options.audit_wait);
    record_term();
    derive_queue_key();
    resume_revocations();
    {
        const auto view = store->read();
        publisher->load_keys(read_log_key(*view));  // again: a key being retired is dead by now
        clients->load(*view);
        policies->load(*view, now());
        standing.load(*view);
        exports.load(*view);
    }
    refresh_campaign_ends(*this);
    rebuild_index(options.index_threads);
    scrub_noted_ = plane->status().scrub.finished;
    write_state_record();  // the log's head is signed before anybody asks for it
    receipts_->start();
    retention = std::make_unique<Retention>(*this);
    retention->start();
    house_ = std::thread([this] { keep_house(); });
}

void Core::stop() noexcept {
    stopping_ = true;
    house_wakes_.notify_all();
    if (house_.joinable()) house_.join();
    if (retention) retention->stop();  // it waits for the plane
    plane->stop();                     // no more callbacks into the committer
    {
        std::unique_lock lock{guests_mutex_};
        guest_left_.wait(lock, [this] { return guests_ == 0; });
    }
    if (tiles_) tiles_->stop();
    if (receipts_) receipts_->stop();
    if (committer_) committer_->stop();
}

Core::~Core() {
    stop();
    try {
        forget_finished();
        write_state_record();
    } catch (const Fault&) {
        // The next start reads an older record: it is a lower bound, which is safe.
    }
}

void Core::open_store(const VaultOptions& options) {
    const auto directory = options.data / "store";
    if (!std::filesystem::exists(directory)) {
        refuse_start("no vault in this directory; make one with `oubliette init --data DIR`");
    }
    store = store::open_lmdb_store(directory, Tables::names(), options.store);
    const auto view = store->read();
    const auto format = view->get(Tables::kMeta, bytes_of(MetaRow::kFormat));
    const auto ready = view->get(Tables::kMeta, bytes_of(MetaRow::kReady));
    if (!format || !ready) {
        refuse_start("this vault was never completed; run `oubliette init` again");
    }
    if (ByteReader{*format}.le32() != kDataFormat) {
        refuse_start("this vault was written by a newer version; use that version");
    }
    const auto vault = view->get(Tables::kMeta, bytes_of(MetaRow::kVault));
    if (!vault || !std::ranges::equal(*vault, plane->vault_id())) {
        refuse_start("these keepers belong to another vault than this data directory");
    }
    if (const auto name = view->get(Tables::kMeta, bytes_of(MetaRow::kTenant))) {
        tenant_name = text_of(*name);
    }
}

// Detects that the data plane is older than what the keepers last saw (KEYS 4.6). Whatever was
// revoked since stays revoked, because its keys are gone; the generation makes caches of that time
// and numbers given since unusable.
void Core::accept_rollback(const store::ReadView& view) {
    keys::StateRecord own;
    if (const auto row = view.get(Tables::kMeta, bytes_of(MetaRow::kSequence))) {
        ByteReader in{*row};
        own.generation = in.le32();
        own.sequence = in.le64();
    }
    own.log_size = log_->size();
    own.log_root = log_->root();
    const keys::StateRecord known = plane->state_record();

    const bool is_behind =
        std::pair{own.generation, own.sequence} < std::pair{known.generation, known.sequence};
    const auto root_then = audit::AuditLog::root_at(view, known.log_size);
    // A log that never had the size the keepers saw, or had another root then.
    const bool is_fork =
        own.generation == known.generation && known.log_size > 0 && root_then != known.log_root;
    rolled_back_ = is_behind || is_fork;
    if (rolled_back_) {
        own.generation = std::max(own.generation, known.generation) + 1;
        lost_tail_ = known;
        // Before the data plane writes anything. Size and root stay those of the lost tail until
        // the entry that cites them is durable: a crash between the two must not forget them.
        keys::StateRecord accepted = known;
        accepted.generation = own.generation;
        accepted.sequence = own.sequence;
        plane->write_state_record(accepted);
        recorded_state_ = accepted;
    } else {
        recorded_state_ = known;
    }
    generation_ = own.generation;
    sequence_ = own.sequence;
    state_ = own;
}

void Core::start_committer(std::chrono::milliseconds audit_wait) {
    Committer::Hook hook;
    hook.finish = [this](store::WriteView& view) { finish_group(view); };
    hook.committed = [this](bool is_committed) { end_group(is_committed); };
    committer_ =
        std::make_unique<Committer>(*store, std::vector{std::move(hook)}, Committer::Limits{});
    publisher = std::make_unique<LogPublisher>(*plane, generation_);
    committer_->run([this](store::WriteView& view) { append_start_entries(view); });
    publisher->load_keys(read_log_key(*store->read()));
    disclosures_ =
        std::make_unique<DisclosureWatch>([this] { return committer_->stalled_for(); }, audit_wait);
    tiles_ = std::make_unique<TileBuilder>(*store, *committer_, [this] { return log_->size(); });
}

void Core::record_term() {
    term_ = plane->status().term;
    committer_->run([this](store::WriteView& view) {
        Bytes row;
        ByteWriter{row}.le64(term_);
        view.put(Tables::kMeta, bytes_of(MetaRow::kTerm), row);
    });
    receipts_ = std::make_unique<ReceiptIssuer>(*committer_, [this] { return sign_log_head(); });
}

// ---- Reading -------------------------------------------------------------------------------

ByteArray<16> Core::fingerprint(std::uint16_t field, ByteView normalised) const {
    const auto leaf = leaves->get(
        keys::system_path(tenant, static_cast<std::uint8_t>(keys::SystemKind::index), 0, 0));
    if (leaf.state != NodeState::whole) {
        throw Fault{FaultKind::corrupt, "the index key cannot be derived"};
    }
    return people::fingerprint_of(leaf.seed.expose(), field, normalised);
}

Result<keys::SubjectNumber> Core::find_number(const store::ReadView& view,
                                              std::string_view external_id) const {
    Result<keys::SubjectNumber> found = Refusal::not_found;
    if (external_id.empty() || external_id.size() > people::kExternalIdSizeMax) return found;
    const auto key = index_fingerprint(fingerprint(0, bytes_of(external_id)));
    index.find(0, key, [&](keys::SubjectNumber number) {
        const auto id = people->external_id(view, number);
        if (!id) {
            // Its key is dead and the erasure is not final yet. 64 matching bits say that it is
            // this person.
            found = Refusal::erased;
        } else if (*id == external_id) {
            found = number;
            return false;
        }
        return true;
    });
    return found;
}

std::uint16_t Core::kid_of(keys::SystemKind kind, policy::RecipientId recipient) const {
    return static_cast<std::uint16_t>(
        plane->read_register({keys::RegisterKind::kid, tenant, static_cast<std::uint16_t>(kind),
                              static_cast<std::uint16_t>(recipient)}));
}

std::optional<tokens::TokenKeys> Core::token_keys(policy::RecipientId recipient,
                                                  std::uint16_t kid) const {
    const auto leaf =
        leaves->get(keys::system_path(tenant, static_cast<std::uint8_t>(keys::SystemKind::token),
                                      static_cast<std::uint16_t>(recipient), kid));
    if (leaf.state == NodeState::dead) return std::nullopt;
    if (leaf.state != NodeState::whole) {
        throw Fault{FaultKind::corrupt, "a token key cannot be derived"};
    }
    return tokens::TokenKeys::derive(leaf.seed.expose());
}

policy::PseudonymKey Core::pseudonym_key(policy::RecipientId recipient) const {
    constexpr auto kKind = keys::SystemKind::pseudonym;
    const auto leaf = leaves->get(keys::system_path(tenant, static_cast<std::uint8_t>(kKind),
                                                    static_cast<std::uint16_t>(recipient),
                                                    kid_of(kKind, recipient)));
    if (leaf.state != NodeState::whole) {
        throw Fault{FaultKind::corrupt, "a pseudonym key cannot be derived"};
    }
    const auto key = crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system,
                                           keys::subkey::kPseudonym);
    return policy::PseudonymKey{key.expose()};
}

// ---- Transactions --------------------------------------------------------------------------

void Core::submit(std::function<void(Writing&)> work, std::function<void(const Fault*)> done) {
    committer_->submit(
        [this, work = std::move(work)](store::WriteView& view) {
            Writing writing{*this, view};
            work(writing);
        },
        std::move(done));
}

void Core::finish_group(store::WriteView& view) {
    log_->finish(view);
    Bytes row;
    ByteWriter{row}.le32(generation_).le64(sequence_ + 1);
    view.put(Tables::kMeta, bytes_of(MetaRow::kSequence), row);
}

void Core::end_group(bool is_committed) {
    last_pseudonym_key_.reset();
    if (!is_committed) {
        log_->begin();
        audit_numbers_.clear();  // reservations of the lost attempt are not on disk
        told_known_.clear();
        group_ = {};
        return;
    }
    ++sequence_;
    log_->committed();
    for (const auto& [entry, is_new] : group_.index) {
        if (is_new) {
            index.insert(entry.field, entry.fingerprint, entry.number);
        } else {
            index.remove(entry.field, entry.fingerprint, entry.number);
        }
    }
    group_ = {};
    const std::scoped_lock lock{state_mutex_};
    state_ = {generation_, sequence_, log_->size(), log_->root()};
}

// In the commit of the person who got the number: the keeper that gave the lease may be lost, and
// one that was away meanwhile would give the same numbers to others (KEYS 4.6: merged by max).
void Core::remember_lease(store::WriteView& view) const {
    Bytes row;
    ByteWriter{row}.le64((lease_end_ + kLeaseSize - 1) / kLeaseSize * kLeaseSize);
    view.put(Tables::kMeta, bytes_of(MetaRow::kNumbers), row);
}

void Core::teach_lease(const store::ReadView& view) {
    const auto row = view.get(Tables::kMeta, bytes_of(MetaRow::kNumbers));
    if (!row) return;  // nobody was ever stored
    if (row->size() != sizeof(std::uint64_t)) {
        throw Fault{FaultKind::corrupt, "the row of given numbers is damaged"};
    }
    plane->raise_registers(
        {{{keys::RegisterKind::person_lease, tenant, 0, 0}, ByteReader{*row}.le64()}});
}

keys::SubjectNumber Core::next_number() {
    if (next_number_ != lease_end_) return {next_number_++};
    constexpr std::uint16_t kBankReserved = 0xFFF;
    const std::uint64_t first =
        plane->lease({keys::RegisterKind::person_lease, tenant, 0, 0}, kLeaseSize);
    const std::uint16_t bank = keys::SubjectNumber{first}.bank();
    if (first >> 36 != 0 || bank == kBankReserved) {
        throw Fault{FaultKind::storage_full, "all person numbers of this tenant are used"};
    }
    // Whether it was opened is a register, not a matter of which lease is the bank's first: a
    // lease is lost when opening fails.
    const auto people_class = static_cast<std::uint16_t>(keys::AddressClass::people);
    const std::uint64_t next_bank =
        plane->read_register({keys::RegisterKind::next_bank, tenant, people_class, 0});
    if (bank >= next_bank) plane->open_bank(tenant, keys::AddressClass::people, bank);
    next_number_ = first;
    lease_end_ = first + kLeaseSize;
    // The all-ones index of a bank is reserved.
    if ((lease_end_ & 0xFF'FFFF) == 0) --lease_end_;
    return {next_number_++};
}

std::optional<ErasureRow> Core::find_erasure(const keys::RequestId& id) const {
    return read_erasure(*store->read(), id);
}

}  // namespace oubliette
