#include "vault/standing.hpp"

#include <algorithm>

#include "vault/core.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::uint8_t kAssessmentRow = 3;
constexpr unsigned kApprovalsNeeded = 2;

struct Approval {
    std::uint16_t client = 0;
    RoleMask roles = 0;
};
struct AssessmentRow {
    Risk risk = Risk::low;
    std::uint8_t approval_count = 0;
    Timestamp recorded;
    std::uint16_t client = 0;
    std::array<Approval, kApprovalsNeeded> approvals{};
    crypto::Hash paper{};
};

Bytes assessment_key(policy::PurposeId purpose) {
    Bytes key;
    ByteWriter{key}.u8(kAssessmentRow).be16(static_cast<std::uint16_t>(purpose));
    return key;
}

Bytes encode(const AssessmentRow& row) {
    Bytes out;
    ByteWriter writer{out};
    writer.u8(static_cast<std::uint8_t>(row.risk)).u8(row.approval_count).le16(0);
    writer.le32(row.recorded.seconds).le16(row.client);
    for (const Approval& approval : row.approvals)
        writer.le16(approval.client).le16(approval.roles);
    writer.le16(0).bytes(row.paper);
    return out;
}

AssessmentRow decode_assessment(ByteView bytes) {
    ByteReader in{bytes};
    AssessmentRow row;
    row.risk = static_cast<Risk>(in.u8());
    row.approval_count = in.u8();
    const std::uint16_t zero = in.le16();
    row.recorded.seconds = in.le32();
    row.client = in.le16();
    for (Approval& approval : row.approvals) {
        approval.client = in.le16();
        approval.roles = in.le16();
    }
    const std::uint16_t zero_too = in.le16();
    row.paper = in.array<32>();
    const bool is_risk = row.risk == Risk::low || row.risk == Risk::high;
    const bool is_sound = in.finished() && zero == 0 && zero_too == 0 && is_risk &&
                          row.approval_count <= kApprovalsNeeded;
    if (!is_sound) throw Fault{FaultKind::corrupt, "a stored assessment is damaged"};
    return row;
}

std::optional<AssessmentRow> find_assessment(const store::ReadView& view,
                                             policy::PurposeId purpose) {
    const auto row = view.get(Tables::kCounters, assessment_key(purpose));
    if (!row) return std::nullopt;
    return decode_assessment(*row);
}

Assessment described(std::string_view purpose, const AssessmentRow& row, bool is_blocked) {
    Assessment assessment;
    assessment.purpose = purpose;
    assessment.risk = row.risk;
    assessment.is_blocked = is_blocked;
    assessment.approvals = row.approval_count;
    assessment.recorded = row.recorded;
    assessment.paper = row.paper;
    return assessment;
}

void note(Writing& writing, const Caller& caller, audit::Action action, std::uint16_t object,
          std::optional<Refusal> refusal) {
    PendingEntry pending;
    pending.entry.action = action;
    pending.entry.refusal = refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.recipient = static_cast<std::uint16_t>(caller.recipient);
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object[0] = static_cast<Byte>(object);
    pending.entry.object[1] = static_cast<Byte>(object >> 8);
    writing.audit(pending);
}

// Hands out what a work left behind, once it is durable.
template <class T>
std::function<void(const Fault*)> answer_with(std::shared_ptr<Result<T>> outcome, Done<T> done) {
    return [outcome = std::move(outcome), done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::wrong_state, fault);
        done(std::move(*outcome), nullptr);
    };
}

// Roles that may approve; a person needs one that the first approver did not have.
constexpr RoleMask kApprovers =
    static_cast<RoleMask>(Role::privacy_officer) | static_cast<RoleMask>(Role::legal);

bool is_same_approver(const AssessmentRow& row, const Caller& caller) noexcept {
    if (row.client == caller.client) return true;
    if (row.approval_count == 0) return false;
    const Approval& first = row.approvals.front();
    return first.client == caller.client || (first.roles & caller.roles & kApprovers) != 0;
}

}  // namespace

void Standing::Marks::set(std::uint16_t number, bool is_set) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << (number % 64U);
    auto& word = words_[number / 64U];
    if (is_set) {
        word.fetch_or(bit, std::memory_order_release);
    } else {
        word.fetch_and(~bit, std::memory_order_release);
    }
}

void Standing::load(const store::ReadView& view) {
    const auto load_kind = [&](policy::NameKind names, keys::RegisterKind kind, Marks& marks) {
        const Bytes prefix{static_cast<Byte>(names)};
        view.scan(Tables::kNames, prefix, {}, [&](ByteView, ByteView value) {
            const std::uint16_t number = ByteReader{value}.le16();
            const auto changes = core_.plane->read_register({kind, core_.tenant, number, 0});
            marks.set(number, changes % 2 == 1);
            return true;
        });
    };
    load_kind(policy::NameKind::recipient, keys::RegisterKind::suspension, suspended_);
    load_kind(policy::NameKind::purpose, keys::RegisterKind::assessment, blocked_);
}

// Counts the change at the keepers, then lets it act.
void Standing::raise(keys::RegisterKind kind, std::uint16_t number, bool is_set, Marks& marks) {
    const keys::RegisterKey key{kind, core_.tenant, number, 0};
    const std::uint64_t changes = core_.plane->read_register(key);
    if ((changes % 2 == 1) != is_set) core_.plane->raise_registers({{key, changes + 1}});
    marks.set(number, is_set);
}

// ---- Recipients ----------------------------------------------------------------------------

void Standing::change(const Caller& caller, std::string_view recipient, bool to_suspend,
                      Done<bool> done) {
    const auto outcome = std::make_shared<Result<bool>>(Refusal::recipient_unknown);
    const auto number = std::make_shared<std::optional<std::uint16_t>>();
    const auto work = [=, this](Writing& writing) {
        *number = Policies::find_id(writing.view, policy::NameKind::recipient, recipient);
        *outcome = Refusal::recipient_unknown;
        if (*number) {
            // Before the commit: a suspension that nobody heard of is the safe mistake.
            if (to_suspend) raise(keys::RegisterKind::suspension, **number, true, suspended_);
            *outcome = to_suspend;
        }
        const auto action =
            to_suspend ? audit::Action::recipient_suspend : audit::Action::recipient_resume;
        note(writing, caller, action, number->value_or(0),
             *number ? std::nullopt : std::optional{Refusal::recipient_unknown});
    };
    core_.submit(work, [=, this](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::wrong_state, fault);
        try {
            if (*number && !to_suspend) {
                raise(keys::RegisterKind::suspension, **number, false, suspended_);
            }
        } catch (const Fault& failed) {
            return done(Refusal::wrong_state, &failed);
        }
        done(*outcome, nullptr);
    });
}

void Standing::suspend(const Caller& caller, std::string_view recipient, Done<bool> done) {
    change(caller, recipient, true, std::move(done));
}

void Standing::resume(const Caller& caller, std::string_view recipient, Done<bool> done) {
    change(caller, recipient, false, std::move(done));
}

std::vector<RecipientStanding> Standing::recipients() const {
    std::vector<RecipientStanding> all;
    const auto gate = core_.policies->current();
    if (!gate) return all;
    for (const policy::RecipientRule& rule : gate->document().recipients) {
        RecipientStanding standing;
        standing.name = rule.name;
        standing.kind = rule.kind;
        standing.is_suspended = rule.suspended || is_suspended(*gate->find_recipient(rule.name));
        if (rule.agreement) standing.agreement_ends = rule.agreement->expires;
        all.push_back(std::move(standing));
    }
    return all;
}

// ---- Assessments ---------------------------------------------------------------------------

void Standing::record(const Caller& caller, std::string_view purpose, Risk risk,
                      const crypto::Hash& paper, Done<Assessment> done) {
    const auto outcome = std::make_shared<Result<Assessment>>(Refusal::purpose_unknown);
    const auto work = [=, this](Writing& writing) {
        *outcome = Refusal::purpose_unknown;
        const auto id = writing.gate->find_purpose(purpose);
        const auto number = id ? static_cast<std::uint16_t>(*id) : std::uint16_t{0};
        if (id) {
            AssessmentRow row;
            row.risk = risk;
            row.recorded = writing.now;
            row.client = caller.client;
            row.paper = paper;
            writing.view.put(Tables::kCounters, assessment_key(*id), encode(row));
            raise(keys::RegisterKind::assessment, number, risk == Risk::high, blocked_);
            *outcome = described(purpose, row, risk == Risk::high);
        }
        note(writing, caller, audit::Action::assessment_record, number,
             id ? std::nullopt : std::optional{Refusal::purpose_unknown});
    };
    core_.submit(work, answer_with(outcome, std::move(done)));
}

void Standing::approve(const Caller& caller, std::string_view purpose, Done<Assessment> done) {
    const auto outcome = std::make_shared<Result<Assessment>>(Refusal::purpose_unknown);
    const auto work = [=, this](Writing& writing) {
        *outcome = Refusal::purpose_unknown;
        const auto id = writing.gate->find_purpose(purpose);
        const auto number = id ? static_cast<std::uint16_t>(*id) : std::uint16_t{0};
        auto row = id ? find_assessment(writing.view, *id) : std::nullopt;
        if (id && !row) *outcome = Refusal::not_found;
        if (row && (!is_blocked(*id) || row->approval_count >= kApprovalsNeeded)) {
            *outcome = Refusal::wrong_state;
        } else if (row && is_same_approver(*row, caller)) {
            *outcome = Refusal::same_approver;
        } else if (row) {
            row->approvals.at(row->approval_count++) = {caller.client, caller.roles};
            writing.view.put(Tables::kCounters, assessment_key(*id), encode(*row));
            *outcome = described(purpose, *row, row->approval_count < kApprovalsNeeded);
        }
        note(writing, caller, audit::Action::assessment_approve, number,
             *outcome ? std::nullopt : std::optional{outcome->error()});
    };
    // Lifted only when the second approval is durable.
    const auto lift = [=, this](Result<Assessment> result, const Fault* fault) {
        try {
            const auto gate = core_.policies->current();
            const auto id = gate ? gate->find_purpose(purpose) : std::nullopt;
            if (fault == nullptr && result && !result->is_blocked && id) {
                raise(keys::RegisterKind::assessment, static_cast<std::uint16_t>(*id), false,
                      blocked_);
            }
        } catch (const Fault& failed) {
            return done(Refusal::wrong_state, &failed);
        }
        done(std::move(result), fault);
    };
    core_.submit(work, answer_with<Assessment>(outcome, lift));
}

std::vector<Assessment> Standing::assessments() const {
    std::vector<Assessment> all;
    const auto gate = core_.policies->current();
    if (!gate) return all;
    const auto view = core_.store->read();
    for (const policy::PurposeRule& rule : gate->document().purposes) {
        const policy::PurposeId id = *gate->find_purpose(rule.name);
        const auto row = find_assessment(*view, id);
        if (row) all.push_back(described(rule.name, *row, is_blocked(id)));
    }
    return all;
}

// ---- Exports -------------------------------------------------------------------------------

std::vector<ExportReport> Standing::exports() const {
    std::vector<ExportReport> all;
    const auto gate = core_.policies->current();
    if (!gate) return all;
    for (const ExportCount& count : core_.exports.counts()) {
        const policy::RecipientRule* const rule = gate->recipient_rule(count.recipient);
        ExportReport report;
        report.recipient = gate->name_of(count.recipient);
        report.year = count.year;
        report.people = count.people;
        if (rule != nullptr && rule->cross_border) {
            report.people_max = rule->cross_border->people_per_year;
        }
        report.is_alarm =
            report.people_max && count.people * 10 >= std::uint64_t{*report.people_max} * 9;
        if (!report.recipient.empty()) all.push_back(std::move(report));
    }
    return all;
}

}  // namespace oubliette
