#pragma once

#include <string_view>
#include <vector>

#include "vault/recalls.hpp"
#include "vault/requests/package.hpp"
#include "vault/requests/request_record.hpp"
#include "vault/vault.hpp"

// Subject requests (MISSION 4): a person asks, proves who asks, an officer or the rule decides, the
// vault does it and can show what it did.
//
//   proving -> accepted | review | fee_or_refuse -> accepted -> done
//                                                            -> scheduled -> executing -> done
//   and from any of them before executing: refused, withdrawn, not_proved, ended
//
// Each step is one transaction with its entry in the log, may be repeated without doing anything
// twice, and goes on after a crash: what is due is found in the store once a second. Times end by
// the clock and by uptime (day_floor.hpp), so that no clock that jumps ahead ends one early.
//
// Who: privacy officers; applications of recipients that the policy lets erase, for the person who
// is before them (they open, prove, withdraw, execute what is the person's own act). Everybody else
// is ROLE_DENIED. Thread-safe; Done as in vault.hpp.

namespace oubliette {

class Requests {
public:
    explicit Requests(Core& core) noexcept : core_(core) {}

    struct Opening {
        RequestType type{};
        std::string_view subject;
        std::string_view ground;
        std::string_view channel;
        std::string_view slot;     // withdraw
        std::string_view purpose;  // objection
        std::vector<std::string_view> fields;
    };
    struct Opened {
        RequestRecord record;
        bool is_first = true;  // false: it was open already
    };
    // Refuses: not_found, erased, slot_unknown, purpose_unknown (or none that people may object
    // to), field_unknown, value_invalid (a rectification without fields, or too many).
    void open(const Caller& caller, const Opening& opening, Done<Opened> done);

    struct Proof {
        ProofMethod method{};
        std::string_view field;                // code, match
        std::string_view code;                 // code: the one that came; empty: send one
        std::string_view value;                // match
        std::optional<crypto::Hash> evidence;  // document
    };
    struct Proving {
        RequestRecord record;
        std::string code;  // to be sent to the contact; given once
    };
    // Refuses: wrong_state, proof_not_independent (the disputed field), not_found (nothing is
    // stored there), identity_not_proved (wrong; the fifth time closes the request),
    // evidence_required, value_invalid (no contact).
    void verify(const Caller& caller, const keys::RequestId& id, const Proof& proof,
                Done<Proving> done);

    // An officer accepts what is proved. Refuses: wrong_state, identity_not_proved, fee_or_refuse
    // (without `fee_settled`).
    void accept(const Caller& caller, const keys::RequestId& id, bool fee_settled,
                Done<RequestRecord> done);
    // The one extension of the answer. Refuses: wrong_state.
    void extend(const Caller& caller, const keys::RequestId& id, Done<RequestRecord> done);
    // Refuses: wrong_state, value_invalid (a code the policy does not list), evidence_required,
    // needs_second (the code needs another officer: yours is recorded).
    void refuse(const Caller& caller, const keys::RequestId& id, RefusalCode code,
                const std::optional<crypto::Hash>& evidence, Done<RequestRecord> done);
    // The person takes it back. Refuses: wrong_state.
    void withdraw(const Caller& caller, const keys::RequestId& id, Done<RequestRecord> done);

    [[nodiscard]] Result<RequestRecord> find(const Caller& caller, const keys::RequestId& id) const;
    // At most `count` with ids above `after`; officers and auditors.
    [[nodiscard]] Result<std::vector<RequestRecord>> list(const Caller& caller,
                                                          const keys::RequestId& after,
                                                          std::size_t count) const;

    // What executing would do, now.
    struct PlannedCategory {
        std::string_view category;  // lives as long as `gate`
        std::uint64_t values = 0;
    };
    struct Plan {
        std::shared_ptr<const policy::Gate> gate;
        RequestRecord record;
        std::vector<PlannedCategory> categories;  // whose keys would die, or be shown
        std::vector<PlannedCategory> held;        // what would stay, by a legal hold
        std::uint64_t consents = 0;
        std::vector<PlannedRecall> recalls;
        std::vector<std::string_view> tokens_of;  // recipients whose tokens of the person would die
    };
    [[nodiscard]] Result<Plan> plan(const Caller& caller, const keys::RequestId& id) const;

    struct Executed {
        RequestRecord record;
        std::optional<ByteArray<32>> opening;  // r of a scheduled erasure: in this answer only
    };
    // `corrections`: rectification only. Refuses: identity_not_proved, fee_or_refuse, wrong_state,
    // needs_second (an erasure needs another officer, or the person's own session), and what put()
    // refuses. Again: the same record, and nothing happens.
    void execute(const Caller& caller, const keys::RequestId& id,
                 const std::vector<FieldInput>& corrections, Done<Executed> done,
                 std::function<void(const ErasureRow&)> on_final);

    // What is held on a person: given once, within seven days after the execution, which this does
    // by itself. Officers. Refuses: wrong_state, and as execute(). `subject`, if not empty, must be
    // the person's id, else not_found.
    void package(const Caller& caller, const keys::RequestId& id, std::string_view subject,
                 Done<Package> done);

    // ---- Accounts (MISSION 5.3).
    // Purposes that end with the account end at once; after the cooling-off the person is erased.
    // Again: the same record. Refuses: not_found, erased.
    void close_account(const Caller& caller, std::string_view subject, Done<Executed> done);
    // Refuses: wrong_state (not closed, or too late).
    void reopen_account(const Caller& caller, std::string_view subject, Done<RequestRecord> done);

private:
    Core& core_;
};

// ---- Internal to vault/.
// Does what is due. House thread. Throws Fault.
void run_due_requests(Core& core);

}  // namespace oubliette
