#pragma once

#include <string>
#include <vector>

#include "vault/policy/reasons.hpp"
#include "vault/vault.hpp"

// Decisions explained: what would be answered and why, and whether an entry of the audit log
// follows from the policy of its time. For officers; nothing of a value leaves. Thread-safe.

namespace oubliette {

struct ExplainRequest {
    std::string_view subject;
    std::string_view field;
    std::string_view purpose;
    std::string_view order;                // id of a disclosure order, "" = none
    std::string_view recipient;            // "": the caller's
    std::optional<std::uint16_t> version;  // under this version instead of the one in force
    std::optional<Timestamp> at;           // as if asked then, under the version in force then
};

struct Explanation {
    std::uint16_t policy_version = 0;
    std::string recipient;
    std::string transform;                  // what would be applied; empty if refused
    std::vector<policy::FailedStep> steps;  // that refuse, in their order; empty: allowed
};

// One step of a replayed entry. `policy`: decided again from the version of the entry's time.
// `record`: what the step looked at is gone or was never in the log (a token, a person's consents
// of then, a suspension); the entry's own word is taken, if that version can refuse so at all.
enum class ReplaySource : std::uint8_t { policy, record };
struct ReplayedStep {
    unsigned step = 0;
    ReplaySource source = ReplaySource::policy;
    bool is_refused = false;
};

struct Replay {
    std::uint64_t index = 0;
    audit::Entry entry;
    std::string recipient;  // names in the version of the entry; empty: it names none
    std::string purpose;
    std::string field;
    std::optional<Refusal> replayed;  // nullopt: allowed
    bool is_same = false;             // as the entry says, step by step
    std::vector<ReplayedStep> steps;
    std::string difference;  // what does not fit; empty if is_same
};

class Decisions {
public:
    explicit Decisions(Core& core) noexcept : core_(core) {}

    // Every step that refuses (MISSION 3.1), without step 13, which counts what one client did.
    // Leaves an entry `decide`. Refuses: recipient_unknown, not_found (no such version).
    void explain(const Caller& caller, const ExplainRequest& request, Done<Explanation> done);

    // Decides an entry of the log again. Leaves an entry `replay`. Refuses: not_found (no such
    // entry), wrong_state (the entry is no decision about a purpose).
    void replay(const Caller& caller, std::uint64_t index, Done<Replay> done);

private:
    [[nodiscard]] std::shared_ptr<const policy::Gate> gate_for(const ExplainRequest& request,
                                                               Timestamp now) const;

    Core& core_;
};

}  // namespace oubliette
