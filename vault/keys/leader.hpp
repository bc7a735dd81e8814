#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <set>
#include <thread>
#include <unordered_map>

#include "vault/keys/keeper.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/keys/live_tree.hpp"
#include "vault/keys/membership.hpp"
#include "vault/keys/request_gate.hpp"
#include "vault/keys/scrub.hpp"

// The one leader of a vault's keepers (KEYS 6.1): a thread that takes everything submitted, runs
// it as one group on the keepers, one after another, and reports when it is recorded and when it
// is final. vault/keys/README.md has the protocol.

namespace oubliette::keys {

class Leader final : public KeyPlane {
public:
    Leader(const PlaneOptions& options, const SealSecret& seal, const Clock& clock);
    ~Leader() override;
    Leader(const Leader&) = delete;
    Leader& operator=(const Leader&) = delete;

    // Opens and reconciles the keepers, raises the term, queues what is pending, starts the thread.
    void start();

    const VaultId& vault_id() const noexcept override { return vault_; }

    Derived derive(const Path& path) override { return tree_.derive(path); }
    NodeState fixed_key(TenantId tenant, SubjectNumber number, crypto::Seed& out) override;
    NodeState item_key(TenantId tenant, SubjectNumber number, std::uint32_t item,
                       crypto::ItemKey& out) override;
    NodeState implicit_marker(TenantId tenant, SubjectNumber number, unsigned marker) override;
    std::optional<std::uint32_t> highest_dead_item(TenantId tenant, SubjectNumber number) override {
        return tree_.highest_dead_item(tenant, number);
    }

    void submit(Revocation revocation, OnRecorded recorded, OnFinal final) override;
    std::vector<Revocation> remembered() const override;
    void forget(const std::vector<RequestId>& ids) override;
    void open_bank(TenantId tenant, AddressClass people_or_handles, std::uint16_t bank) override;
    void advance() override;

    EnrolAnswer enrol(const std::filesystem::path& directory,
                      const std::optional<KeeperId>& replaces,
                      std::chrono::milliseconds wait) override;
    ExpelAnswer expel(const KeeperId& keeper, Expulsion expulsion) override;
    void scrub_a_little() override;
    ScrubStatus scrub() override;

    std::uint64_t read_register(const RegisterKey& key) const override;
    void raise_registers(const std::vector<std::pair<RegisterKey, std::uint64_t>>& to) override;
    std::uint64_t lease(const RegisterKey& key, std::uint32_t count) override;
    StateRecord state_record() const override;
    void write_state_record(const StateRecord& record) override;

    void stop() override;
    PlaneStatus status() const override;
    std::uint64_t epoch() const override;
    void confirm_ready() override;

protected:
    std::uint64_t enter() noexcept override { return gate_.enter(); }
    void leave(std::uint64_t ticket) noexcept override { gate_.leave(ticket); }

private:
    using Instant = std::chrono::steady_clock::time_point;

    // One configured directory. Places are added by the group thread (and the constructor); none
    // is removed.
    struct Place {
        std::filesystem::path directory;
        std::shared_ptr<Keeper> keeper;  // null: could not be opened
        std::optional<KeeperId> id;      // once it opened
        bool is_in_sync = false;         // takes part in groups and writes
        bool needs_restart = false;      // a flush failed: not opened again by this process
        bool is_refused = false;         // its keeper may not take part: expelled, not registered
        bool is_forgotten = false;       // leaves the configuration
        bool is_destroyed = false;       // expelled, and its anchors are overwritten
        std::string trouble;
        std::optional<FaultKind> fault;  // why it could not be opened
    };
    struct Task {
        Revocation revocation;
        OnRecorded recorded;  // empty once it was called
        OnFinal final;
        bool is_alone = false;  // a bank to open, an idle advance, or work
        std::vector<Path> opens;
        std::function<void()> work;  // no group: what only the group thread may do
        std::shared_ptr<std::promise<void>> done;
    };
    using Tasks = std::vector<Task>;
    struct Waiting {  // an applied group that is not final
        ChainRow row;
        std::vector<RequestLeaf> leaves;
        std::vector<Revocation> requests;  // to run again if no keeper left has the group
        std::vector<std::pair<RequestId, OnFinal>> finals;
        std::vector<std::shared_ptr<std::promise<void>>> done;
        std::map<KeeperId, Acknowledgement> acks;
        std::uint64_t turn = 0;  // of the gate
        std::size_t count = 0;   // of requests that are not final because of it
    };

    // leader_places.cpp: keepers that come and go
    void open_place(Place& place);
    void throw_if_none_opened() const;
    void check_vault();
    void reconcile_places();
    void reconcile_those(const std::vector<std::size_t>& indices);
    [[nodiscard]] std::vector<std::size_t> places_to_reconcile(bool with_unfilled) const;
    void look_after_places();
    void retry_places();
    void close_places(const std::vector<std::size_t>& indices);
    [[nodiscard]] std::vector<std::shared_ptr<Keeper>> keepers_in_sync() const;
    [[nodiscard]] bool is_anyone_away() const;
    void take_out(const Keeper& keeper, const std::string& trouble);
    void write_everywhere(FunctionRef<void(Keeper&)> write);
    void collect_missing_acks();

    // leader_members.cpp: who takes part
    void judge_places();
    void refuse_accusers();
    void refuse(Place& place, const std::string& trouble);
    void close(Place& place);
    [[nodiscard]] std::optional<Witness> hear(Place& place);
    void judge_place(Place& place, const Members& members, bool is_expelled);
    void adopt_members(const Members& members, std::uint64_t epoch);
    [[nodiscard]] bool may_retire(const Place& place) const;
    void retire_expelled();
    void forget(Place& place, const std::string& trouble);
    void undo_unfinished();
    void forget_superfluous();
    void promote_joined();
    [[nodiscard]] bool is_in_sync(const KeeperId& id) const;
    [[nodiscard]] bool is_everyone_in_sync() const;
    void change_members(const Members& members);

    // leader_enrol.cpp: enrol and expel
    [[nodiscard]] std::optional<MembershipRefusal> judge_enrolment(
        const std::optional<KeeperId>& replaces) const;
    [[nodiscard]] std::optional<MembershipRefusal> judge_expulsion(const KeeperId& id,
                                                                   Expulsion expulsion) const;
    void add_place(Place place);
    void join(Place place, const std::optional<KeeperId>& replaces);
    [[nodiscard]] bool expel_now(const KeeperId& id, Expulsion expulsion);
    void jump_leases();
    [[nodiscard]] bool open_new_banks();
    [[nodiscard]] std::vector<std::filesystem::path> directories() const;
    void tell_directories() const noexcept;

    // leader_scrub.cpp
    void begin_scrub();
    void end_scrub();
    void scrub_slice_of(std::size_t page_count);
    void note_broken(const Path& page);
    void repair_damage();
    [[nodiscard]] bool repair_path(const Path& page);
    void write_page_again(Keeper& keeper, const PageId& id, ByteView record);

    // leader_groups.cpp: the group thread
    void run();
    [[nodiscard]] bool has_work() const;
    [[nodiscard]] Instant next_wake() const;
    void run_tasks(Tasks tasks);
    void run_group(Tasks tasks);
    [[nodiscard]] Tasks answer_known(Tasks tasks);
    void run_work(Task task);
    void run_alone(Task task);
    [[nodiscard]] std::optional<Advance> prepare(const Tasks& tasks, const Members& members);
    void split(Tasks tasks);
    [[nodiscard]] std::optional<Fault> apply(const Advance& change, Tasks& tasks);
    void take_over(const Advance& change, Tasks& tasks, const std::shared_ptr<Keeper>& first);
    void put_off(Tasks tasks, const Fault& fault);
    [[nodiscard]] bool record_pending(const Revocation& revocation);

    // leader_finality.cpp
    void wait_for_final(std::uint64_t epoch, Task& task);
    void add_ack(const Acknowledgement& ack);
    void settle();
    void run_again_what_is_lost(const Keeper& newest);
    void run_again(Waiting lost);
    [[nodiscard]] bool is_acknowledged(const Waiting& waiting) const;
    [[nodiscard]] bool lost_a_keeper(const Waiting& waiting) const;
    [[nodiscard]] Finality finality_of(const Waiting& waiting) const;
    static void report(const Waiting& waiting, Finality finality);
    [[nodiscard]] std::vector<ChainRow> chain_of(const Waiting& waiting, std::uint64_t last) const;
    [[nodiscard]] std::uint64_t chain_floor() const;

    const PlaneOptions options_;
    const SealSecret seal_;
    const Clock& clock_;
    VaultId vault_{};
    LiveTree tree_;
    RequestGate gate_;

    std::mutex membership_mutex_;  // one enrol or expel at a time. Taken before all others

    std::mutex scrub_mutex_;  // one scrub at a time; guards the next three. Before memory_mutex_
    std::optional<ScrubPass> pass_;
    std::optional<Path> repaired_last_;  // by the running pass
    bool has_scrubbed_ = false;          // since the start

    // Serialises everything that writes what keepers remember beside the tree. Taken before mutex_.
    mutable std::mutex memory_mutex_;

    mutable std::mutex mutex_;  // guards from here to the next comment
    std::condition_variable wake_;
    std::condition_variable members_changed_;
    std::set<KeeperId> arrived_;  // became active since the start
    std::deque<Task> queue_;
    bool is_stopping_ = false;
    bool must_look_ = false;  // a place went away, or damage was found
    std::vector<Place> places_;
    Members members_;
    PlaneHead head_;
    std::uint64_t term_ = 0;
    RegisterMap registers_;
    StateRecord state_;
    std::unordered_map<std::string, std::uint64_t> applied_;  // request id -> epoch
    std::size_t waiting_count_ = 0;  // requests in groups that are not final
    std::size_t running_count_ = 0;  // tasks in the hands of the group thread
    ScrubStatus scrub_;

    // Only the group thread (and start(), before there is one).
    RootSlot root_;
    std::map<std::uint64_t, Waiting> waiting_;
    std::map<KeeperId, std::uint64_t> acknowledged_;  // the latest epoch of each keeper
    std::uint64_t members_epoch_ = 0;                 // when the member list changed, or later
    std::chrono::milliseconds retry_after_{0};
    Instant retry_at_{};
    std::chrono::milliseconds backoff_{0};
    Instant not_before_{};

    std::thread thread_;  // last: everything else must outlive it
};

}  // namespace oubliette::keys
