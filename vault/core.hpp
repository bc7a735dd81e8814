#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "vault/audit/audit_log.hpp"
#include "vault/audit/tiles.hpp"
#include "vault/backup.hpp"
#include "vault/committer.hpp"
#include "vault/disclosure_watch.hpp"
#include "vault/export_counter.hpp"
#include "vault/keys/leaf_cache.hpp"
#include "vault/linkage.hpp"
#include "vault/log_publisher.hpp"
#include "vault/meta_rows.hpp"
#include "vault/people/match_limit.hpp"
#include "vault/people/people.hpp"
#include "vault/people/subject_index.hpp"
#include "vault/policies.hpp"
#include "vault/receipt_issuer.hpp"
#include "vault/standing.hpp"
#include "vault/subject_budget.hpp"
#include "vault/tile_builder.hpp"
#include "vault/token_table.hpp"
#include "vault/vault.hpp"

// What the verbs of vault.hpp share: the open store, key plane, policy, clients, log and index,
// the one committer, and the way of every revocation. Internal to vault/.

namespace oubliette {

// An audit entry whose pseudonym is made when it is written.
struct PendingEntry {
    audit::Entry entry;
    std::optional<keys::SubjectNumber> subject;
    // A recipient outside the company that is shown the entry's field; 0 = none.
    std::uint16_t told = 0;
};

// An entry of a disclosure. The reader derived the person's keys anyway, so it brings the one for
// the pseudonym along; empty: the committer derives it.
struct DisclosureEntry {
    PendingEntry pending;
    std::optional<crypto::SubKey> pseudonym_key;
    // Set: this disclosure takes a new person abroad, and is counted with its entry.
    std::shared_ptr<ExportCounter::Passage> passage;
};

// What the RAM index keeps of a 16-byte fingerprint.
[[nodiscard]] inline people::SubjectIndex::Fingerprint index_fingerprint(
    const ByteArray<16>& fingerprint) noexcept {
    return ByteReader{fingerprint}.le64();
}

struct IndexEntry {
    std::uint16_t field = 0;
    people::SubjectIndex::Fingerprint fingerprint = 0;
    keys::SubjectNumber number;
};

// What outsiders pin of the vault with this plane.
[[nodiscard]] ReceiptKeys receipt_keys_of(const keys::KeyPlane& plane,
                                          const LogPublisher& publisher);

class Core;
class ExceptionTable;
class Holds;
class Orders;
class Retention;

// The consents that a person gave, live or not. Throws Fault{corrupt}.
[[nodiscard]] std::vector<ConsentRecord> consent_records(const Core& core, const policy::Gate& gate,
                                                         const store::ReadView& view,
                                                         keys::SubjectNumber number, Timestamp now);

// One work inside the committer's transaction. Lives on the committer's thread.
struct Writing {
    Writing(Core& core_in, store::WriteView& view_in);

    Core& core;
    store::WriteView& view;
    Timestamp now;
    std::shared_ptr<const policy::Gate> gate;  // never null

    void audit(PendingEntry entry);
    // The living person behind an application's id. Refuses: not_found, erased.
    [[nodiscard]] Result<keys::SubjectNumber> find_number(std::string_view external_id) const;
    [[nodiscard]] Result<people::Person> find_person(std::string_view external_id);
    // A person with rows of its own; in the index after the commit.
    [[nodiscard]] people::Person create_person(std::string_view external_id);
    void index(const IndexEntry& entry);
    void unindex(const IndexEntry& entry);
    // Candidates of the index, those of this transaction included; as SubjectIndex::find().
    void find_indexed(std::uint16_t field, people::SubjectIndex::Fingerprint fingerprint,
                      FunctionRef<bool(keys::SubjectNumber)> visit) const;
    // False if another work of this transaction has taken the client name.
    [[nodiscard]] bool claim_client_name(const std::string& name);
    // Writes the queue row of a revocation; submit it with Core::revoke() after the commit.
    void enqueue(const QueueRow& row);
    // From here on in this transaction the person counts as erased.
    void mark_erased(keys::SubjectNumber number);
};

class Core {
public:
    Core(const VaultOptions& options, const keys::SealSecret& seal, const Clock& clock);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    [[nodiscard]] Timestamp now() const noexcept { return clock.now(); }

    // ---- Reading.
    // A snapshot. Throws Fault{audit_unavailable} after a failed commit: no entry could be written,
    // so that nothing is disclosed.
    [[nodiscard]] std::unique_ptr<store::ReadView> read_for_disclosure() const;
    // The number behind an application's id, verified by opening the person's own row.
    // Refuses: not_found, erased.
    [[nodiscard]] Result<keys::SubjectNumber> find_number(const store::ReadView& view,
                                                          std::string_view external_id) const;
    [[nodiscard]] ByteArray<16> fingerprint(std::uint16_t field, ByteView normalised) const;
    // Number of the key that a recipient's new tokens or pseudonyms are made with.
    [[nodiscard]] std::uint16_t kid_of(keys::SystemKind kind, policy::RecipientId recipient) const;
    // Token keys of a recipient. nullopt when the leaf is dead (these tokens were cut off).
    [[nodiscard]] std::optional<tokens::TokenKeys> token_keys(policy::RecipientId recipient,
                                                              std::uint16_t kid) const;
    [[nodiscard]] policy::PseudonymKey pseudonym_key(policy::RecipientId recipient) const;

    // ---- Writing.
    // Runs `work` in the next transaction; `done` after its commit, on the committer's thread.
    void submit(std::function<void(Writing&)> work, std::function<void(const Fault*)> done);
    // Makes the entries durable, then calls `done`: a disclosure waits for this.
    // The keys in the entries are wiped then. Fault{audit_unavailable} if they are not, at the
    // latest VaultOptions::audit_wait after the committer came to a standstill.
    void audit_then(std::vector<DisclosureEntry> entries, std::function<void(const Fault*)> done) {
        use_then(std::move(entries), {}, std::move(done));
    }
    // The same, with work of the same transaction before its entries, which it may change; it
    // starts from nothing each time it runs. Before `done` the keepers know of the commit, so that
    // no older copy of the data passes for the present one.
    using UseUp = std::function<void(store::WriteView&, std::vector<DisclosureEntry>&)>;
    void use_then(std::vector<DisclosureEntry> entries, UseUp use_up,
                  std::function<void(const Fault*)> done);

    // Removes up to `count_max` unreadable rows; true if none are left.
    using RemoveRows = std::function<bool(store::WriteView& view, std::size_t count_max)>;

    // ---- Revoking (KEYS 4.6). After the commit of the queue row. `recorded` runs when a keeper
    // durably knows.
    struct Revoking {
        QueueRow row;
        std::optional<keys::SubjectNumber> subject;  // set: the person's rows go afterwards
        RemoveRows remove_rows;                      // set: these rows go afterwards
        std::vector<IndexEntry> index_entries;       // leave the index before FINAL
        std::function<void(const ErasureRow&)> on_final;
        std::shared_ptr<Revoking> before;  // submitted first: when this is final, that is
    };
    void revoke(Revoking revoking, std::function<void(const Fault*)> recorded);
    // A client opened a poison token. Any thread of the vault.
    void raise_poison_alarm(std::uint16_t client, bool ends_client);
    // Tags the row and puts it into the queue.
    void enqueue(store::WriteView& view, QueueRow row) const;
    // Commits `work`, which fills `revoking`, revokes what it names (perhaps nothing) and waits
    // until a keeper knows. REQUIRES: as run_raw(), and not on the plane's thread. Throws what the
    // work or the commit throws, or Fault{storage} when no keeper could be reached; then it is
    // queued and will happen.
    void revoke_and_wait(Committer::Work work, Revoking& revoking);

    // Transaction after transaction, each removing a part, until none are left.
    void remove_in_parts(RemoveRows remove_rows);

    // The same without a Writing, for what must work when no policy is in force.
    void submit_raw(Committer::Work work, std::function<void(const Fault*)> done) {
        committer_->submit(std::move(work), std::move(done));
    }
    void append_entry(store::WriteView& view, PendingEntry& entry) { append(view, entry); }

    // Runs `work` in a transaction and waits. REQUIRES: not on the committer's thread; no snapshot
    // is held on this one. Throws what the work or the commit throws.
    void run_raw(Committer::Work work) { committer_->run(std::move(work)); }

    // Opens the next bank for people, and puts new ones there. Not on the committer's thread.
    // Throws Fault{storage} while a keeper is away, Fault{storage_full}.
    [[nodiscard]] std::uint16_t rotate_bank();
    // Numbers that were leased before are not given out any more. As run_raw().
    void drop_lease();
    // While it lives the key plane stays: stop() waits for it. For verbs that run on a caller's
    // thread for long; the plane refuses their next step when it is stopped.
    class Guest {
    public:
        explicit Guest(Core& core);
        ~Guest();
        Guest(const Guest&) = delete;
        Guest& operator=(const Guest&) = delete;

    private:
        Core& core_;
    };

    // People are put into a later bank from now on. Committer's thread. Throws Fault{storage}.
    void leave_bank(std::uint16_t bank);

    // Tells the keepers how far the data plane is, and publishes the head of the log that they
    // know then: it covers every commit that ended before this call. Throws Fault{storage}.
    void record_state() { write_state_record(); }
    // How many older copies of the data were accepted (KEYS 4.6).
    [[nodiscard]] std::uint16_t generation() const noexcept {
        return static_cast<std::uint16_t>(generation_);
    }
    // Entries of the log as of the last commit.
    [[nodiscard]] std::uint64_t log_size() const noexcept { return log_->size(); }
    [[nodiscard]] VaultStatus status() const;
    // Erasure rows, from the store.
    [[nodiscard]] std::optional<ErasureRow> find_erasure(const keys::RequestId& id) const;

    const Clock& clock;
    keys::TenantId tenant = keys::kFirstTenant;
    std::string tenant_name;
    BackupSettings backup_settings;
    std::unique_ptr<keys::KeyPlane> plane;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<keys::LeafCache> leaves;
    std::unique_ptr<people::People> people;
    std::unique_ptr<Clients> clients;
    std::unique_ptr<Policies> policies;
    std::unique_ptr<LogPublisher> publisher;
    std::unique_ptr<ExceptionTable> exceptions;
    std::unique_ptr<Orders> orders;
    std::unique_ptr<Holds> holds;
    std::unique_ptr<Retention> retention;
    std::unique_ptr<TokenTable> token_table;
    mutable audit::NodeCache log_nodes;  // of the log, for proofs
    people::SubjectIndex index;
    people::MatchLimit match_limit;
    Standing standing{*this};
    ExportCounter exports;
    LinkageWatch linkage;
    SubjectBudgets budgets;

private:
    friend struct Writing;

    struct IndexChange {
        IndexEntry entry;
        bool is_new = true;  // false: leaves the index
    };
    // What one transaction adds to memory once it is durable.
    struct Group {
        std::set<std::string> client_names;
        std::map<std::string, keys::SubjectNumber, std::less<>> subjects;
        std::set<keys::SubjectNumber> erased;  // accepted here, not submitted to the plane yet
        std::vector<IndexChange> index;        // in order: a later work may undo an earlier one
        // The new ones among them, by fingerprint; undone ones stay, as hints that lead nowhere.
        std::unordered_multimap<people::SubjectIndex::Fingerprint, IndexEntry> fresh;
    };
    // Within one transaction: items of one person tend to come together.
    struct PseudonymKey {
        keys::SubjectNumber subject;
        std::optional<crypto::SubKey> key;  // empty: the person's keys are dead
    };

    void start(const VaultOptions& options);
    void stop() noexcept;
    void open_store(const VaultOptions& options);
    void accept_rollback(const store::ReadView& view);
    void start_committer(std::chrono::milliseconds audit_wait);
    void append_start_entries(store::WriteView& view);
    void derive_queue_key();
    void resume_revocations();
    [[nodiscard]] bool is_ours(const QueueRow& row) const;
    void rebuild_index(unsigned thread_count);
    void index_range(keys::SubjectNumber from, keys::SubjectNumber to);
    [[nodiscard]] bool index_row(ByteView key, ByteView value);

    void append(store::WriteView& view, PendingEntry& pending);
    void append_alarm(store::WriteView& view, const ExportCounter::Passage& passage);
    void append_as(store::WriteView& view, PendingEntry& pending, const crypto::SubKey* key);
    [[nodiscard]] const crypto::SubKey* pseudonym_key_of(keys::SubjectNumber subject);
    // The person's next audit number; nullopt when the person's keys are dead.
    [[nodiscard]] std::optional<std::uint64_t> take_audit_number(store::WriteView& view,
                                                                 keys::SubjectNumber subject);
    void remember_told(store::WriteView& view, keys::SubjectNumber subject,
                       people::ToldField shown);
    void finish_group(store::WriteView& view);
    void end_group(bool is_committed);
    [[nodiscard]] keys::SubjectNumber next_number();
    void remember_lease(store::WriteView& view) const;
    void teach_lease(const store::ReadView& view);

    void finish_revocation(const std::shared_ptr<Revoking>& revoking,
                           const keys::Finality& finality);
    void record_final(store::WriteView& view, const keys::RequestId& id,
                      const keys::Finality& finality);
    void forget_later(const keys::RequestId& id);
    [[nodiscard]] ReceiptIssuer::Head sign_log_head();
    void record_term();
    void remove_rows_later(keys::SubjectNumber number);

    void keep_house();
    void write_state_record();
    void submit_due_superseded();
    void forget_finished();
    void look_after_keepers();
    void note_scrub();
    void end_exceptions();

    // ---- committer's thread only
    std::unique_ptr<audit::AuditLog> log_;
    Group group_;
    // Next number of a person; a multiple of kAuditReserve: none is reserved.
    std::unordered_map<std::uint64_t, std::uint64_t> audit_numbers_;
    std::unordered_set<std::uint64_t> told_known_;    // what is in people's rows already
    std::optional<PseudonymKey> last_pseudonym_key_;  // of this transaction
    std::uint64_t next_number_ = 0;
    std::uint64_t lease_end_ = 0;

    std::optional<crypto::SubKey> queue_key_;  // none: the tenant's keys are dead
    std::uint64_t term_ = 0;  // of this start: only its process makes erasures final
    std::uint32_t generation_ = 0;
    bool rolled_back_ = false;
    std::mutex record_mutex_;  // one writer of the state record at a time
    mutable std::mutex state_mutex_;
    keys::StateRecord state_;           // as of the last commit
    keys::StateRecord recorded_state_;  // as of the last write to the keepers
    keys::StateRecord lost_tail_;       // what they knew before an accepted rollback
    std::uint64_t sequence_ = 0;        // of the transaction under way: committer's thread

    std::mutex forget_mutex_;
    std::vector<keys::RequestId> to_forget_;  // final and durable; keepers may forget them

    std::set<keys::RequestId> superseded_submitted_;  // house thread only
    std::uint64_t epoch_seen_ = 0;                    // house thread only
    Timestamp epoch_changed_;                         // house thread only
    Timestamp scrub_noted_;                           // house thread only
    std::uint64_t scrub_repaired_ = 0;                // house thread only
    std::mutex guests_mutex_;
    std::condition_variable guest_left_;
    unsigned guests_ = 0;  // operators' verbs under way: they hold the plane

    std::atomic<std::size_t> erasures_waiting_{0};
    std::atomic<std::size_t> poison_opened_{0};
    std::atomic<std::size_t> damaged_rows_{0};  // found while the index was rebuilt
    std::atomic<bool> stopping_{false};
    std::mutex house_mutex_;
    std::condition_variable house_wakes_;
    std::thread house_;
    std::unique_ptr<Committer> committer_;
    std::unique_ptr<DisclosureWatch> disclosures_;
    std::unique_ptr<TileBuilder> tiles_;
    std::unique_ptr<ReceiptIssuer> receipts_;
};

}  // namespace oubliette
