#pragma once

#include <functional>
#include <span>
#include <string>

#include "tests/model/world.hpp"
#include "vault/function_ref.hpp"

// What can happen next in a state: the steps of the protocol (vault/keys/PLANE.md), of clients and
// operators, and of the faults that a configuration allows. Functions of their arguments alone.

namespace oubliette::model {

// Each takes one thing out of the protocol, or moves it. The properties must notice.
enum class Bug : std::uint8_t {
    none,
    no_staging,                // k1 writes over the live slot
    erase_before_commit,       // k3 before k2
    acknowledge_before_erase,  // k4 before k3
    keep_both_on_recovery,     // recovery does not overwrite the other slot
    quorum_finality,           // all but one acknowledgement are enough
    acknowledge_by_epoch,      // epochs are compared, hashes are not
    list_after_copy,           // a keeper is registered once it has the copy
    resync_without_union,      // what is dead in a fork is not taken over
    both_slots_in_one_write,   // one block holds both slots
    answer_before_durable,     // the client is answered before any keeper has the request
    copy_before_listing_is_acknowledged,  // a keeper away does not know the new one yet
    copy_to_unregistered,                 // keepers that are expelled are brought up like others
    trust_the_expelled,                   // the highest (term, epoch) leads, whoever expelled it
    joining_do_not_count,                 // for finality
    lost_groups_not_run_again,            // a running leader falls back to an older keeper
    pending_not_merged,                   // pending rows of a keeper that was away are dropped
};

struct Configuration {
    unsigned keepers = 2;  // registered at first; one more is blank if there is room
    unsigned requests = 2;
    unsigned faults = 0;
    unsigned membership_changes = 0;
    bool may_split = false;  // two leaders
    bool may_lose_keepers = true;
    Bug bug = Bug::none;
};

enum class Verb : std::uint8_t {
    // clients and operators
    accept,
    enrol,
    expel,
    activate,
    // a leader
    start,
    reopen,
    begin_group,
    begin_merge,
    begin_catch_up,
    begin_copy,
    begin_pending,
    serve,
    finalise,
    give_up,
    // a keeper, as the leader's hand
    recover_overwrite,
    recover_unlink,
    recover_done,
    check,
    write_anchor,
    commit,
    overwrite,
    unlink,
    acknowledge,
    write_pending,
    refuse,
    refuse_expelled,
    retire,
    // the world
    crash,
    tear,
    unmount,
    mount,
    lose,
    split,
    heal,
    restore_data,
};

struct Action {
    Verb verb = Verb::accept;
    Index leader = kNone;
    Index subject = kNone;  // keeper or request
    friend bool operator==(const Action&, const Action&) = default;
};
[[nodiscard]] std::string text_of(const Action& action);

using Emit = FunctionRef<void(const Action&, const World&)>;

class Protocol {
public:
    explicit Protocol(const Configuration& configuration) : configuration_(configuration) {}

    [[nodiscard]] World initial() const;
    void successors(const World& world, Emit emit) const;

private:
    [[nodiscard]] bool has_bug(Bug bug) const { return configuration_.bug == bug; }

    // keeper_steps.cpp
    [[nodiscard]] std::span<const Verb> steps_of(Task task) const;
    [[nodiscard]] bool next_is_cell_write(const World& world, unsigned leader) const;
    void choose_slot(World& world, Operation& operation) const;
    void write(World& world, unsigned leader, Verb verb) const;
    void step(const World& world, unsigned leader, Emit emit) const;
    void recover(const World& world, unsigned leader, Emit emit) const;
    [[nodiscard]] bool is_change_fitting(const World& world, const Operation& operation) const;

    // leader_steps.cpp
    void run(const World& world, unsigned leader, Emit emit) const;
    void manage_members(const World& world, unsigned leader, Emit emit) const;
    [[nodiscard]] bool is_acknowledged(const World& world, const Leader& leader,
                                       unsigned request) const;
    [[nodiscard]] bool may_copy_to(const World& world, const Leader& leader, unsigned keeper) const;
    void take_over(World& world, unsigned leader) const;

    // reconcile.cpp
    void reconcile(const World& world, unsigned leader, Emit emit) const;
    [[nodiscard]] Verb need_of(const World& world, const Leader& leader, Index head,
                               unsigned keeper) const;
    void begin_merge(World& world, unsigned leader, unsigned newest, unsigned keeper) const;
    [[nodiscard]] Mask distrusted(const World& world, const Leader& leader, Mask whole) const;
    [[nodiscard]] bool retire(const World& world, unsigned leader, Index head, Emit emit) const;
    void serve(World& world, unsigned leader, unsigned newest) const;

    // faults.cpp
    void world_steps(const World& world, Emit emit) const;
    void leader_faults(const World& world, unsigned leader, Emit emit) const;

    const Configuration configuration_;
};

// What is violated by the step from `from` to `to`; nullptr if nothing is. See README.md.
[[nodiscard]] const char* violation_of(const World& from, const World& to);

// ---- Shared by the parts above ----

// Keepers that the leader's host reaches and nobody else has open.
[[nodiscard]] Mask reachable(const World& world, unsigned leader);
// The leader works on the next keeper, or is done.
void next_keeper(Operation& operation);
// A keeper is gone from under its leader.
void take_out(World& world, unsigned leader, unsigned keeper);
void stop(World& world, unsigned leader);
void begin(World& world, unsigned leader, Task task, Index version, Mask keepers);

}  // namespace oubliette::model
